//! The users in a file: how many there are, and who goes first.
//!
//! A user is touched when its record or one of its facts is written and when it is seen
//! last. Those that never showed who they are and were touched on one day alone go first,
//! so that new users take no place of others. Those with a password do not go:
//! `portal.password.users_max` bounds them.

use std::collections::HashSet;

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition, WriteTransaction,
};

use super::{Batch, SEEN, USERS, table};
use crate::store::{Fact, day};

/// When users were touched last: Unix ms, and [`KNOWN`].
const TOUCHED: TableDefinition<'_, &str, u64> = TableDefinition::new("users_touched");

/// The same users by that: the first ones go.
const ORDER: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("users_order");

/// The bit of users that are known. No time has it.
const KNOWN: u64 = 1 << 62;

/// The facts of users that are known. A block list is anybody's.
const MARKS: [Fact; 3] = [Fact::Ban, Fact::Session, Fact::Erased];

/// Users that went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Gone {
    /// How many were stored before.
    pub(super) count: u64,
    /// Those that were to be stored.
    pub(super) refused: Vec<String>,
}

/// Opens each table, and closes it.
pub(super) fn open_singly(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(TOUCHED)?;
    transaction.open_table(ORDER)?;
    Ok(())
}

/// A batch was written: its users are touched, and the first go where there are more than
/// `users_max`.
pub(super) fn touch(
    transaction: &WriteTransaction,
    batch: Batch<'_>,
    users_max: u64,
    now_ms: u64,
) -> Result<Gone, redb::Error> {
    let facts = batch.facts.iter().filter(|entry| entry.0 != Fact::Blocked);
    let named = batch.entries.iter().map(|(user, _)| user);
    let named = named.chain(facts.map(|(_, user, _)| user));
    let named = named.chain(batch.seen.iter().map(|(user, _)| user));
    let named: Vec<&String> = named.collect();
    let mut gone = Gone::default();
    if named.is_empty() {
        return Ok(gone);
    }
    let identified: HashSet<&String> = batch.known.iter().collect();
    let passwords = transaction.open_table(table(Fact::Password))?;
    let mut marks = Vec::new();
    for fact in MARKS {
        marks.push(transaction.open_table(table(fact))?);
    }
    let mut users = transaction.open_table(USERS)?;
    let mut touched = transaction.open_table(TOUCHED)?;
    let mut order = transaction.open_table(ORDER)?;
    for user in named {
        let mut is_known = identified.contains(user);
        let user = user.as_str();
        for of_fact in &marks {
            is_known |= of_fact.get(user)?.is_some();
        }
        let may_go = users.get(user)?.is_some() && passwords.get(user)?.is_none();
        let before = touched.remove(user)?.map(|at| at.value());
        if let Some(before) = before {
            order.remove((before, user))?;
            is_known |= before & KNOWN != 0 || day(before) != day(now_ms);
        }
        if may_go {
            let rank = if is_known { now_ms | KNOWN } else { now_ms };
            touched.insert(user, rank)?;
            order.insert((rank, user), ())?;
        }
    }
    let named: HashSet<&String> = batch.entries.iter().map(|(user, _)| user).collect();
    while order.len()? > users_max {
        let Some((key, _)) = order.pop_first()? else {
            break;
        };
        let user = key.value().1.to_owned();
        touched.remove(user.as_str())?;
        users.remove(user.as_str())?;
        match named.contains(&user) {
            true => gone.refused.push(user),
            false => gone.count += 1,
        }
    }
    Ok(gone)
}

/// The users that are known.
pub(super) fn known(database: &Database) -> Result<Vec<String>, redb::Error> {
    let touched = database.begin_read()?.open_table(TOUCHED)?;
    let mut known = Vec::new();
    for entry in touched.iter()? {
        let (user, rank) = entry?;
        if rank.value() & KNOWN != 0 {
            known.push(user.value().to_owned());
        }
    }
    Ok(known)
}

/// The users of a file of an earlier version are in the order of their last presence. All
/// of them were there before.
pub(super) fn put_in_order(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let users = transaction.open_table(USERS)?;
    let mut touched = transaction.open_table(TOUCHED)?;
    if !touched.is_empty()? || users.is_empty()? {
        return Ok(());
    }
    let passwords = transaction.open_table(table(Fact::Password))?;
    let seen = transaction.open_table(SEEN)?;
    let mut order = transaction.open_table(ORDER)?;
    for entry in users.iter()? {
        let (user, _) = entry?;
        let user = user.value();
        if passwords.get(user)?.is_none() {
            let at_ms = seen.get(user)?.map_or(0, |at_ms| at_ms.value());
            touched.insert(user, at_ms | KNOWN)?;
            order.insert((at_ms | KNOWN, user), ())?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::file::Entry;

    const DAY: u64 = 86_400_000;

    struct Store(Database);

    impl Store {
        fn put(&self, user: &str, is_known: bool, users_max: u64, now_ms: u64) -> Gone {
            let entries: [Entry; 1] = [(user.to_owned(), b"{}".to_vec())];
            let known = match is_known {
                true => vec![user.to_owned()],
                false => Vec::new(),
            };
            let transaction = self.0.begin_write().unwrap();
            open_singly(&transaction).unwrap();
            for fact in Fact::ALL {
                transaction.open_table(table(fact)).unwrap();
            }
            let mut users = transaction.open_table(USERS).unwrap();
            users.insert(user, b"{}".as_slice()).unwrap();
            drop(users);
            let batch = Batch {
                entries: &entries,
                known: &known,
                ..Batch::default()
            };
            let gone = touch(&transaction, batch, users_max, now_ms).unwrap();
            transaction.commit().unwrap();
            gone
        }

        fn users(&self) -> Vec<String> {
            let users = self.0.begin_read().unwrap().open_table(USERS).unwrap();
            let users = users.iter().unwrap().map(|entry| entry.unwrap());
            users.map(|(user, _)| user.value().to_owned()).collect()
        }
    }

    #[test]
    fn new_users_take_no_place_of_those_that_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store(Database::create(folder.path().join("store")).unwrap());
        store.put("1:identified", true, 3, DAY);
        store.put("1:often", false, 3, DAY);
        store.put("1:often", false, 3, 2 * DAY);
        for n in 0..50 {
            let gone = store.put(&format!("1:{n}"), false, 3, 2 * DAY + n);
            assert_eq!(gone.refused, [""; 0]);
        }
        assert_eq!(store.users(), ["1:49", "1:identified", "1:often"]);
        let marked = ["1:identified", "1:often"].map(str::to_owned);
        assert_eq!(known(&store.0).unwrap(), marked);
        // A third one that is known leaves no place for others.
        assert_eq!(store.put("1:third", true, 3, 3 * DAY).count, 1);
        let refused = Gone {
            count: 0,
            refused: vec!["1:50".to_owned()],
        };
        assert_eq!(store.put("1:50", false, 3, 3 * DAY), refused);
        assert_eq!(store.put("1:fourth", true, 3, 3 * DAY).count, 1);
        assert_eq!(store.users(), ["1:fourth", "1:often", "1:third"]);
    }
}
