//! The users in a file: how many there are, and who goes first.
//!
//! A user is touched when its record or one of its facts is written, when it is seen last,
//! and when it would go while it has an avatar. New ones, which are not known, go first while
//! they have more than an eighth of the places. Those with a password do not go:
//! `portal.password.users_max` bounds them.

use std::collections::HashSet;

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, Table,
    TableDefinition, WriteTransaction,
};

use super::{Batch, SEEN, USERS, table};
use crate::store::{Fact, day, new_ones_go_first};

/// When users were touched last: Unix ms, and [`KNOWN`].
const TOUCHED: TableDefinition<'_, &str, u64> = TableDefinition::new("users_touched");

/// The known users by that: the first ones go.
const ORDER: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("users_order");

/// The new ones.
const NEW_ORDER: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("new_users_order");

/// The bit of users that are known. No time has it.
const KNOWN: u64 = 1 << 62;

/// Users that have an avatar and are passed over in one commit. More of them leave the file over
/// its limit until the next one.
const PASSED_OVER_MAX: usize = 1_000;

/// The facts of users that are known. Any user may have a block list.
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
    transaction.open_table(NEW_ORDER)?;
    Ok(())
}

/// The users that may go, in the order in which they do.
struct Order<'t> {
    known: Table<'t, (u64, &'static str), ()>,
    new: Table<'t, (u64, &'static str), ()>,
}

impl<'t> Order<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            known: transaction.open_table(ORDER)?,
            new: transaction.open_table(NEW_ORDER)?,
        })
    }

    fn of(&mut self, rank: u64) -> &mut Table<'t, (u64, &'static str), ()> {
        match rank & KNOWN {
            0 => &mut self.new,
            _ => &mut self.known,
        }
    }

    fn insert(&mut self, rank: u64, user: &str) -> Result<(), redb::Error> {
        self.of(rank).insert((rank, user), ())?;
        Ok(())
    }

    fn remove(&mut self, rank: u64, user: &str) -> Result<(), redb::Error> {
        self.of(rank).remove((rank, user))?;
        Ok(())
    }

    fn len(&self) -> Result<u64, redb::Error> {
        Ok(self.known.len()? + self.new.len()?)
    }

    /// Removes the user that goes first.
    fn pop(&mut self) -> Result<Option<(u64, String)>, redb::Error> {
        let (new, all) = (self.new.len()?, self.len()?);
        // A single one stays.
        let are_new_first = new > 1 && new_ones_go_first(new, all);
        let mut orders = [&mut self.known, &mut self.new];
        if are_new_first {
            orders.reverse();
        }
        for order in orders {
            if let Some((key, _)) = order.pop_first()? {
                let (rank, user) = key.value();
                return Ok(Some((rank, user.to_owned())));
            }
        }
        Ok(None)
    }
}

/// A batch was written: its users are touched, and the first go where there are more than
/// `users_max`. Those that have an avatar stay.
pub(super) fn touch(
    transaction: &WriteTransaction,
    batch: Batch<'_>,
    users_max: u64,
    has_avatar: &dyn Fn(&str) -> bool,
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
    let mut order = Order::open(transaction)?;
    for user in named {
        let mut is_known = identified.contains(user);
        let user = user.as_str();
        for of_fact in &marks {
            is_known |= of_fact.get(user)?.is_some();
        }
        let may_go = users.get(user)?.is_some() && passwords.get(user)?.is_none();
        let before = touched.remove(user)?.map(|at| at.value());
        if let Some(before) = before {
            order.remove(before, user)?;
            is_known |= before & KNOWN != 0 || day(before) != day(now_ms);
        }
        if may_go {
            let rank = if is_known { now_ms | KNOWN } else { now_ms };
            touched.insert(user, rank)?;
            order.insert(rank, user)?;
        }
    }
    let named: HashSet<&String> = batch.entries.iter().map(|(user, _)| user).collect();
    let mut passed_over = Vec::new();
    while order.len()? + passed_over.len() as u64 > users_max && passed_over.len() < PASSED_OVER_MAX
    {
        let Some((rank, user)) = order.pop()? else {
            break;
        };
        if has_avatar(&user) && users_max > 0 {
            passed_over.push((now_ms | (rank & KNOWN), user));
            continue;
        }
        touched.remove(user.as_str())?;
        users.remove(user.as_str())?;
        match named.contains(&user) {
            true => gone.refused.push(user),
            false => gone.count += 1,
        }
    }
    for (rank, user) in passed_over {
        touched.insert(user.as_str(), rank)?;
        order.insert(rank, &user)?;
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
/// of them were there before. A later one had new users among the others.
pub(super) fn put_in_order(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let users = transaction.open_table(USERS)?;
    let mut touched = transaction.open_table(TOUCHED)?;
    let mut order = Order::open(transaction)?;
    if touched.is_empty()? && !users.is_empty()? {
        let passwords = transaction.open_table(table(Fact::Password))?;
        let seen = transaction.open_table(SEEN)?;
        for entry in users.iter()? {
            let (user, _) = entry?;
            let user = user.value();
            if passwords.get(user)?.is_none() {
                let at_ms = seen.get(user)?.map_or(0, |at_ms| at_ms.value());
                touched.insert(user, at_ms | KNOWN)?;
                order.insert(at_ms | KNOWN, user)?;
            }
        }
    }
    let first = order.known.first()?;
    if first.is_none_or(|(key, _)| key.value().0 & KNOWN != 0) {
        return Ok(());
    }
    let moved = order.known.extract_from_if(..(KNOWN, ""), |_, ()| true)?;
    for entry in moved {
        let (key, _) = entry?;
        order.new.insert(key.value(), ())?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::file::Entry;

    const DAY: u64 = 86_400_000;

    /// With the users that have an avatar.
    struct Store(Database, Vec<&'static str>);

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
            let gone = touch(
                &transaction,
                batch,
                users_max,
                &|user| self.1.contains(&user),
                now_ms,
            );
            let gone = gone.unwrap();
            transaction.commit().unwrap();
            gone
        }

        fn users(&self) -> Vec<String> {
            let users = self.0.begin_read().unwrap().open_table(USERS).unwrap();
            let users = users.iter().unwrap().map(|entry| entry.unwrap());
            users.map(|(user, _)| user.value().to_owned()).collect()
        }
    }

    fn store(folder: &tempfile::TempDir, present: &[&'static str]) -> Store {
        let database = Database::create(folder.path().join("store")).unwrap();
        Store(database, present.to_vec())
    }

    #[test]
    fn new_users_have_an_eighth_and_take_no_other_place() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder, &[]);
        let name = |n: u64| format!("1:{n:04}");
        store.put("1:often", false, 24, DAY);
        store.put("1:often", false, 24, 2 * DAY);
        for n in 1..24 {
            store.put(&name(n), true, 24, 2 * DAY + n);
        }
        assert_eq!(known(&store.0).unwrap().len(), 24);
        for n in 100..200 {
            let gone = store.put(&name(n), false, 24, 3 * DAY + n);
            assert_eq!((gone.count, gone.refused), (1, Vec::new()));
        }
        let left: Vec<_> = (3..24).chain(197..200).map(name).collect();
        assert_eq!(store.users(), left);
        // A known one takes the place of one that is.
        assert_eq!(store.put(&name(24), true, 24, 3 * DAY + 300).count, 1);
        let left: Vec<_> = (4..25).chain(197..200).map(name).collect();
        assert_eq!(store.users(), left);
        // A new one is known on the next day.
        store.put(&name(197), false, 24, 4 * DAY);
        for n in 200..210 {
            store.put(&name(n), false, 24, 4 * DAY + n);
        }
        let left: Vec<_> = (5..25).chain([197]).chain(207..210).map(name).collect();
        assert_eq!(store.users(), left);
        // Without a place a user is refused, and not stored.
        let refused = store.put(&name(300), true, 0, 5 * DAY).refused;
        assert_eq!(refused, [name(300)]);
        assert_eq!(store.users(), [""; 0]);
    }

    #[test]
    fn users_with_an_avatar_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(&folder, &["1:here", "1:new"]);
        store.put("1:here", true, 4, DAY);
        store.put("1:new", false, 4, DAY);
        for n in 0..20 {
            store.put(&format!("1:{n:02}"), n % 2 == 0, 4, DAY + 1 + n);
        }
        assert_eq!(store.users().len(), 4);
        assert!(
            store
                .users()
                .ends_with(&["1:here".to_owned(), "1:new".to_owned()])
        );
        store.1.clear();
        for n in 21..30 {
            store.put(&format!("1:{n}"), n % 2 == 0, 4, DAY + 100 + n);
        }
        assert!(!store.users().contains(&"1:here".to_owned()));
    }

    #[test]
    fn new_users_of_an_earlier_version_are_apart() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder, &[]);
        store.put("1:a", true, 9, DAY);
        let transaction = store.0.begin_write().unwrap();
        {
            let mut users = transaction.open_table(USERS).unwrap();
            let mut touched = transaction.open_table(TOUCHED).unwrap();
            let mut order = transaction.open_table(ORDER).unwrap();
            for user in ["1:b", "1:c"] {
                users.insert(user, b"{}".as_slice()).unwrap();
                touched.insert(user, DAY).unwrap();
                order.insert((DAY, user), ()).unwrap();
            }
        }
        put_in_order(&transaction).unwrap();
        transaction.commit().unwrap();
        let read = store.0.begin_read().unwrap();
        let count = |table| read.open_table(table).unwrap().len().unwrap();
        assert_eq!((count(ORDER), count(NEW_ORDER)), (1, 2));
        assert_eq!(store.put("1:d", false, 3, DAY + 1).count, 1);
        assert_eq!(store.users(), ["1:a", "1:c", "1:d"]);
    }
}
