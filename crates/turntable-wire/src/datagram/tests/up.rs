//! Decoding datagrams from clients.

use proptest::prelude::*;
use serde_json::json;

use crate::datagram::*;
use crate::json_v1::DecodeLimits;
use turntable_core::id::{ChannelId, SessionId, UserId};
use turntable_core::packet::{ClientPacket, ErrorBody, Position};
use turntable_core::reason::ErrorCode;

const LIMITS: BatchLimits = BatchLimits {
    batch_max: 3,
    message: DecodeLimits { depth_max: 6 },
};

const T: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const T2: &str = "BBBBBBBBBBBBBBBBBBBBBA";

fn one(body: &str) -> Result<Sent, SentError> {
    let mut batch = decode(body, &LIMITS).unwrap();
    assert!(!batch.is_array);
    assert_eq!(batch.entries.len(), 1);
    batch.entries.remove(0)
}

fn sent(path: &str, data: &str) -> Result<Sent, SentError> {
    one(&format!(
        r#"{{"id":"any","tunnel":"{T}","path":"{path}","data":{data}}}"#
    ))
}

fn refused(path: &str, data: &str) -> ErrorBody {
    let error = sent(path, data).unwrap_err();
    assert_eq!(error.tunnel, Some(SessionId::parse(T).unwrap()));
    error.body
}

#[test]
fn a_command_goes_to_the_server() {
    let sent = sent("/server", r#"{"command":"bye","id":"a"}"#).unwrap();
    assert_eq!(sent.tunnel.secret(), T);
    let SentTo::Server(message) = sent.to else {
        panic!("{sent:?}");
    };
    assert_eq!(message.packet, ClientPacket::Bye);
    assert_eq!(&*message.id.unwrap().0, "\"a\"");
}

#[test]
fn data_for_a_channel_or_tunnel_is_unchanged() {
    let data = r#"{ "n": 1.50e2, "s":"\u00fc" }"#;
    let SentTo::Channel {
        channel,
        data: left,
    } = sent("/channel/a/b", data).unwrap().to
    else {
        panic!("not to a channel");
    };
    assert_eq!((channel.as_str(), left.as_json()), ("a/b", data));
    let SentTo::Tunnel { tunnel, data: left } = sent(&format!("/tunnel/{T2}"), data).unwrap().to
    else {
        panic!("not to a tunnel");
    };
    assert_eq!((&*tunnel.secret(), left.as_json()), (T2, data));
}

#[test]
fn interest_is_added_and_removed() {
    let data = format!(
        r#"{{"add":[{{"path":"/channel/chat","subpaths":true,"x":1,"since":{{"epoch":"e","offset":7}},"history":3}},"/user/1:2"],"remove":[{{"path":"/tunnel/{T2}"}}]}}"#
    );
    let SentTo::Interest { add, remove } = sent("/interest", &data).unwrap().to else {
        panic!("not interest");
    };
    let interest = |path, subpaths| Interest {
        path,
        subpaths,
        since: None,
        history: None,
    };
    let since = Position {
        epoch: "e".into(),
        offset: 7,
    };
    assert_eq!(
        add,
        [
            Interest {
                since: Some(since),
                history: Some(3),
                ..interest(
                    InterestPath::Channel(ChannelId::parse("chat").unwrap()),
                    true
                )
            },
            interest(InterestPath::User(UserId::parse("1:2").unwrap()), false),
        ]
    );
    assert_eq!(
        remove,
        [interest(
            InterestPath::Tunnel(SessionId::parse(T2).unwrap()),
            false
        )]
    );
}

#[test]
fn invalid_interest_is_reported_with_its_index() {
    let refused = |data| refused("/interest", data);
    for wrong in [
        "{}",
        "7",
        r#"{"add":{}}"#,
        r#"{"add":[7]}"#,
        r#"{"add":[{}]}"#,
        r#"{"add":["/game/c"]}"#,
        r#"{"add":["/presence"]}"#,
        r#"{"add":["chat"]}"#,
        r#"{"add":["/channel//chat"]}"#,
        r#"{"add":["/channel"]}"#,
        r#"{"add":[{"path":"/channel/c","subpaths":1}]}"#,
        r#"{"add":[{"path":"/channel/c","since":7}]}"#,
        r#"{"add":[{"path":"/channel/c","since":{"epoch":"e"}}]}"#,
        r#"{"add":[{"path":"/channel/c","history":-1}]}"#,
        r#"{"add":[],"add":[]}"#,
    ] {
        let body = refused(wrong);
        assert_eq!(body.code, ErrorCode::BadMessage, "{wrong}");
        assert!(body.message.contains("/interest takes"), "{body:?}");
    }
    let body = refused(r#"{"remove":["/channel/c","/channel/*"]}"#);
    assert_eq!(body.code, ErrorCode::InvalidId);
    assert_eq!(body.details, [("index".into(), 1)]);
    assert_eq!(
        refused(r#"{"add":["/tunnel/x"]}"#).code,
        ErrorCode::NotFound
    );
    assert_eq!(refused(r#"{"add":["/user/x"]}"#).code, ErrorCode::InvalidId);
    let body =
        refused(r#"{"add":["/channel/a","/channel/b"],"remove":["/channel/c","/channel/d"]}"#);
    assert_eq!(body.code, ErrorCode::TooMany);
    assert_eq!(body.details, [("max".into(), 3)]);
}

#[test]
fn datagram_without_a_valid_tunnel_is_refused() {
    let refused = |body: &str| one(body).unwrap_err();
    for wrong in [
        r#"{"path":"/server","data":{}}"#,
        r#"{"tunnel":7,"path":"/server","data":{}}"#,
        r#"{"tunnel":null,"path":"/server","data":{}}"#,
        "{}",
    ] {
        let error = refused(wrong);
        assert_eq!(error.body.code, ErrorCode::BadMessage);
        assert_eq!(error.tunnel, None);
        assert!(error.body.message.contains("a datagram is"), "{error:?}");
    }
    for wrong in [
        "",
        "short",
        "AAAAAAAAAAAAAAAAAAAAAB",
        "AAAAAAAAAAAAAAAAAAAA/A",
    ] {
        let body = json!({"tunnel": wrong, "path": "/server", "data": {}});
        assert_eq!(refused(&body.to_string()).body.code, ErrorCode::NotFound);
    }
}

#[test]
fn unknown_path_is_refused_with_the_accepted_paths() {
    for wrong in [
        "",
        "/",
        "server",
        "/server/",
        "/server/x",
        "/interest/",
        "/game/c",
        "/user/1:1",
        "/presence",
        "/channel",
        "/channel//c",
        "/tunnel",
        "//server",
        "/SERVER",
    ] {
        let body = refused(wrong, "{}");
        assert_eq!(body.code, ErrorCode::BadMessage, "{wrong}");
        assert!(
            body.message
                .contains("/server, /channel/P, /tunnel/T or /interest"),
            "{body:?}"
        );
    }
    assert_eq!(refused("/channel/a b", "1").code, ErrorCode::InvalidId);
    assert_eq!(refused("/tunnel/x", "1").code, ErrorCode::NotFound);
    let error = one(&format!(r#"{{"tunnel":"{T}","path":"/channel/c"}}"#)).unwrap_err();
    assert!(error.body.message.starts_with("data is missing"));
    let error = one(&format!(r#"{{"tunnel":"{T}","data":1}}"#)).unwrap_err();
    assert!(error.body.message.starts_with("path is missing"));
}

#[test]
fn invalid_command_is_reported_with_its_id() {
    let error = sent("/server", r#"{"command":"dance","id":7}"#).unwrap_err();
    assert_eq!(error.body.code, ErrorCode::UnknownCommand);
    assert_eq!(&*error.id.unwrap().0, "7");
    assert_eq!(refused("/server", "[]").code, ErrorCode::BadMessage);
}

#[test]
fn depth_limit_equals_that_of_publish() {
    assert!(sent("/channel/c", "[[[[]]]]").is_ok());
    let body = refused("/channel/c", "[[[[[]]]]]");
    assert_eq!(body.code, ErrorCode::TooLarge);
    assert_eq!(body.details, [("max".into(), 4)]);
    let publish =
        |data| format!(r#"{{"command":"publish","data":{{"channel":"c","data":{data}}}}}"#);
    assert!(sent("/server", &publish("[[[[]]]]")).is_ok());
    assert_eq!(
        refused("/server", &publish("[[[[[]]]]]")).code,
        ErrorCode::TooLarge
    );
    // Deep enough to overflow the stack of a recursive reader.
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    assert_eq!(refused("/channel/c", &deep).code, ErrorCode::TooLarge);
    assert_eq!(refused("/interest", &deep).code, ErrorCode::BadMessage);
    let batch = decode(&deep, &LIMITS).unwrap();
    assert!(batch.entries[0].is_err());
}

#[test]
fn one_bad_entry_does_not_affect_others() {
    let good = format!(r#"{{"tunnel":"{T}","path":"/channel/c","data":null}}"#);
    let batch = decode(&format!(" [{good}, {{\"tunnel\":1}} ,{good}]\n"), &LIMITS).unwrap();
    assert!(batch.is_array);
    let verdicts: Vec<bool> = batch.entries.iter().map(Result::is_ok).collect();
    assert_eq!(verdicts, [true, false, true]);
    let batch = decode("[]", &LIMITS).unwrap();
    assert!(batch.is_array && batch.entries.is_empty());
}

#[test]
fn malformed_body_is_refused_as_a_whole() {
    for (body, code) in [
        ("", ErrorCode::BadJson),
        ("{", ErrorCode::BadJson),
        ("{} {}", ErrorCode::BadJson),
        ("[{}", ErrorCode::BadJson),
        ("\u{feff}{}", ErrorCode::BadJson),
        ("7", ErrorCode::BadMessage),
        ("\"{}\"", ErrorCode::BadMessage),
        ("null", ErrorCode::BadMessage),
        ("[1,2,3,4]", ErrorCode::TooMany),
    ] {
        assert_eq!(decode(body, &LIMITS).unwrap_err().code, code, "{body}");
    }
}

proptest! {
    #[test]
    fn opaque_data_passes_byte_for_byte(data in super::down::spread_json()) {
        let limits = BatchLimits { message: DecodeLimits { depth_max: 32 }, ..LIMITS };
        let body = format!(r#"{{"data": {data} ,"tunnel":"{T}","path":"\/channel\/c"}}"#);
        let mut batch = decode(&body, &limits).unwrap();
        let SentTo::Channel { data: left, .. } = batch.entries.remove(0).unwrap().to else {
            panic!("not to a channel");
        };
        prop_assert_eq!(left.as_json(), &data);
    }

    #[test]
    fn any_text_is_decoded_without_a_panic(body in "[\\[\\]{}\",:a-z/0-9 ]{0,60}") {
        let _ = decode(&body, &LIMITS);
    }
}
