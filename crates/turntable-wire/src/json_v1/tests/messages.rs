//! The encoding of each message of the server.

use serde_json::Value;

use super::*;
use turntable_core::id::SessionId;
use turntable_core::model::service::{Direct, ServiceState};
use turntable_core::rate::BucketSettings;
use turntable_core::reason::ErrorCode;

/// Each message in each of its forms, the id that it answers, and its text.
pub(crate) fn every_message() -> Vec<(ServerPacket, Option<&'static str>, String)> {
    use ServerPacket as P;
    let id = ulid::Ulid::from_parts(1_732_180_000_123, 5);
    let session = SessionId::from_bits([7; 16]);
    let action = |timestamp_ms, team: Option<&str>| Action {
        timestamp_ms,
        from: user("1:3456"),
        team: team.map(Into::into),
        data: payload(r#"{"a": 1.0}"#),
    };
    let member = |id, team: Option<&str>, state| RoomMember {
        user: user(id),
        team: team.map(Into::into),
        state,
    };
    vec![
        (P::IdYou, None, r#"{"command":"idyou","data":{}}"#.to_owned()),
        (
            P::Welcome(Box::new(Welcome {
                user: Some(user("1:1")),
                session,
                resumed: false,
                accepted: 3,
                time_ms: 5,
                heartbeat_ms: 25_000,
                attributes: vec![("a\"b".into(), payload("[1.0]"))],
                services: vec![(
                    "chat".into(),
                    ServiceState {
                        is_enabled: true,
                        functions: vec!["say\"".into()],
                        direct: Some(Box::new(Direct {
                            url: "wss://a/\"".into(),
                            protocol: "websocket".into(),
                        })),
                    },
                )],
                limits: vec![("max_message_bytes", 65_536)],
                rates: vec![("game", BucketSettings::new(200, 400))],
                server: "turntable/0.1.0".into(),
                warnings: vec!["a \"b\"", "c"],
                reconnect_ms: Some(2_500),
                expires_in: Some(60),
                token: Some("t\"".into()),
            })),
            Some("1"),
            format!(
                r#"{{"command":"welcome","data":{{"user":"1:1","session":"{}","resumed":false,"accepted":3,"time":5,"heartbeat_ms":25000,"attributes":{{"a\"b":[1.0]}},"services":{{"chat":{{"state":"enabled","functions":["say\""],"url":"wss://a/\"","protocol":"websocket"}}}},"limits":{{"max_message_bytes":65536,"rates":{{"game":{{"per_second":200,"burst":400}}}}}},"server":"turntable/0.1.0","warnings":["a \"b\"","c"],"reconnect_ms":2500,"expires_in":60,"token":"t\""}},"id":1}}"#,
                session.secret()
            ),
        ),
        (
            P::UserChange(vec![
                (user("1:2345"), Presence::Online),
                (user("1:3456"), Presence::Offline),
                (user("1:\""), Presence::Busy),
                (user("1:\\"), Presence::Idle),
            ]),
            None,
            r#"{"command":"userchange","data":{"1:2345":"online","1:3456":"offline","1:\"":"busy","1:\\":"idle"}}"#.to_owned(),
        ),
        (
            P::Invite { channel: channel("c"), from: user("1:1") },
            None,
            r#"{"command":"invite","data":{"channel":"c","from":"1:1"}}"#.to_owned(),
        ),
        (
            P::InviteReply { channel: channel("c"), user: user("1:1"), accepted: true },
            None,
            r#"{"command":"invitereply","data":{"channel":"c","user":"1:1","accepted":true}}"#.to_owned(),
        ),
        (
            P::RoomJoined(Box::new(RoomJoined {
                channel: channel("c"),
                member: user("1:1"),
                team: Some("red".into()),
                members: vec![
                    member("1:1", Some("red"), MemberState::Joined),
                    member("1:2", None, MemberState::Away),
                ],
                state: Some(payload("null")),
                time_ms: 9,
            })),
            Some("\"j\""),
            r#"{"command":"joined","data":{"channel":"c","self":"1:1","team":"red","members":{"1:1":{"team":"red","state":"joined"},"1:2":{"state":"away"}},"state":null,"time":9},"id":"j"}"#.to_owned(),
        ),
        (
            P::ChannelJoined { channel: channel("a/b"), epoch: "e".into(), offset: 3, recovered: false, members: None },
            None,
            r#"{"command":"joined","data":{"channel":"a/b","epoch":"e","offset":3,"recovered":false}}"#.to_owned(),
        ),
        (
            P::ChannelJoined { channel: channel("c"), epoch: "e".into(), offset: 3, recovered: true, members: Some(MemberList::Names(vec![user("1:1"), user("1:2")])) },
            None,
            r#"{"command":"joined","data":{"channel":"c","epoch":"e","offset":3,"recovered":true,"members":{"1:1":{"state":"joined"},"1:2":{"state":"joined"}}}}"#.to_owned(),
        ),
        (
            P::ChannelJoined { channel: channel("c"), epoch: "e".into(), offset: 3, recovered: true, members: Some(MemberList::Count(500)) },
            None,
            r#"{"command":"joined","data":{"channel":"c","epoch":"e","offset":3,"recovered":true,"members":500}}"#.to_owned(),
        ),
        (
            P::ChannelMembers { channel: channel("c"), epoch: "e".into(), members: MemberUpdate::Count(501) },
            None,
            r#"{"command":"memberchange","data":{"channel":"c","epoch":"e","members":501}}"#.to_owned(),
        ),
        (
            P::ChannelMembers { channel: channel("c"), epoch: "e".into(), members: MemberUpdate::Names(vec![(user("1:1"), MemberChange::Left)]) },
            None,
            r#"{"command":"memberchange","data":{"channel":"c","epoch":"e","members":{"1:1":"left"}}}"#.to_owned(),
        ),
        (
            P::MemberChange {
                channel: channel("c"),
                members: vec![(user("1:1"), MemberChange::Back), (user("1:2"), MemberChange::Left)],
                reason: None,
            },
            None,
            r#"{"command":"memberchange","data":{"channel":"c","members":{"1:1":"back","1:2":"left"}}}"#.to_owned(),
        ),
        (
            P::MemberChange {
                channel: channel("c"),
                members: vec![(user("1:1"), MemberChange::Left)],
                reason: Some("a \"break\"".into()),
            },
            None,
            r#"{"command":"memberchange","data":{"channel":"c","members":{"1:1":"left"},"reason":"a \"break\""}}"#.to_owned(),
        ),
        (
            P::Game {
                channel: channel("c"),
                actions: vec![action(1_732_180_000_123.0, None), action(0.25, Some("red"))],
            },
            None,
            r#"{"command":"game","data":{"channel":"c","actions":[{"timestamp":1732180000123,"from":"1:3456","data":{"a": 1.0}},{"timestamp":0.25,"from":"1:3456","data":{"a": 1.0},"team":"red"}]}}"#.to_owned(),
        ),
        (
            P::Message(Box::new(ChannelMessage {
                channel: channel("c"),
                id,
                offset: 8,
                epoch: None,
                from: None,
                time_ms: 4,
                data: payload("\"x\""),
            })),
            None,
            format!(r#"{{"command":"message","data":{{"channel":"c","id":"{id}","offset":8,"time":4,"data":"x"}}}}"#),
        ),
        (
            P::Message(Box::new(ChannelMessage {
                channel: channel("c"),
                id,
                offset: 1,
                epoch: Some("e\"".into()),
                from: Some(user("1:1")),
                time_ms: 4,
                data: payload("\"x\""),
            })),
            None,
            format!(r#"{{"command":"message","data":{{"channel":"c","id":"{id}","offset":1,"epoch":"e\"","from":"1:1","time":4,"data":"x"}}}}"#),
        ),
        (
            P::Call {
                f: "friends:newFriend".into(),
                args: Some(payload("[]")),
                user: None,
                key: Some("7".into()),
            },
            Some("3"),
            r#"{"command":"call","data":{"f":"friends:newFriend","args":[],"key":"7"},"id":3}"#.to_owned(),
        ),
        (P::Reply(ReplyData::Done), Some("3"), r#"{"command":"reply","data":{},"id":3}"#.to_owned()),
        (
            P::Reply(ReplyData::Published { id, offset: 1, epoch: "e".into() }),
            Some("3"),
            format!(r#"{{"command":"reply","data":{{"id":"{id}","offset":1,"epoch":"e"}},"id":3}}"#),
        ),
        (
            P::Reply(ReplyData::Lookup(vec![
                (user("1:1"), LookupEntry { state: Presence::Online, last_seen_ms: None, devices: 2, note: Some(payload("\"hi\"")), profile: vec![("na\"me".into(), payload("\"Mel\"")), ("score".into(), payload("1.0"))] }),
                (user("1:2"), LookupEntry { state: Presence::Offline, last_seen_ms: Some(77), devices: 0, note: None, profile: Vec::new() }),
            ])),
            Some("3"),
            r#"{"command":"reply","data":{"1:1":{"state":"online","devices":2,"note":"hi","profile":{"na\"me":"Mel","score":1.0}},"1:2":{"state":"offline","last_seen":77,"devices":0}},"id":3}"#.to_owned(),
        ),
        (P::Reply(ReplyData::Blocked(Vec::new())), Some("3"), r#"{"command":"reply","data":{"blocked":[]},"id":3}"#.to_owned()),
        (
            P::Reply(ReplyData::Blocked(vec![user("1:2"), user("a:\"")])),
            Some("3"),
            r#"{"command":"reply","data":{"blocked":["1:2","a:\""]},"id":3}"#.to_owned(),
        ),
        (P::Reply(ReplyData::Value(payload("null"))), Some("3"), r#"{"command":"reply","data":null,"id":3}"#.to_owned()),
        (
            P::Error(Box::new(ErrorBody::new(ErrorCode::BadJson, "no \"JSON\""))),
            None,
            r#"{"command":"error","data":{"code":"bad_json","message":"no \"JSON\""}}"#.to_owned(),
        ),
        (
            P::Error(Box::new(
                ErrorBody::new(ErrorCode::InvalidAction, "m").of("game").with("index", 2).with("max", 9),
            )),
            Some("3"),
            r#"{"command":"error","data":{"code":"invalid_action","message":"m","command":"game","details":{"index":2,"max":9}},"id":3}"#.to_owned(),
        ),
        (
            P::Attributes(vec![("a".into(), Some(payload("1e2"))), ("b".into(), None)]),
            None,
            r#"{"command":"attributes","data":{"a":1e2,"b":null}}"#.to_owned(),
        ),
        (
            P::Profiles(vec![
                (user("1:1"), vec![("name".into(), Some(payload("\"Mel\""))), ("note".into(), None)]),
                (user("1:\""), vec![]),
            ]),
            None,
            r#"{"command":"profiles","data":{"1:1":{"name":"Mel","note":null},"1:\"":{}}}"#.to_owned(),
        ),
        (
            P::Time { t0: payload("12.50"), t1_ms: 1, t2_ms: 2 },
            Some("0"),
            r#"{"command":"time","data":{"t0":12.50,"t1":1,"t2":2},"id":0}"#.to_owned(),
        ),
        (
            P::GoAway { reason: "shutdown", reconnect_ms: 50, url: Some("ws://x/ws".into()) },
            None,
            r#"{"command":"goaway","data":{"reason":"shutdown","reconnect_ms":50,"url":"ws://x/ws"}}"#.to_owned(),
        ),
    ]
}

#[test]
fn messages_have_the_shapes_of_the_protocol() {
    for (packet, id, expected) in every_message() {
        assert_eq!(written(&packet, id), expected);
        let parsed: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(parsed["command"], packet.name().0);
    }
}

#[test]
fn timestamps_are_written_as_clients_write_them() {
    let rows = [
        (0.0, "0"),
        (-0.0, "0"),
        (-5.0, "-5"),
        (1_732_180_000_123.0, "1732180000123"),
        (1_732_180_000_123.5, "1732180000123.5"),
        (9_007_199_254_740_992.0, "9007199254740992"),
    ];
    for (timestamp_ms, expected) in rows {
        let packet = ServerPacket::Game {
            channel: channel("c"),
            actions: vec![Action {
                timestamp_ms,
                from: user("1:1"),
                team: None,
                data: payload("0"),
            }],
        };
        let text = written(&packet, None);
        assert!(
            text.contains(&format!(r#""timestamp":{expected},"#)),
            "{text}"
        );
    }
}
