//! Decoding: packets, events, commands, CONNECT.

use proptest::prelude::*;

use super::*;
use crate::json_v1::DecodeLimits;
use turntable_core::id::SessionId;
use turntable_core::packet::{ClientPacket, ErrorBody};
use turntable_core::reason::ErrorCode;

const DEPTH: DecodeLimits = DecodeLimits { depth_max: 32 };

#[test]
fn examples_of_the_specification_are_decoded() {
    use PacketKind as K;
    let two = r#"["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    let rows: [(&str, Shape<'_>); 15] = [
        ("0", (K::Connect, 0, "/", None, None)),
        (
            r#"0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}"#,
            (
                K::Connect,
                0,
                "/admin",
                None,
                Some(r#"{"sid":"oSO0OpakMV_3jnilAAAA"}"#),
            ),
        ),
        (
            r#"4{"message":"Not authorized"}"#,
            (
                K::ConnectError,
                0,
                "/",
                None,
                Some(r#"{"message":"Not authorized"}"#),
            ),
        ),
        (r#"2["foo"]"#, (K::Event, 0, "/", None, Some(r#"["foo"]"#))),
        (
            r#"2/admin,["bar"]"#,
            (K::Event, 0, "/admin", None, Some(r#"["bar"]"#)),
        ),
        (
            r#"51-["baz",{"_placeholder":true,"num":0}]"#,
            (
                K::BinaryEvent,
                1,
                "/",
                None,
                Some(r#"["baz",{"_placeholder":true,"num":0}]"#),
            ),
        ),
        (
            r#"52-/admin,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
            (K::BinaryEvent, 2, "/admin", None, Some(two)),
        ),
        (
            r#"212["foo"]"#,
            (K::Event, 0, "/", Some(12), Some(r#"["foo"]"#)),
        ),
        (
            r#"3/admin,13["bar"]"#,
            (K::Ack, 0, "/admin", Some(13), Some(r#"["bar"]"#)),
        ),
        (
            r#"61-15["bar",{"_placeholder":true,"num":0}]"#,
            (
                K::BinaryAck,
                1,
                "/",
                Some(15),
                Some(r#"["bar",{"_placeholder":true,"num":0}]"#),
            ),
        ),
        ("1", (K::Disconnect, 0, "/", None, None)),
        ("1/admin,", (K::Disconnect, 0, "/admin", None, None)),
        // From its sample session and its test suite.
        ("0/admin,", (K::Connect, 0, "/admin", None, None)),
        ("0/random", (K::Connect, 0, "/random", None, None)),
        (
            r#"2/admin,1["tellme"]"#,
            (K::Event, 0, "/admin", Some(1), Some(r#"["tellme"]"#)),
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(
            shape(&Packet::decode(text, &LIMITS).unwrap()),
            expected,
            "{text}"
        );
    }
}

#[test]
fn invalid_packets_are_refused() {
    use PacketError as E;
    let namespace = format!("0/{}", "n".repeat(32));
    let deep = format!("2{}", "[".repeat(1900));
    let rows = [
        ("", E::UnknownType),
        ("abc", E::UnknownType),
        ("7", E::UnknownType),
        ("é", E::UnknownType),
        ("5", E::AttachmentCount),
        ("5-[\"a\"]", E::AttachmentCount),
        ("51[\"a\"]", E::AttachmentCount),
        ("5+1-[\"a\"]", E::AttachmentCount),
        ("55-[\"a\"]", E::TooManyAttachments),
        ("599999999999999999999999-[\"a\"]", E::TooManyAttachments),
        (&namespace, E::Namespace),
        ("0/a\u{1e}b,", E::Namespace),
        ("218446744073709551616[\"a\"]", E::AckId),
        ("3[\"a\"]", E::AckId),
        ("61-[]", E::AckId),
        ("50-[\"a\"]", E::AttachmentCount),
    ];
    for (text, error) in rows {
        assert_eq!(Packet::decode(text, &LIMITS).unwrap_err(), error, "{text}");
    }
    let data = [
        "2",
        "2{}",
        "2/admin",
        "2/admin[\"a\"]",
        "2[\"a\"",
        "2[\"a\"]x",
        "2\"a\"",
        "2 1[\"a\"]",
        "2abc[\"message-with-ack\",1]",
        "21",
        "21.5[\"a\"]",
        "31{}",
        "0[]",
        "0\"a\"",
        "0null",
        "0{",
        "01",
        "1{}",
        "1[]",
        "4",
        "4[]",
        "41",
        "2\u{0}",
        &deep,
    ];
    for text in data {
        let error = Packet::decode(text, &LIMITS).unwrap_err();
        assert!(matches!(error, E::Data(_)), "{text}: {error:?}");
    }
    let long = format!("2[\"{}\"]", "x".repeat(2000));
    assert_eq!(Packet::decode(&long, &LIMITS).unwrap_err(), E::TooLarge);
    let most = Packet::decode("218446744073709551615[\"a\"]", &LIMITS).unwrap();
    assert_eq!(most.id, Some(u64::MAX));
}

fn read(text: &str) -> Result<(String, String, Option<u64>), PacketError> {
    let packet = Packet::decode(text, &LIMITS)?;
    let event = Event::read(&packet)?;
    Ok((event.name.into_owned(), event.args.to_owned(), event.ack))
}

#[test]
fn events_have_a_name_and_arguments() {
    let rows = [
        (r#"2["foo"]"#, ("foo", "", None)),
        (
            r#"2["message",1,"2",{"3":[true]}]"#,
            ("message", r#"1,"2",{"3":[true]}"#, None),
        ),
        (r#"20[ "a\u00e9" , [1] , 2 ]"#, ("aé", "[1] , 2", Some(0))),
        (r#"2[7,1]"#, ("7", "1", None)),
    ];
    for (text, (name, args, ack)) in rows {
        assert_eq!(
            read(text),
            Ok((name.to_owned(), args.to_owned(), ack)),
            "{text}"
        );
    }
    for text in [
        "2[]",
        "2[{}]",
        "2[null]",
        "2[true,1]",
        r#"2[["a"]]"#,
        r#"2["\ud800"]"#,
    ] {
        assert!(matches!(read(text), Err(PacketError::Data(_))), "{text}");
    }
}

type Id = Option<String>;

/// The command's name and id, or the error's code and id.
fn commanded(text: &str) -> Result<(&'static str, Id), (ErrorCode, Id)> {
    let packet = Packet::decode(text, &LIMITS).unwrap();
    match command(&Event::read(&packet).unwrap(), &DEPTH) {
        Ok(message) => Ok((message.packet.name(), message.id.map(|id| id.0.into()))),
        Err(error) => Err((error.code, error.id.map(|id| id.0.into()))),
    }
}

#[test]
fn events_are_commands() {
    let deep = format!("21[\"reply\",{}{}]", "[".repeat(32), "]".repeat(32));
    let rows = [
        (r#"2["idme","1:12345"]"#, Ok(("idme", None))),
        (
            r#"207["subscribe",["1:2345"],"more"]"#,
            Ok(("subscribe", Some("7".to_owned()))),
        ),
        (r#"2/x,12["bye"]"#, Ok(("bye", Some("12".to_owned())))),
        (r#"2["time"]"#, Err((ErrorCode::BadMessage, None))),
        (
            r#"25["dance",{}]"#,
            Err((ErrorCode::UnknownCommand, Some("5".to_owned()))),
        ),
        (
            r#"25["disconnect"]"#,
            Err((ErrorCode::UnknownCommand, Some("5".to_owned()))),
        ),
        (&deep, Err((ErrorCode::TooLarge, Some("1".to_owned())))),
    ];
    for (text, expected) in rows {
        assert_eq!(commanded(text), expected, "{text}");
    }
}

#[test]
fn acknowledgements_are_replies() {
    for (text, expected) in [("35[{\"a\":1},2]", r#"{"a":1}"#), ("35[]", "null")] {
        let packet = Packet::decode(text, &LIMITS).unwrap();
        let message = answer(&packet, &DEPTH).unwrap();
        assert_eq!(&*message.id.unwrap().0, "5");
        let ClientPacket::Reply { result } = message.packet else {
            panic!("{text}");
        };
        assert_eq!(result.as_json(), expected);
    }
}

fn auth(json: &str) -> Result<Auth, ErrorBody> {
    Auth::read(Some(raw(json)), &DEPTH)
}

#[test]
fn connect_identifies_the_client() {
    let session = SessionId::from_bits([7; 16]);
    let secret = session.secret();
    let resumed = Auth::Resume {
        session,
        received: 3,
        attempt: None,
    };
    assert_eq!(Auth::read(None, &DEPTH), Ok(Auth::None));
    for nothing in ["{}", "{ }"] {
        assert_eq!(auth(nothing), Ok(Auth::None));
    }
    let user = r#""user":"1:5","credentials":{"t":1}"#;
    let Ok(Auth::IdMe(idme)) = auth(&format!(r#"{{{user},"session":null}}"#)) else {
        panic!("no idme");
    };
    assert_eq!(idme.name(), "idme");
    let resume = format!(r#""session":"{secret}","received":3"#);
    assert_eq!(auth(&format!("{{{resume}}}")), Ok(resumed.clone()));
    assert_eq!(auth(&format!("{{{user},{resume}}}")), Ok(resumed));
    // The fields that socket.io-client adds to its auth, and the rest.
    let recover = |offset: Option<&str>, otherwise| Auth::Recover {
        pid: session,
        offset: offset.map(Into::into),
        otherwise: Box::new(otherwise),
    };
    assert_eq!(
        auth(&format!(r#"{{"pid":"{secret}"}}"#)),
        Ok(recover(None, Auth::None))
    );
    assert_eq!(
        auth(&format!(r#"{{"pid":"{secret}","offset":"12",{user}}}"#)),
        Ok(recover(Some("12"), Auth::IdMe(idme)))
    );
    assert_eq!(auth(r#"{"pid":"other","offset":"12"}"#), Ok(Auth::None));
}

#[test]
fn invalid_auth_gets_the_error_of_the_command() {
    let rows = [
        (r#"{"token":"123"}"#, ErrorCode::BadMessage),
        (r#"{"user":5}"#, ErrorCode::BadMessage),
        (r#"{"user":"12345"}"#, ErrorCode::InvalidId),
        (r#"{"user":"1:1","user":"1:2"}"#, ErrorCode::BadMessage),
        (r#"{"session":"x","received":0}"#, ErrorCode::SessionExpired),
        (r#"{"session":"x"}"#, ErrorCode::BadMessage),
        (r#"{"session":5,"received":0}"#, ErrorCode::BadMessage),
    ];
    for (json, code) in rows {
        assert_eq!(auth(json).expect_err(json).code, code, "{json}");
    }
}

proptest! {
    #[test]
    fn any_text_is_decoded_without_a_panic(text in "[0-6]?[0-9]{0,3}-?(/[a-z]{0,3},?)?[0-9]{0,3}\\PC{0,20}") {
        if let Ok(packet) = Packet::decode(&text, &LIMITS) {
            let _ = Event::read(&packet).map(|event| command(&event, &DEPTH));
            let _ = answer(&packet, &DEPTH);
            let _ = Auth::read(packet.data, &DEPTH);
        }
    }

    #[test]
    fn packets_round_trip(
        namespace in "/[a-z]{0,8}",
        id in any::<Option<u64>>(),
        name in "\\PC{0,8}",
        number in any::<i64>(),
    ) {
        let list = serde_json::json!([name, number]).to_string();
        let encoded = event_list(raw(&list), &namespace, id);
        let packet = Packet::decode(encoded.text(), &LIMITS).unwrap();
        let expected = (PacketKind::Event, 0, &*namespace, id, Some(&*list));
        prop_assert_eq!(shape(&packet), expected);
        let event = Event::read(&packet).unwrap();
        prop_assert_eq!((&*event.name, event.args), (&*name, &*number.to_string()));
        prop_assert_eq!(event.data.map(RawValue::get), Some(&*number.to_string()));
    }
}
