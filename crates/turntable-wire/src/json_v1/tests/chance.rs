//! Properties for random input.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use turntable_core::reason::ErrorCode;

/// Any JSON value as text, with whitespace, escapes and number formats that no
/// serialiser would choose.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""\u00fc\/\ud83d\ude00\u0000""#.to_owned()),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|list| format!("[ {}\t]", list.join(" ,\n"))),
            proptest::collection::vec(("[a-z\"\\\\]{0,3}", inner), 0..4).prop_map(|entries| {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{} : {value}", json!(key)))
                    .collect();
                format!("{{{} }}", entries.join(","))
            }),
        ]
    })
}

fn any_user() -> impl Strategy<Value = UserId> {
    ("[A-Za-z0-9_-]{1,32}", "[^\\p{C}\\p{Z}]{1,20}").prop_filter_map("too long", |(realm, name)| {
        UserId::parse(&format!("{realm}:{name}")).ok()
    })
}

proptest! {
    #[test]
    fn opaque_data_is_unchanged(data in json_text()) {
        let text = format!(r#"{{"command":"publish","data":{{"data": {data} ,"channel":"c"}}}}"#);
        let ClientPacket::Publish { channel, data: left } = decode(&text, &LIMITS).unwrap().packet
        else {
            panic!("not a publish");
        };
        prop_assert_eq!(left.as_json(), &data);
        let out = written(
            &ServerPacket::Message(Box::new(ChannelMessage {
                channel,
                id: ulid::Ulid::nil(),
                offset: 1,
                epoch: Some("e".into()),
                from: Some(user("1:1")),
                time_ms: 1,
                data: left,
            })),
            None,
        );
        let ending = format!("\"data\":{data}}}}}");
        prop_assert!(out.ends_with(&ending), "{}", out);
    }

    #[test]
    fn encoded_commands_decode_to_the_same(
        users in proptest::collection::vec(any_user(), 0..4),
        f: String,
        data in json_text(),
        offset: u64,
        history in proptest::option::of(any::<u32>()),
    ) {
        let opaque = payload(&data);
        let one = users.first().cloned();
        let mut distinct = Vec::new();
        for user in users {
            if !distinct.contains(&user) {
                distinct.push(user);
            }
        }
        let position = Position { epoch: f.as_str().into(), offset };
        let commands = [
            ClientPacket::Lookup(distinct.clone()),
            ClientPacket::Call { f: f.as_str().into(), args: Some(opaque.clone()), user: one },
            ClientPacket::Reply { result: opaque.clone() },
            ClientPacket::Set(vec![(f.as_str().into(), Some(opaque))]),
            ClientPacket::Provide(vec![("s".into(), vec![f.into(), "b".into()])]),
            ClientPacket::JoinChannel(JoinChannel {
                below: vec![(channel("a/b"), position.clone())],
                channel: channel("a"),
                subpaths: history.is_none(),
                since: Some(position),
                history,
            }),
        ];
        for command in commands {
            let text = written_command(&command);
            match decode(&text, &LIMITS) {
                Ok(read) => {
                    // `null` removes an attribute.
                    let removes = matches!(&command, ClientPacket::Set(_)) && data == "null";
                    prop_assert!(removes || read.packet == command, "{}", text);
                }
                // What no double holds is refused, and is no fault of the encoder.
                Err(error) => prop_assert_eq!(error.code, ErrorCode::BadMessage, "{}", text),
            }
        }
    }

    #[test]
    fn encoded_messages_parse_to_the_same_values(
        members in proptest::collection::btree_map(
            any_user(),
            (proptest::option::of(any::<String>()), json_text(), -1e15..1e15f64),
            0..5,
        ),
        id in proptest::option::of(any::<String>()),
        text: String,
        number: u64,
    ) {
        let path = channel("c/\"\\/ü");
        let request = id.as_ref().map(|id| json!(id).to_string());
        let expect = |packet: ServerPacket, data: Value| {
            let text = written(&packet, request.as_deref());
            let mut expected = json!({"command": packet.name().0, "data": data});
            if let Some(id) = &id {
                expected["id"] = json!(id);
            }
            let parsed: Value = serde_json::from_str(&text).expect(&text);
            assert_eq!(parsed, expected);
        };
        let parse = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        let team = |entry: &mut Value, team: &Option<String>| {
            if let Some(team) = team {
                entry["team"] = json!(team);
            }
        };

        let (mut actions, mut actions_json) = (Vec::new(), Vec::new());
        let (mut joined, mut joined_json) = (Vec::new(), json!({}));
        for (user, (side, data, timestamp_ms)) in &members {
            let timestamp_ms = timestamp_ms.round();
            actions.push(Action {
                timestamp_ms,
                from: user.clone(),
                team: side.as_deref().map(Into::into),
                data: payload(data),
            });
            let mut entry = json!({"timestamp": timestamp_ms as i64, "from": user.as_str(), "data": parse(data)});
            team(&mut entry, side);
            actions_json.push(entry);
            joined.push(RoomMember {
                user: user.clone(),
                team: side.as_deref().map(Into::into),
                state: MemberState::Joined,
            });
            let mut entry = json!({"state": "joined"});
            team(&mut entry, side);
            joined_json[user.as_str()] = entry;
        }
        expect(
            ServerPacket::Game { channel: path.clone(), actions },
            json!({"channel": path.as_str(), "actions": actions_json}),
        );
        expect(
            ServerPacket::RoomJoined(Box::new(RoomJoined {
                channel: path.clone(),
                member: user("1:1"),
                team: None,
                members: joined,
                state: None,
                time_ms: number,
            })),
            json!({"channel": path.as_str(), "self": "1:1", "members": joined_json, "time": number}),
        );
        expect(
            ServerPacket::Error(Box::new(
                ErrorBody::new(ErrorCode::TooMany, text.clone()).with("max", number),
            )),
            json!({"code": "too_many", "message": text, "details": {"max": number}}),
        );
        let value = members.values().next().map_or("0", |(_, data, _)| data);
        expect(
            ServerPacket::Attributes(vec![(text.clone().into(), Some(payload(value)))]),
            json!({text: parse(value)}),
        );
    }

    #[test]
    fn joined_fragments_are_a_userchange(
        users in proptest::collection::btree_set(any_user(), 1..6),
    ) {
        let states = [Presence::Online, Presence::Busy, Presence::Idle, Presence::Offline];
        let changes: Vec<(UserId, Presence)> =
            users.into_iter().zip(states.into_iter().cycle()).collect();
        let mut joined = USERCHANGE_HEAD.to_vec();
        for (index, (user, presence)) in changes.iter().enumerate() {
            if index > 0 {
                joined.push(b',');
            }
            let start = joined.len();
            presence_fragment(user, *presence, &mut joined);
            let by_key = [&presence_key(user)[..], format!("\"{}\"", presence.name()).as_bytes()].concat();
            prop_assert_eq!(&joined[start..], &by_key[..]);
        }
        joined.extend_from_slice(USERCHANGE_TAIL);
        let whole = written(&ServerPacket::UserChange(changes), None);
        prop_assert_eq!(String::from_utf8(joined).unwrap(), whole);
    }

    #[test]
    fn any_text_is_decoded_or_refused_as_json(
        text in prop_oneof![
            any::<String>(),
            "[\\[\\]{}\",:a-e0-9\\\\ .-]{0,40}",
            json_text(),
        ],
    ) {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        let error = decode(&text, &LIMITS);
        let bad_json = matches!(&error, Err(DecodeError { code: ErrorCode::BadJson, .. }));
        prop_assert_eq!(bad_json, !is_json, "{:?}", error);
    }

    #[test]
    fn any_data_is_decoded_without_a_panic(
        index in 0..ClientPacket::COMMANDS.len(),
        data in json_text(),
        cut in 0..200usize,
        with in ".{0,2}",
    ) {
        let (name, _) = ClientPacket::COMMANDS[index];
        let mut text = format!(r#"{{"command":"{name}","id":"q","data":{data}}}"#);
        match decode(&text, &LIMITS) {
            Ok(message) => prop_assert_eq!(message.packet.name(), name),
            Err(error) => {
                prop_assert_eq!(error.command, Some(name));
                prop_assert!(error.id.is_some());
                prop_assert!(error.code != ErrorCode::BadJson, "{}", error);
            }
        }
        let at = text.floor_char_boundary(cut);
        text.insert_str(at, &with);
        if decode(&text, &LIMITS).is_ok() {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
        }
    }
}
