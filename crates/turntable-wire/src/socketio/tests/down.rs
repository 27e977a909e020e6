//! Encoding: messages as events and acknowledgements, answers to CONNECT.

use super::*;
use crate::engineio::{Packet as Engine, PayloadLimits, decode_payload};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

#[test]
fn messages_are_events_and_acknowledgements() {
    let rows = [
        (r#"{"command":"idyou","data":{}}"#, "/", r#"42["idyou",{}]"#),
        (
            r#"{"command":"game","data":{"a":1.0}}"#,
            "/g",
            r#"42/g,["game",{"a":1.0}]"#,
        ),
        (r#"{"command":"reply","data":{},"id":12}"#, "/", "4312[{}]"),
        (
            r#"{"command":"welcome","data":{"user":"1:1"},"id":0}"#,
            "/g",
            r#"43/g,0[{"user":"1:1"}]"#,
        ),
        (
            r#"{"command":"error","data":{"code":"not_found","message":"m"},"id":5}"#,
            "/",
            r#"435[{"error":{"code":"not_found","message":"m"}}]"#,
        ),
        (
            r#"{"command":"error","data":{"code":"bad_json","message":"m"}}"#,
            "/",
            r#"42["error",{"code":"bad_json","message":"m"}]"#,
        ),
        // The id of another transport has no acknowledgement.
        (
            r#"{"command":"reply","data":{},"id":"12"}"#,
            "/",
            r#"42["reply",{}]"#,
        ),
        (
            r#"{"command":"call","data":{"f":"a:b"},"id":9}"#,
            "/",
            r#"429["call",{"f":"a:b","id":9}]"#,
        ),
        (
            r#"{"command":"call","data":{},"id":9}"#,
            "/",
            r#"429["call",{"id":9}]"#,
        ),
        // One without an answer has no number.
        (
            r#"{"command":"call","data":{"f":"$av:cancel","args":{"id":9}}}"#,
            "/",
            r#"42["call",{"f":"$av:cancel","args":{"id":9}}]"#,
        ),
    ];
    for (message, namespace, expected) in rows {
        let encoded = encode(message, namespace, None).unwrap();
        assert_eq!(encoded.frame(), expected);
        assert_eq!(encoded.text(), &expected[1..]);
        assert!(encoded.attachments.is_empty());
    }
    assert_eq!(encode("[]", "/", None), None);
    assert_eq!(event("{}", "/", None, None), None);
    assert_eq!(ack("nothing", "/", 1), None);
}

#[test]
fn only_events_have_an_offset_as_last_argument() {
    let message = r#"{"command":"game","data":[]}"#;
    let plain = encode(message, "/", None).unwrap();
    let with = encode(message, "/", Some("7")).unwrap();
    assert_eq!(with.frame(), r#"42["game",[],"7"]"#);
    assert_eq!(plain.with_offset("7"), with);
    let reply = encode(r#"{"command":"reply","data":1,"id":2}"#, "/", Some("7")).unwrap();
    assert_eq!(reply.frame(), "432[1]");
}

#[test]
fn bytes_travel_as_attachments() {
    let message = r#"{"command":"message","data":{"channel":"c","data":{"$bin":"AQIDBA=="}}}"#;
    let encoded = event(message, "/admin", None, Some("1")).unwrap();
    assert_eq!(
        encoded.frame(),
        r#"451-/admin,["message",{"channel":"c","data":{"_placeholder":true,"num":0}},"1"]"#
    );
    assert_eq!(encoded.attachments, [[1, 2, 3, 4]]);
    let answered = ack(r#"{"command":"reply","data":{"$bin":"AQ=="}}"#, "/", 15).unwrap();
    assert_eq!(answered.frame(), r#"461-15[{"_placeholder":true,"num":0}]"#);
    // In a payload the bytes follow as base64.
    let mut payload = String::new();
    encoded.append_to(&mut payload);
    assert_eq!(payload.len(), encoded.payload_bytes());
    let limits = PayloadLimits {
        bytes_max: 1000,
        packets_max: 2,
    };
    assert_eq!(
        decode_payload(payload.as_bytes(), &limits).unwrap(),
        [
            Engine::Message(encoded.text()),
            Engine::from_binary(&[1, 2, 3, 4])
        ]
    );
}

#[test]
fn lists_are_unchanged() {
    // The echoes that the specification's test suite expects.
    assert_eq!(
        event_list(raw(r#"["auth",{"token":"abc"}]"#), "/custom", None).frame(),
        r#"42/custom,["auth",{"token":"abc"}]"#
    );
    assert_eq!(
        ack_list(raw(r#"[1,"2",{"3":[false]}]"#), "/", 456).frame(),
        r#"43456[1,"2",{"3":[false]}]"#
    );
    let echo = ack_list(raw(r#"[{"$bin":"AQID"},{"$bin":"BAUG"}]"#), "/", 789);
    assert_eq!(
        echo.frame(),
        r#"462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#
    );
    assert_eq!(echo.attachments, [[1, 2, 3], [4, 5, 6]]);
}

#[test]
fn a_connect_is_answered() {
    assert_eq!(
        connect("/admin", "oSO0OpakMV_3jnilAAAA", None).text(),
        r#"0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}"#
    );
    assert_eq!(
        connect("/", "a", Some("b\"")).frame(),
        r#"40{"sid":"a","pid":"b\""}"#
    );
    assert_eq!(
        connect_error("/", "Not authorized", None).text(),
        r#"4{"message":"Not authorized"}"#
    );
    let error = ErrorBody::new(ErrorCode::Unauthorized, "who?").of("idme");
    assert_eq!(
        connect_refused("/", &error).frame(),
        r#"44{"message":"who?","data":{"code":"unauthorized","message":"who?","command":"idme"}}"#
    );
    assert_eq!(disconnect("/").text(), "1");
    assert_eq!(disconnect("/admin").text(), "1/admin,");
}
