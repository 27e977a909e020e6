//! The lists in memory, each with what it counts for.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::BlockedMaxima;
use turntable_core::address::Address;
use turntable_core::even_share::EvenShares;
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// What a list counts for its address besides its users: about as much memory.
pub(super) const LIST: usize = 10;

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List {
    /// In order.
    pub(super) users: Box<[UserId]>,
    /// The address of the client that made it longer last, since the start.
    pub(super) address: Option<IpAddr>,
    /// The Unix second at which it ends; `None`: it is removed by its user or the operator.
    pub(super) ends_s: Option<u64>,
}

/// A list as the store has it: its users, and its end where it has one.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored<'l> {
    Lasting(std::borrow::Cow<'l, [UserId]>),
    Ending {
        users: std::borrow::Cow<'l, [UserId]>,
        ends: u64,
    },
}

impl List {
    /// The list of a text of the store.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (users, ends_s) = match serde_json::from_str(text).ok()? {
            Stored::Lasting(users) => (users, None),
            Stored::Ending { users, ends } => (users, Some(ends)),
        };
        Some(Self {
            users: users.into_owned().into(),
            address: None,
            ends_s,
        })
    }

    /// The text for the store.
    pub(super) fn text(&self) -> Option<Box<str>> {
        let users = std::borrow::Cow::Borrowed(&*self.users);
        let stored = match self.ends_s {
            None => Stored::Lasting(users),
            Some(ends) => Stored::Ending { users, ends },
        };
        serde_json::to_string(&stored).ok().map(Into::into)
    }

    /// Whether it names a user.
    pub(super) fn has(&self, user: &UserId) -> bool {
        self.users.binary_search(user).is_ok()
    }

    /// The users that one of two lists names alone.
    pub(super) fn differs_from(&self, other: &Self) -> HashSet<UserId> {
        let added = other.users.iter().filter(|user| !self.has(user));
        let removed = self.users.iter().filter(|user| !other.has(user));
        added.chain(removed).cloned().collect()
    }

    /// The address that it counts for.
    fn counted(&self) -> Option<Address> {
        self.address.map(Address::of)
    }

    /// What it counts for its address.
    fn units(&self) -> usize {
        self.users.len() + LIST
    }
}

/// Which maximum is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Each,
    Lists,
    Total,
    Address,
    Share,
}

impl Full {
    pub(super) fn error(self, maxima: &BlockedMaxima) -> ErrorBody {
        let each = maxima.each;
        let (message, max) = match self {
            Self::Each => {
                let message = format!("a user blocks at most {each} users (portal.blocked_max)");
                return error(&message, each);
            }
            Self::Lists => (
                "as many users have a block list as may (portal.block_lists_max)",
                maxima.lists,
            ),
            Self::Total => (
                "all block lists are as long as they may be (portal.blocked_total_max)",
                maxima.total,
            ),
            Self::Share => {
                let message = "all block lists are nearly as many or as long as they may be \
                               (portal.block_lists_max, portal.blocked_total_max), and clients of \
                               your address have more than an even share of them";
                return ErrorBody::new(ErrorCode::TooMany, message);
            }
            Self::Address => (
                "the clients of your address block as many users as may \
                 (portal.blocked_per_address_max)",
                maxima.address,
            ),
        };
        error(message, max)
    }
}

fn error(message: &str, max: usize) -> ErrorBody {
    ErrorBody::new(ErrorCode::TooMany, message).with("max", max as u64)
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    by_user: HashMap<UserId, List>,
    /// How many there are.
    count: EvenShares,
    /// Users in all of them.
    users: EvenShares,
    /// The Unix second of the last look for those that are over.
    pub(super) looked_s: u64,
}

impl Lists {
    pub(super) fn get(&self, user: &UserId) -> Option<&List> {
        self.by_user.get(user)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&UserId, &List)> {
        self.by_user.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// Whether a maximum that all users share is reached.
    pub(super) fn is_full(&self, maxima: &BlockedMaxima) -> bool {
        self.by_user.len() >= maxima.lists || self.users.total() >= maxima.total
    }

    /// Whether a longer list may be in the place of the one before.
    pub(super) fn accept(
        &self,
        user: &UserId,
        list: &List,
        maxima: &BlockedMaxima,
    ) -> Result<(), Full> {
        let (before, len) = (self.get(user), list.users.len());
        if len > maxima.each {
            return Err(Full::Each);
        }
        if before.is_none() && self.by_user.len() >= maxima.lists {
            return Err(Full::Lists);
        }
        let total = self.users.total() - before.map_or(0, |before| before.users.len());
        if total + len > maxima.total {
            return Err(Full::Total);
        }
        let Some(address) = list.counted() else {
            return Ok(());
        };
        let known = self.users.of(address) + LIST * self.count.of(address);
        let own = before.filter(|before| before.counted() == Some(address));
        if known - own.map_or(0, List::units) + list.units() > maxima.address {
            return Err(Full::Address);
        }
        // Where one address may have all, there are no shares.
        if maxima.address >= maxima.total {
            return Ok(());
        }
        let (lists, users) = match own {
            Some(own) => (0, len.saturating_sub(own.users.len())),
            None => (1, len),
        };
        let has_room = self.count.has_room(address, lists, maxima.lists)
            && self.users.has_room(address, users, maxima.total);
        match has_room {
            true => Ok(()),
            false => Err(Full::Share),
        }
    }

    /// Puts a list in the place of the one before; an empty one is none.
    pub(super) fn put(&mut self, user: UserId, list: List) {
        self.remove(&user);
        if list.users.is_empty() {
            return;
        }
        self.count.add(list.counted(), 1);
        self.users.add(list.counted(), list.users.len());
        self.by_user.insert(user, list);
    }

    fn remove(&mut self, user: &UserId) {
        let Some(list) = self.by_user.remove(user) else {
            return;
        };
        self.by_user.give_back();
        self.count.remove(list.counted(), 1);
        self.users.remove(list.counted(), list.users.len());
    }

    /// The list of a user ends at another time.
    pub(super) fn renew(&mut self, user: &UserId, ends_s: Option<u64>) {
        if let Some(list) = self.by_user.get_mut(user) {
            list.ends_s = ends_s;
        }
    }

    /// Removes those that are over. Returns whose they were.
    pub(super) fn expire(&mut self, now_s: u64) -> Vec<UserId> {
        self.looked_s = now_s;
        let is_over = |list: &List| list.ends_s.is_some_and(|ends_s| ends_s <= now_s);
        let lists = self.by_user.iter().filter(|(_, list)| is_over(list));
        let over: Vec<UserId> = lists.map(|(user, _)| user.clone()).collect();
        for user in &over {
            self.remove(user);
        }
        over
    }
}
