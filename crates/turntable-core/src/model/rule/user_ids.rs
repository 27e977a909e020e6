//! Rules on the user ids within an action's `data`.

use serde_json::Value;

use super::{Inspection, Refusal, RoomView, Rule};
use crate::id::UserId;

/// `member_ids`: each text within `data`, be it a value or a key, that has the
/// form of a user id names a member of the room.
#[derive(Debug)]
pub struct MemberIds;

impl Rule for MemberIds {
    fn check(
        &mut self,
        room: &RoomView<'_>,
        action: &Inspection<'_>,
        _now_ms: u64,
    ) -> Result<(), Refusal> {
        let hold = |text: &str| {
            if room.is_member(text) || UserId::parse(text).is_err() {
                return Ok(());
            }
            Err(Refusal::invalid(format!(
                "user ids within data must be members of the room; {text} is none"
            )))
        };
        // A list of what is left to see, for clients choose the depth.
        let mut left = vec![action.data()?];
        while let Some(value) = left.pop() {
            match value {
                Value::String(text) => hold(text)?,
                Value::Array(items) => left.extend(items),
                Value::Object(members) => {
                    for (name, value) in members {
                        hold(name)?;
                        left.push(value);
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        Ok(())
    }
}

/// `targets`: these members of `data`, where present, name another member of
/// the room (seed 003's `strike_one`).
#[derive(Debug)]
pub struct Targets {
    members: Vec<String>,
}

impl Targets {
    /// Each of `members` is a target.
    #[must_use]
    pub const fn new(members: Vec<String>) -> Self {
        Self { members }
    }
}

impl Rule for Targets {
    fn check(
        &mut self,
        room: &RoomView<'_>,
        action: &Inspection<'_>,
        _now_ms: u64,
    ) -> Result<(), Refusal> {
        let Some(data) = action.data()?.as_object() else {
            return Ok(());
        };
        let sender = action.action().from.as_str();
        for name in &self.members {
            let Some(target) = data.get(name) else {
                continue;
            };
            let is_another = target
                .as_str()
                .is_some_and(|target| target != sender && room.is_member(target));
            if !is_another {
                return Err(Refusal::invalid(format!(
                    "{name} must be the id of another member of the room"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ask;
    use super::*;

    #[test]
    fn user_ids_within_data_are_members() {
        let mut rule = MemberIds;
        for good in [
            "null",
            "\"1:2\"",
            "{\"1:1\":[{\"who\":\"fb:mel\"}]}",
            "{\"note\":\"at 12: go\",\"n\":1.5,\"b\":true}",
            "[]",
        ] {
            assert_eq!(ask(&mut rule, good), Ok(()), "{good}");
        }
        for wrong in [
            "\"1:3\"",
            "{\"1:3\":0}",
            "{\"a\":[[[\"1:1\",\"1:3\"]]]}",
            "{\"1:1\":{\"fb:you\":1}}",
        ] {
            assert!(ask(&mut rule, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_target_is_another_member() {
        let mut rule = Targets::new(vec!["strike_one".into(), "heal".into()]);
        for good in [
            "{\"strike_one\":\"1:2\"}",
            "{\"strike_one\":\"fb:mel\",\"heal\":\"1:2\"}",
            "{\"strike_two\":\"1:9\"}",
            "[\"strike_one\"]",
            "7",
        ] {
            assert_eq!(ask(&mut rule, good), Ok(()), "{good}");
        }
        for wrong in [
            "{\"strike_one\":\"1:1\"}",
            "{\"strike_one\":\"1:9\"}",
            "{\"strike_one\":12}",
            "{\"strike_one\":null}",
            "{\"strike_one\":\"1:2\",\"heal\":\"1:1\"}",
        ] {
            assert!(ask(&mut rule, wrong).is_err(), "{wrong}");
        }
    }
}
