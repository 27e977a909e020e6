//! Rules on the outside of an action's `data`: how long it is, and which
//! members it has.

use super::{Inspection, Refusal, RoomView, Rule};
use crate::reason::ErrorCode;

/// `action_bytes_max`: `data` is at most so long.
#[derive(Debug)]
pub struct ActionBytes {
    bytes_max: usize,
}

impl ActionBytes {
    /// At most `bytes_max` bytes of JSON.
    #[must_use]
    pub const fn new(bytes_max: usize) -> Self {
        Self { bytes_max }
    }
}

impl Rule for ActionBytes {
    fn check(
        &mut self,
        _room: &RoomView<'_>,
        action: &Inspection<'_>,
        _now_ms: u64,
    ) -> Result<(), Refusal> {
        let bytes = action.action().data.as_json().len();
        if bytes <= self.bytes_max {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorCode::TooLarge,
            format!(
                "the data of an action of this game is at most {} bytes of JSON; this is {bytes}",
                self.bytes_max
            ),
        )
        .with("max", self.bytes_max as u64))
    }
}

/// `require`: `data` is a hash with these members.
#[derive(Debug)]
pub struct Require {
    members: Vec<String>,
}

impl Require {
    /// Each of `members` must be there.
    #[must_use]
    pub const fn new(members: Vec<String>) -> Self {
        Self { members }
    }
}

impl Rule for Require {
    fn check(
        &mut self,
        _room: &RoomView<'_>,
        action: &Inspection<'_>,
        _now_ms: u64,
    ) -> Result<(), Refusal> {
        let data = action.data()?.as_object();
        let missing = self
            .members
            .iter()
            .find(|name| !data.is_some_and(|data| data.contains_key(*name)));
        missing.map_or(Ok(()), |name| {
            Err(Refusal::invalid(format!(
                "the data of an action of this game is a hash with the members {}; {name} is missing",
                self.members.join(", ")
            )))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::ask;
    use super::*;

    #[test]
    fn data_has_a_longest_length() {
        let mut rule = ActionBytes::new(10);
        assert_eq!(ask(&mut rule, "\"12345678\""), Ok(()));
        let refusal = ask(&mut rule, "\"123456789\"").unwrap_err();
        assert_eq!(refusal.code, ErrorCode::TooLarge);
        assert!(refusal.message.contains("10 bytes"), "{refusal}");
    }

    #[test]
    fn data_has_the_members_that_a_game_requires() {
        let mut rule = Require::new(vec!["x".into(), "y".into()]);
        assert_eq!(ask(&mut rule, "{\"x\":1,\"y\":null,\"z\":0}"), Ok(()));
        let refusal = ask(&mut rule, "{\"x\":1}").unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidAction);
        assert!(refusal.message.contains("y is missing"), "{refusal}");
        for other in ["null", "1", "\"x\"", "[\"x\",\"y\"]"] {
            assert!(ask(&mut rule, other).is_err(), "{other}");
        }
    }
}
