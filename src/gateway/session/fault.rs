//! Faults on request, for tests: only debug builds have them, and only where the
//! environment has `TURNTABLE_TEST_FAULTS=1`.

use std::sync::OnceLock;

use turntable_core::call::Call;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::owner::OwnerId;
use turntable_core::payload::Payload;

/// The call that lets an owner panic at its next call, where a client's `call`
/// requests it:
/// `{"f": "fault:room", "args": "CStrike"}`.
pub(crate) fn requested(f: &str, args: Option<&Payload>) -> Option<Call> {
    static IS_ON: OnceLock<bool> = OnceLock::new();
    let is_on = || std::env::var_os("TURNTABLE_TEST_FAULTS").is_some_and(|value| value == "1");
    let kind = f.strip_prefix("fault:")?;
    if !*IS_ON.get_or_init(is_on) {
        return None;
    }
    let id: String = serde_json::from_str(args?.as_json()).ok()?;
    let owner = match kind {
        "avatar" => OwnerId::Avatar(UserId::parse(&id).ok()?),
        "room" => OwnerId::Room(ChannelId::parse(&id).ok()?),
        "channel" => OwnerId::Channel(ChannelId::parse(&id).ok()?),
        "service" => OwnerId::Service(id.into()),
        _ => return None,
    };
    Some(Call::Fail(owner))
}
