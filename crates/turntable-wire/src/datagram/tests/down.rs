//! Encoding messages as datagrams.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::datagram::{Datagram, Path, Receiver, is_personal, own_id};
use crate::json_v1::encode;
use turntable_core::id::{ChannelId, MessageId, UserId};
use turntable_core::packet::*;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

const TO: Receiver<'static> = Receiver {
    tunnel: "AAAAAAAAAAAAAAAAAAAAAA",
    user: Some("1:\"mel\\"),
};

fn message(packet: &ServerPacket) -> String {
    let mut out = Vec::new();
    encode(packet, None, &mut out);
    String::from_utf8(out).unwrap()
}

fn published(channel: &str, data: &str) -> ServerPacket {
    ServerPacket::Message(Box::new(ChannelMessage {
        channel: ChannelId::parse(channel).unwrap(),
        id: MessageId::from_parts(1_700_000_000_000, 7),
        offset: 3,
        epoch: None,
        from: UserId::parse("1:1").ok(),
        time_ms: 5,
        data: Payload::from_json(data),
    }))
}

fn text(datagram: &Datagram<'_>) -> String {
    let mut out = b"left ".to_vec();
    datagram.write(&mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("left ").unwrap().to_owned()
}

fn parsed(message: &str, to: &Receiver<'_>) -> Value {
    let datagram = Datagram::of(message, MessageId::nil(), to).unwrap();
    serde_json::from_str(&text(&datagram)).unwrap()
}

#[test]
fn each_message_goes_to_its_path() {
    let room = ChannelId::parse("CS/1").unwrap();
    let user = UserId::parse("1:2").unwrap();
    let rows = [
        (ServerPacket::IdYou, "/tunnel/AAAAAAAAAAAAAAAAAAAAAA"),
        (
            ServerPacket::Error(Box::new(ErrorBody::new(ErrorCode::Internal, "x"))),
            "/tunnel/AAAAAAAAAAAAAAAAAAAAAA",
        ),
        (
            ServerPacket::Reply(ReplyData::Done),
            "/tunnel/AAAAAAAAAAAAAAAAAAAAAA",
        ),
        (
            ServerPacket::ChannelJoined {
                channel: room.clone(),
                epoch: "e".into(),
                offset: 0,
                recovered: false,
                members: None,
            },
            "/tunnel/AAAAAAAAAAAAAAAAAAAAAA",
        ),
        (
            ServerPacket::Invite {
                channel: room.clone(),
                from: user.clone(),
            },
            "/user/1:\"mel\\",
        ),
        (
            ServerPacket::InviteReply {
                channel: room.clone(),
                user: user.clone(),
                accepted: true,
            },
            "/user/1:\"mel\\",
        ),
        (ServerPacket::Attributes(Vec::new()), "/user/1:\"mel\\"),
        (
            ServerPacket::UserChange(vec![(user.clone(), Presence::Online)]),
            "/presence",
        ),
        (
            ServerPacket::MemberChange {
                channel: room.clone(),
                members: vec![(user, MemberChange::Away)],
                reason: None,
            },
            "/game/CS/1",
        ),
        (
            ServerPacket::Game {
                channel: room,
                actions: Vec::new(),
            },
            "/game/CS/1",
        ),
    ];
    for (packet, path) in rows {
        let message = message(&packet);
        assert_eq!(
            parsed(&message, &TO),
            json!({
                "id": "00000000000000000000000000",
                "path": path,
                "data": serde_json::from_str::<Value>(&message).unwrap(),
            }),
        );
        let personal = path.starts_with("/user/") || path.starts_with("/tunnel/");
        assert_eq!(is_personal(&message), personal, "{message}");
        let datagram = Datagram::of(&message, MessageId::nil(), &TO).unwrap();
        assert_eq!(datagram.path.is_personal(), personal);
        assert_eq!(datagram.path.to_string(), path);
        assert!(own_id(&message).is_none());
    }
}

#[test]
fn publication_has_the_id_and_origin_of_its_message() {
    let message = message(&published("a/\"b\\ü", "\"hi\""));
    let id = own_id(&message).unwrap();
    assert_eq!(id, MessageId::from_parts(1_700_000_000_000, 7));
    let datagram = Datagram::of(&message, id, &TO).unwrap();
    assert_eq!(
        text(&datagram),
        format!(
            r#"{{"id":"{id}","path":"/channel/a/\"b\\ü","data":"hi","from":"1:1","offset":3,"time":5}}"#
        ),
    );
    assert_eq!(datagram.path, Path::Channel("a/\"b\\ü".into()));
    assert!(!is_personal(&message));
}

#[test]
fn first_publication_of_a_channel_has_its_epoch() {
    let ServerPacket::Message(mut first) = published("c", "1") else {
        panic!("a message");
    };
    first.epoch = Some("e".into());
    let id = first.id;
    let message = message(&ServerPacket::Message(first));
    let datagram = Datagram::of(&message, id, &TO).unwrap();
    let text = text(&datagram);
    let origin = r#""data":1,"from":"1:1","offset":3,"epoch":"e","time":5}"#;
    assert!(text.ends_with(origin), "{text}");
}

#[test]
fn past_message_under_another_id_has_its_own_beside_it() {
    let message = message(&published("c", "1"));
    let (id, own) = (MessageId::from(1), own_id(&message).unwrap());
    let datagram = Datagram::of(&message, id, &TO).unwrap();
    assert_eq!(
        text(&datagram),
        format!(
            r#"{{"id":"{id}","path":"/channel/c","data":1,"from":"1:1","offset":3,"time":5,"message":"{own}"}}"#
        ),
    );
}

#[test]
fn unidentified_client_gets_everything_on_the_tunnel_path() {
    let nobody = Receiver { user: None, ..TO };
    let message = message(&ServerPacket::Attributes(Vec::new()));
    assert_eq!(
        parsed(&message, &nobody)["path"],
        "/tunnel/AAAAAAAAAAAAAAAAAAAAAA"
    );
}

#[test]
fn message_without_a_channel_goes_to_the_tunnel_path() {
    for message in [
        r#"{"command":"message","data":{"id":"x","data":1}}"#,
        r#"{"command":"message","data":{"channel":"c"}}"#,
        r#"{"command":"message","data":7}"#,
        r#"{"command":"game","data":[]}"#,
        r#"{"command":"later","data":null,"id":3}"#,
    ] {
        let datagram = Datagram::of(message, MessageId::nil(), &TO).unwrap();
        assert_eq!(datagram.path, Path::Tunnel(TO.tunnel));
        assert!(text(&datagram).ends_with(&format!(",\"data\":{message}}}")));
        assert!(own_id(message).is_none());
        assert!(is_personal(message));
    }
    for wrong in [
        "",
        "7",
        "{}",
        r#"{"command":"idyou"}"#,
        r#"{"command":7,"data":1}"#,
    ] {
        assert!(Datagram::of(wrong, MessageId::nil(), &TO).is_none());
        assert!(is_personal(wrong));
    }
}

#[test]
fn debug_output_hides_secrets() {
    let datagram = Datagram::of(r#"{"command":"idyou","data":{}}"#, MessageId::nil(), &TO);
    let shown = format!("{datagram:?} {TO:?}");
    assert!(!shown.contains(TO.tunnel), "{shown}");
}

/// Any JSON, with line ends between its values.
pub(super) fn spread_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1e308".to_owned()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""\u2028\n\r</script>""#.to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        proptest::collection::vec(inner, 0..3)
            .prop_map(|list| format!("[\r\n{}\n\n]", list.join("\r,\n")))
    })
}

proptest! {
    #[test]
    fn datagram_is_one_line_with_an_unchanged_payload(data in spread_json()) {
        let message = message(&published("c", &data));
        let id = own_id(&message).unwrap();
        let datagram = Datagram::of(&message, id, &TO).unwrap();
        let left = data.replace(['\n', '\r'], " ");
        let expected =
            format!(r#"{{"id":"{id}","path":"/channel/c","data":{left},"from":"1:1","offset":3,"time":5}}"#);
        prop_assert_eq!(text(&datagram), expected);
    }
}
