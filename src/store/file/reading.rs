//! What a file has of users, read in one transaction.

use redb::{Database, ReadableDatabase as _};

use super::{File, SEEN, USERS};

/// The record of a user, and when it was last seen.
pub(crate) type Found = (Option<Vec<u8>>, Option<u64>);

impl File {
    /// What there is of a user.
    pub(crate) fn read(&mut self, user: &str) -> Result<Found, String> {
        let mut found = self.read_all(std::iter::once(user))?;
        Ok(found.pop().unwrap_or_default())
    }

    /// What there is of each of these users, in their order.
    pub(in crate::store) fn read_all<'u>(
        &mut self,
        users: impl Iterator<Item = &'u str>,
    ) -> Result<Vec<Found>, String> {
        self.with(|database| read(database, users))
    }
}

fn read<'u>(
    database: &Database,
    users: impl Iterator<Item = &'u str>,
) -> Result<Vec<Found>, redb::Error> {
    let transaction = database.begin_read()?;
    let (records, seen) = (
        transaction.open_table(USERS)?,
        transaction.open_table(SEEN)?,
    );
    let find = |user: &str| {
        let record = records.get(user)?.map(|record| record.value().to_vec());
        Ok((record, seen.get(user)?.map(|at_ms| at_ms.value())))
    };
    users.map(find).collect()
}
