//! What others get of a command, in bytes.
//!
//! Channels and rooms charge what they send to each listener, but a listener is on many
//! of them, watchers get the attributes of many users, and services hand calls out to their
//! instances. What one address makes all of them send is charged at its gateway, before the
//! owners see the command.

use crate::id::UserId;
use crate::packet::ClientPacket;
use crate::payload::Payload;

/// What a message has beside its texts.
const MESSAGE_BYTES: usize = 128;
/// What a `game` has beside its room and actions, and an action beside its texts.
const GAME_BYTES: usize = 64;
const ACTION_BYTES: usize = 48;
/// What a change of presence has beside its user: it is sent with those of others.
const CHANGE_BYTES: usize = 64;

/// About how many bytes one listener, one watcher or one instance of a service gets of a
/// command of `user`; 0 for a command that has no other receivers.
#[must_use]
pub fn published_bytes(packet: &ClientPacket, user: &UserId) -> usize {
    match packet {
        ClientPacket::Publish { channel, data } => {
            let texts = channel.as_str().len() + user.as_str().len() + data.as_json().len();
            MESSAGE_BYTES + texts
        }
        ClientPacket::Game { channel, actions } => {
            let actions = actions.iter().map(|action| {
                let team = action.team.as_deref().map_or(0, str::len);
                ACTION_BYTES + action.from.as_str().len() + team + action.data.as_json().len()
            });
            GAME_BYTES + channel.as_str().len() + actions.sum::<usize>()
        }
        ClientPacket::Call { f, args, .. } => {
            let args = args.as_ref().map_or(0, |args| args.as_json().len());
            MESSAGE_BYTES + f.len() + user.as_str().len() + args
        }
        ClientPacket::Set(changes) => {
            let changes = changes.iter();
            attributes_bytes(user, changes.map(|(name, value)| (name, value.as_ref())))
        }
        ClientPacket::Status { .. } => CHANGE_BYTES + user.as_str().len(),
        _ => 0,
    }
}

/// About how many bytes one watcher gets of attributes of `user`; of those without a value
/// that they are removed.
#[must_use]
pub fn attributes_bytes<'a>(
    user: &UserId,
    attributes: impl Iterator<Item = (&'a Box<str>, Option<&'a Payload>)>,
) -> usize {
    let texts = attributes.map(|(name, value)| {
        let value = value.map_or("null".len(), |value| value.as_json().len());
        name.len() + value
    });
    MESSAGE_BYTES + user.as_str().len() + texts.sum::<usize>()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::id::ChannelId;
    use crate::packet::Status;
    use crate::payload::Payload;

    #[test]
    fn attributes_count_with_their_names() {
        let user = UserId::parse("1:1").unwrap();
        let value = Payload::from_json("\"Mel\"");
        let set = |value| ClientPacket::Set(vec![("name".into(), value)]);
        let rest = MESSAGE_BYTES + "1:1".len() + "name".len();
        assert_eq!(published_bytes(&set(Some(value)), &user), rest + 5);
        assert_eq!(published_bytes(&set(None), &user), rest + "null".len());
    }

    #[test]
    fn small_messages_count_with_what_is_around_them() {
        let user = UserId::parse("1:1").unwrap();
        let publish = |data: &str| ClientPacket::Publish {
            channel: ChannelId::parse("c").unwrap(),
            data: Payload::from_json(data),
        };
        assert_eq!(published_bytes(&publish("1"), &user), 133);
        assert_eq!(published_bytes(&publish("\"xxxxxxxx\""), &user), 142);
        let call = ClientPacket::Call {
            f: "forum:f".into(),
            args: Some(Payload::from_json("[1]")),
            user: None,
        };
        assert_eq!(published_bytes(&call, &user), 141);
        let status = ClientPacket::Status {
            state: Status::Busy,
            note: None,
        };
        assert_eq!(published_bytes(&status, &user), 67);
        assert_eq!(published_bytes(&ClientPacket::Bye, &user), 0);
    }
}
