//! What events say: their JSON. What clients chose is written as it came, so numbers keep
//! their digits.

use std::collections::BTreeMap;

use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use turntable_core::id::UserId;
use turntable_core::model::room::Claim;
use turntable_core::packet::RoomMember;
use turntable_core::payload::Payload;

/// An event as it is sent.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a, D> {
    pub(super) id: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// Unix ms.
    pub(super) time: u64,
    pub(super) data: D,
}

/// The data of `user.attributes`.
#[derive(Debug, Serialize)]
pub(super) struct Attributes<'a> {
    pub(super) user: &'a str,
    /// `None` for one that was removed.
    pub(super) attributes: BTreeMap<&'a str, Option<Opaque<'a>>>,
}

/// The data of `room.result`.
#[derive(Debug, Serialize)]
pub(super) struct RoomResult<'a> {
    channel: &'a str,
    game: &'a str,
    by: &'a str,
    members: &'a Members<'a>,
    result: Opaque<'a>,
    /// Unix ms.
    timestamp: u64,
}

/// The members of a room.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Members<'a>(BTreeMap<&'a str, Member<'a>>);

impl<'a> Members<'a> {
    pub(super) fn new(members: &'a [RoomMember]) -> Self {
        let members = members.iter().map(|member| {
            let (team, state) = (member.team.as_deref(), member.state.name());
            (member.user.as_str(), Member { team, state })
        });
        Self(members.collect())
    }
}

/// A member, as `joined` has it.
#[derive(Debug, Serialize)]
struct Member<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<&'a str>,
    state: &'static str,
}

impl<'a> RoomResult<'a> {
    /// The data for a result that a member claims in a room, which is its channel and its game.
    pub(super) fn new(
        (channel, game): (&'a str, &'a str),
        by: &'a UserId,
        members: &'a Members<'a>,
        claim: &'a Claim,
    ) -> Self {
        Self {
            channel,
            game,
            by: by.as_str(),
            members,
            result: Opaque(&claim.result),
            timestamp: claim.timestamp_ms,
        }
    }
}

/// What a client chose.
#[derive(Debug)]
pub(super) struct Opaque<'a>(pub(super) &'a Payload);

impl Serialize for Opaque<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.0.as_json()).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_chose_keeps_its_digits() {
        let size = Payload::from_json(r#"{"b": 1.50, "a": 12345678901234567890123}"#);
        let body = Body {
            id: "1",
            kind: "user.attributes",
            time: 5,
            data: Attributes {
                user: "1:5",
                attributes: BTreeMap::from([("age", None), ("size", Some(Opaque(&size)))]),
            },
        };
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"id":"1","type":"user.attributes","time":5,"data":{"user":"1:5","attributes":{"age":null,"size":{"b": 1.50, "a": 12345678901234567890123}}}}"#
        );
    }
}
