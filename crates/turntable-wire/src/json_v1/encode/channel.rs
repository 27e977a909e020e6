//! Messages of channels.

use turntable_core::packet::{ChannelMessage, MemberList, MemberState, MemberUpdate};

use super::{Slot, member_changes};

/// The members of a channel, by name or as a number.
pub(super) fn members(members: &MemberList, slot: Slot<'_>) {
    let names = match members {
        MemberList::Names(names) => names,
        MemberList::Count(count) => return slot.whole(*count),
    };
    let mut object = slot.object();
    for user in names {
        let mut entry = object.entry(user.as_str()).object();
        entry.key("state").plain(MemberState::Joined.name());
        entry.end();
    }
    object.end();
}

/// Changes of the members, or their number.
pub(super) fn member_update(update: &MemberUpdate, slot: Slot<'_>) {
    match update {
        MemberUpdate::Names(changes) => member_changes(changes, slot),
        MemberUpdate::Count(count) => slot.whole(*count),
    }
}

/// A message of a channel.
pub(super) fn message(message: &ChannelMessage, slot: Slot<'_>) {
    let mut object = slot.object();
    object.key("channel").string(message.channel.as_str());
    object.key("id").plain(&message.id.to_string());
    object.key("offset").whole(message.offset);
    if let Some(epoch) = &message.epoch {
        object.key("epoch").string(epoch);
    }
    if let Some(from) = &message.from {
        object.key("from").string(from.as_str());
    }
    object.key("time").whole(message.time_ms);
    object.key("data").json(message.data.as_json());
    object.end();
}
