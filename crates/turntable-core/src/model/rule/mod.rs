//! Rules that look into actions before a room passes them on.
//!
//! A room asks each of its rules about each action of a message; one refusal
//! refuses the whole message. What a rule remembers (tokens) changes only when
//! a message was accepted. The JSON of `data` is parsed at most once per
//! action, and only when a rule asks for it.

pub mod data;
pub mod rate;
pub mod schema;
pub mod user_ids;

use std::cell::OnceCell;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duplicate_key;
use crate::id::UserId;
use crate::model::room::Members;
use crate::model::timestamp::Lag;
use crate::packet::Action;
use crate::reason::ErrorCode;

/// The longest sentence of a refusal, in bytes.
const MESSAGE_BYTES_MAX: usize = 300;

/// A condition on the actions of a room.
pub trait Rule: Send {
    /// Whether `action` may pass.
    ///
    /// # Errors
    /// [`Refusal`] with a sentence for the sender.
    fn check(
        &mut self,
        room: &RoomView<'_>,
        action: &Inspection<'_>,
        now_ms: u64,
    ) -> Result<(), Refusal>;

    /// A message of `actions` actions passed every rule.
    fn accepted(&mut self, _from: &UserId, _actions: usize, _now_ms: u64) {}

    /// A member left the room.
    fn left(&mut self, _user: &UserId, _now_ms: u64) {}

    /// What it remembers, as a value; `None` for a rule that remembers nothing.
    fn save(&self, _now_ms: u64) -> Option<RuleState> {
        None
    }

    /// Takes back what a rule of its kind remembered. States of other kinds are
    /// others'.
    fn restore(&mut self, _state: &RuleState, _now_ms: u64) {}
}

/// What a rule remembers, with remaining times in place of absolute ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RuleState {
    /// Of `actions_per_second`: the bucket of each sender that has one.
    Rates(Vec<RateState>),
}

/// The bucket of one sender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateState {
    /// The sender.
    pub user: UserId,
    /// How many actions it may send, as of then.
    pub tokens: f64,
    /// How long ago that was, in ms.
    pub age_ms: u64,
}

/// Why an action may not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The error code its sender gets.
    pub code: ErrorCode,
    /// A sentence of bounded length.
    pub message: Box<str>,
    /// A detail of the error: its name and value.
    pub detail: Option<(&'static str, u64)>,
}

impl Refusal {
    /// A refusal; a long `message` is cut.
    #[must_use]
    pub fn new(code: ErrorCode, mut message: String) -> Self {
        if message.len() > MESSAGE_BYTES_MAX {
            let end = message.floor_char_boundary(MESSAGE_BYTES_MAX - "...".len());
            message.truncate(end);
            message.push_str("...");
        }
        Self {
            code,
            message: message.into(),
            detail: None,
        }
    }

    /// The same with a detail of the error.
    #[must_use]
    pub const fn with(mut self, name: &'static str, value: u64) -> Self {
        self.detail = Some((name, value));
        self
    }

    fn invalid(message: String) -> Self {
        Self::new(ErrorCode::InvalidAction, message)
    }
}

/// What a rule sees of the room.
#[derive(Debug, Clone, Copy)]
pub struct RoomView<'a> {
    members: &'a Members,
}

impl<'a> RoomView<'a> {
    /// A view of a room with these members.
    #[must_use]
    pub const fn new(members: &'a Members) -> Self {
        Self { members }
    }

    /// Whether `user` is a member, be it away.
    #[must_use]
    pub fn is_member(&self, user: &str) -> bool {
        self.members.get(user).is_some()
    }

    /// The team of a member.
    #[must_use]
    pub fn team(&self, user: &str) -> Option<&'a str> {
        self.members.get(user)?.team()
    }

    /// How late a member's messages are, and how far back its timestamps may lie;
    /// `None` before its first action.
    #[must_use]
    pub fn lag(&self, user: &str) -> Option<Lag> {
        self.members.get(user)?.lag()
    }
}

/// An action under inspection.
pub struct Inspection<'a> {
    action: &'a Action,
    index: usize,
    count: usize,
    data: OnceCell<Result<Value, Refusal>>,
}

impl<'a> Inspection<'a> {
    /// The `index`th action of its message.
    #[must_use]
    pub const fn new(action: &'a Action, index: usize) -> Self {
        Self {
            action,
            index,
            count: index + 1,
            data: OnceCell::new(),
        }
    }

    /// The same, in a message of so many actions.
    #[must_use]
    pub const fn of(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// How many actions its message has.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The action as it came.
    #[must_use]
    pub const fn action(&self) -> &'a Action {
        self.action
    }

    /// How many actions of the same message stand before it.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Its `data`, parsed at the first call. The parser refuses more than 128
    /// levels; the decoder has let in fewer.
    ///
    /// # Errors
    /// [`Refusal`] where the parser does not take it, or an object has a key twice.
    pub fn data(&self) -> Result<&Value, Refusal> {
        self.data
            .get_or_init(|| {
                let json = self.action.data.as_json();
                check_keys(json)?;
                serde_json::from_str(json).map_err(|error| {
                    Refusal::invalid(format!("data cannot be looked into: {error}"))
                })
            })
            .as_ref()
            .map_err(Clone::clone)
    }
}

/// Whether data that the server looks into is the same to all who read it.
///
/// # Errors
/// `bad_message` where an object has a key twice.
pub fn check_keys(json: &str) -> Result<(), Refusal> {
    if !duplicate_key::is_in(json) {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::BadMessage,
        "duplicate key in data".to_owned(),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::room::Member;
    use crate::model::timestamp::Corrector;
    use crate::payload::Payload;

    /// Three members, `1:1`, `1:2` and `fb:mel`, the last on team red.
    pub(super) fn members() -> Members {
        let mut members = Members::default();
        for (id, team) in [("1:1", None), ("1:2", None), ("fb:mel", Some("red"))] {
            let member = Member::new(team.map(Into::into), Corrector::default(), 0);
            members.insert(UserId::parse(id).unwrap(), member);
        }
        members
    }

    pub(super) fn action(data: &str) -> Action {
        Action {
            timestamp_ms: 0.0,
            from: UserId::parse("1:1").unwrap(),
            team: None,
            data: Payload::from_json(data),
        }
    }

    /// What `rule` says to one action with that data, sent by `1:1`.
    pub(super) fn ask(rule: &mut dyn Rule, data: &str) -> Result<(), Refusal> {
        let members = members();
        let action = action(data);
        rule.check(&RoomView::new(&members), &Inspection::new(&action, 0), 0)
    }

    #[test]
    fn a_view_knows_members_and_teams() {
        let members = members();
        let room = RoomView::new(&members);
        assert!(room.is_member("1:2") && !room.is_member("1:3"));
        assert_eq!((room.team("fb:mel"), room.team("1:1")), (Some("red"), None));
    }

    #[test]
    fn data_is_parsed_once_for_all_rules() {
        let action = action("{\"x\":1}");
        let inspection = Inspection::new(&action, 0);
        let first: *const Value = inspection.data().unwrap();
        let second: *const Value = inspection.data().unwrap();
        assert_eq!(first, second);
    }

    #[test]
    fn data_with_a_key_twice_is_refused() {
        let action = action(r#"{"x":[{"a":1,"\u0061":"1:9"}]}"#);
        let refusal = Inspection::new(&action, 0).data().unwrap_err();
        assert_eq!(refusal.code, ErrorCode::BadMessage);
    }

    #[test]
    fn data_beyond_the_parsers_depth_is_refused() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let action = action(&deep);
        let refusal = Inspection::new(&action, 0).data().unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidAction);
    }

    #[test]
    fn a_long_sentence_is_cut_between_characters() {
        let refusal = Refusal::invalid("\u{e9}".repeat(500));
        assert!(refusal.message.len() <= MESSAGE_BYTES_MAX);
        assert!(refusal.message.ends_with("\u{e9}..."));
        assert_eq!(&*Refusal::invalid("short".to_owned()).message, "short");
    }
}
