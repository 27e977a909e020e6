//! A batch is written around damaged pages: what is on them is left out.

use super::{Batch, File};
use crate::store::Fact;

/// What of a batch could not be written.
#[derive(Debug, Default)]
pub(in crate::store) struct Lost {
    users: Vec<String>,
    facts: Vec<(Fact, String)>,
    /// Whether a change of a channel is among it.
    pub(in crate::store) has_channel: bool,
}

impl Lost {
    fn add(&mut self, batch: Batch<'_>) {
        let users = batch.entries.iter().map(|(user, _)| user.clone());
        self.users.extend(users);
        let facts = batch.facts.iter();
        let facts = facts.map(|(fact, user, _)| (*fact, user.clone()));
        self.facts.extend(facts);
        self.has_channel |= !batch.channels.is_empty();
    }

    /// What is lost where these users have no place.
    pub(in crate::store) fn of(users: Vec<String>) -> Self {
        Self {
            users,
            ..Self::default()
        }
    }

    /// Whether the attributes of a user are.
    pub(in crate::store) fn has_user(&self, user: &str) -> bool {
        self.users.iter().any(|lost| lost == user)
    }

    /// Whether a fact of a user is.
    pub(in crate::store) fn has_fact(&self, fact: Fact, user: &str) -> bool {
        let is_it = |(lost, of): &(Fact, String)| *lost == fact && of == user;
        self.facts.iter().any(is_it)
    }
}

impl Batch<'_> {
    /// Two parts of it; each has something where it has two changes or more.
    fn halves(self) -> [Self; 2] {
        let none = Self {
            known: self.known,
            ..Self::default()
        };
        let (entries, facts) = (self.entries, self.facts);
        let (seen, channels) = (self.seen, self.channels);
        let users = Self {
            entries,
            facts,
            ..none
        };
        let others = Self {
            seen,
            channels,
            ..none
        };
        if users.len() > 0 && others.len() > 0 {
            return [users, others];
        }
        if !entries.is_empty() && !facts.is_empty() {
            return [Self { entries, ..none }, Self { facts, ..none }];
        }
        if !seen.is_empty() && !channels.is_empty() {
            return [Self { seen, ..none }, Self { channels, ..none }];
        }
        let (entries, facts) = (half(entries), half(facts));
        let (seen, channels) = (half(seen), half(channels));
        [
            Self {
                entries: entries.0,
                facts: facts.0,
                seen: seen.0,
                channels: channels.0,
                ..none
            },
            Self {
                entries: entries.1,
                facts: facts.1,
                seen: seen.1,
                channels: channels.1,
                ..none
            },
        ]
    }
}

fn half<T>(all: &[T]) -> (&[T], &[T]) {
    all.split_at(all.len() / 2)
}

impl File {
    /// Writes what can be of a batch, in as few commits as that takes. The rest is lost.
    ///
    /// # Errors
    /// The file can be written no more.
    pub(in crate::store) fn write_around(&mut self, batch: Batch<'_>) -> Result<Lost, String> {
        let (mut lost, mut parts) = (Lost::default(), vec![batch]);
        while let Some(part) = parts.pop() {
            match self.write_batch(part) {
                Ok(refused) => lost.users.extend(refused),
                Err(error) if self.is_closed() => return Err(error),
                Err(_) if part.len() <= 1 => lost.add(part),
                Err(_) => {
                    // What was first is written first.
                    let [first, second] = part.halves();
                    parts.extend([second, first]);
                }
            }
        }
        Ok(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_have_everything_once() {
        let entries: Vec<_> = (0..5).map(|n| (n.to_string(), Vec::new())).collect();
        let facts = [(Fact::Ban, "a".to_owned(), None)];
        let seen = [("b".to_owned(), 1), ("c".to_owned(), 2)];
        let whole = Batch {
            entries: &entries,
            facts: &facts,
            seen: &seen,
            ..Batch::default()
        };
        let (mut parts, mut single) = (vec![whole], Vec::new());
        while let Some(part) = parts.pop() {
            match part.len() {
                0 => unreachable!("a half without a change"),
                1 => single.push(part),
                _ => parts.extend(part.halves()),
            }
        }
        assert_eq!(single.len(), 8);
        let mut lost = Lost::default();
        single.into_iter().for_each(|part| lost.add(part));
        assert!((0..5).all(|n| lost.has_user(&n.to_string())));
        assert!(lost.has_fact(Fact::Ban, "a") && !lost.has_fact(Fact::Password, "a"));
        assert!(!lost.has_user("a") && !lost.has_channel);
    }
}
