//! Loads: what is not written yet is a part of what is found.

use super::Writer;
use crate::store::file::reading::Found;
use crate::store::{Loaded, LoadedChannel, Record, Stored, Unavailable, record};
use turntable_core::id::{ChannelId, UserId};

impl Writer<'_> {
    pub(super) fn load(&mut self, user: &UserId) -> Loaded {
        match self.file.read(user.as_str()) {
            Ok(found) => self.complete(user, found),
            Err(error) => {
                self.unread(&error);
                Err(Unavailable)
            }
        }
    }

    /// Loads many users in one transaction. Returns those of whom there is something, and no
    /// others.
    pub(super) fn load_all(&mut self, users: Vec<UserId>) -> Vec<(UserId, Stored)> {
        let found = self.file.read_all(users.iter().map(UserId::as_str));
        let loaded: Vec<Loaded> = match found {
            Ok(found) => users
                .iter()
                .zip(found)
                .map(|(user, found)| self.complete(user, found))
                .collect(),
            // A damaged page has some of them.
            Err(_) => users.iter().map(|user| self.load(user)).collect(),
        };
        let loaded = users.into_iter().zip(loaded);
        loaded
            .filter_map(|(user, loaded)| Some((user, loaded.ok()?)))
            .filter(|(_, stored)| *stored != Stored::default())
            .collect()
    }

    fn complete(&mut self, user: &UserId, (found, seen_ms): Found) -> Loaded {
        let record = match (self.unwritten.get(user), found) {
            (Some(record), _) => record.clone(),
            (None, None) => Record::default(),
            (None, Some(bytes)) => record::read(&bytes).ok_or_else(|| {
                self.unread(&format!("the record of {user} is none"));
                Unavailable
            })?,
        };
        let seen_ms = self.seen.get(user).copied().or(seen_ms);
        Ok(Stored {
            record,
            last_seen_ms: seen_ms.filter(|at_ms| *at_ms > 0),
        })
    }

    pub(super) fn load_channel(&mut self, channel: &ChannelId) -> LoadedChannel {
        if self.channels.contains_key(channel) {
            self.commit();
        }
        match self.file.read_channel(channel) {
            Ok(found) => Ok(found),
            Err(error) => {
                self.unread(&error);
                Err(Unavailable)
            }
        }
    }
}
