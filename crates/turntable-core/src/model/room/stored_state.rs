//! The state that a game keeps for late joiners: the member `state` of the
//! last action whose data has one, byte for byte; `null` clears it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::packet::Action;
use crate::payload::Payload;

#[derive(Deserialize)]
struct WithState<'a> {
    #[serde(borrow)]
    state: &'a RawValue,
}

/// The state of the last action that has one.
fn last(actions: &[Action]) -> Option<&str> {
    actions.iter().rev().find_map(|action| {
        let json = action.data.as_json();
        // An array is read as a struct too, and is none.
        let is_hash = json.trim_start().starts_with('{');
        let data: WithState<'_> = is_hash.then(|| serde_json::from_str(json).ok())??;
        Some(data.state.get())
    })
}

/// How long the state is that `actions` leave, where one of them has any.
pub(super) fn bytes(actions: &[Action]) -> Option<usize> {
    last(actions).map(|json| if json == "null" { 0 } else { json.len() })
}

/// Applies `actions` in the order in which they are sent.
pub(super) fn apply(actions: &[Action], stored: &mut Option<Payload>) {
    if let Some(json) = last(actions) {
        *stored = (json != "null").then(|| Payload::from_json(json));
    }
}
