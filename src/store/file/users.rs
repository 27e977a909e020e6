//! The users in a file: how many there are, and who goes first.
//!
//! A user is touched when its attributes are saved and when it is seen last. Those with a
//! password are not among those that go: `portal.password.users_max` bounds them.

use redb::{ReadableTable as _, ReadableTableMetadata as _, TableDefinition, WriteTransaction};

use super::{Batch, SEEN, USERS, table};
use crate::clock;
use crate::store::Fact;

/// When users were touched last, Unix ms.
const TOUCHED: TableDefinition<'_, &str, u64> = TableDefinition::new("users_touched");

/// The same users by that time.
const ORDER: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("users_order");

/// Opens each table, and closes it.
pub(super) fn open_singly(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(TOUCHED)?;
    transaction.open_table(ORDER)?;
    Ok(())
}

/// A batch was written: its users are touched, and those that were longest ago go where
/// there are more than `users_max`. Returns how many.
pub(super) fn touch(
    transaction: &WriteTransaction,
    batch: Batch<'_>,
    users_max: u64,
) -> Result<u64, redb::Error> {
    let of_password = |entry: &&super::FactEntry| entry.0 == Fact::Password;
    let facts = batch.facts.iter().filter(of_password);
    let named = batch.entries.iter().map(|(user, _)| user);
    let named = named.chain(facts.map(|(_, user, _)| user));
    let named = named.chain(batch.seen.iter().map(|(user, _)| user));
    let named: Vec<&String> = named.collect();
    if named.is_empty() {
        return Ok(0);
    }
    let now_ms = clock::now_ms();
    let passwords = transaction.open_table(table(Fact::Password))?;
    let mut users = transaction.open_table(USERS)?;
    let mut touched = transaction.open_table(TOUCHED)?;
    let mut order = transaction.open_table(ORDER)?;
    for user in named {
        let user = user.as_str();
        let may_go = users.get(user)?.is_some() && passwords.get(user)?.is_none();
        let before = match may_go {
            true => touched.insert(user, now_ms)?.map(|at| at.value()),
            false => touched.remove(user)?.map(|at| at.value()),
        };
        if let Some(before) = before {
            order.remove((before, user))?;
        }
        if may_go {
            order.insert((now_ms, user), ())?;
        }
    }
    let mut gone = 0;
    while order.len()? > users_max {
        let Some((key, _)) = order.pop_first()? else {
            break;
        };
        let (_, user) = key.value();
        touched.remove(user)?;
        users.remove(user)?;
        gone += 1;
    }
    Ok(gone)
}

/// The users of a file of an earlier version are in the order of their last presence.
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
            touched.insert(user, at_ms)?;
            order.insert((at_ms, user), ())?;
        }
    }
    Ok(())
}
