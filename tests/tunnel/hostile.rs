//! Data that could break out of a format, as the data of publications.

use serde_json::{Value, json};

use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{Server, http};

/// JSON texts that could break out of a format.
pub(crate) const HOSTILE: &[&str] = &[
    r#""</script><script>alert(1)</script>""#,
    r#""<!-- --> <![CDATA[ ]]> &lt; &amp;""#,
    "\"\u{2028}\u{2029}\u{feff}\u{1f600}\"",
    r#""\u2028 \u0000 \ud83d\ude00""#,
    r#""line\nline\r\n\r\nline""#,
    r#""\r\n--turntable\r\nContent-Type: text/html\r\n\r\n--turntable--\r\n""#,
    r#""--turntable--""#,
    r#""data: x\n\nevent: close\nid: 7""#,
    r#""'); alert('x'); //\\""#,
    r#""\\\\u003c \\\" \" ' ` ${x}""#,
    r#""%d %D %i %t %% %c""#,
    "\"])}, \\\"close\\\": true\"",
    "{\"a\" :\n[1,\r\n\t2 ] }",
    "0",
    "\"\"",
    "null",
];

/// Publishes all of [`HOSTILE`] on a channel.
fn publish_hostile(server: &Server, channel: &str) {
    let friend = Tunnel::user(server, "1:9");
    for data in HOSTILE {
        let (id, path) = (&friend.id, format!("/channel/{channel}"));
        let body = format!(r#"{{"tunnel": "{id}", "path": "{path}", "data": {data}}}"#);
        let answer = http::send(server.address, "POST", "/tunnel/send", "", &body);
        assert_eq!(answer.json(), json!({"ok": true}), "{data}");
    }
}

/// A tunnel that has to resume to receive all of [`HOSTILE`] on the channel `c`.
/// Returns the query that resumes it, and its id.
pub(crate) fn tunnel_with_hostile(server: &Server, format: &str) -> (String, String) {
    let tunnel = Tunnel::on_channel(server, "1:1", "c");
    publish_hostile(server, "c");
    let query = format!("id={}&format={format}&after={}", tunnel.id, tunnel.last);
    (query, tunnel.id)
}

/// This text must be a datagram with this data, on one line.
pub(crate) fn expect_hostile(text: &str, data: &str) {
    let datagram: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text:?}"));
    assert_eq!(datagram["path"], "/channel/c");
    assert_eq!(datagram["id"].as_str().unwrap().len(), 26);
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(datagram["data"], data);
    assert!(!text.contains(['\n', '\r']), "{text:?}");
}
