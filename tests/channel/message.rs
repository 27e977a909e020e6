//! Messages of channels: who receives them, in which order, and how a client
//! knows that it missed none.

use serde_json::{Value, json};

use turntable_testkit::channel::{join, leave, publish};
use turntable_testkit::http;
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{Client, Server};

#[test]
fn message_reaches_all_subscribers_including_publisher() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    let joined = join(&mut mel, "chat/lobby");
    assert_eq!(joined["channel"], "chat/lobby");
    assert_eq!(
        (&joined["offset"], &joined["recovered"]),
        (&json!(0), &json!(false))
    );
    // A leading slash names the same channel.
    assert_eq!(join(&mut pomke, "/chat/lobby")["epoch"], joined["epoch"]);

    let data = json!({"text": "hi", "nothing": null});
    let say = json!({"channel": "chat/lobby", "data": data});
    mel.send(json!({"command": "publish", "data": say, "id": 7}));
    let message = pomke.expect("message");
    assert_eq!(message["channel"], "chat/lobby");
    assert_eq!(message["from"], "1:1");
    assert_eq!(message["offset"], 1);
    assert_eq!(message["data"], data);
    assert!(message["time"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(mel.expect("message"), message);
    let reply = mel.next();
    assert_eq!(reply["id"], 7);
    let place = json!({"id": message["id"], "offset": 1, "epoch": joined["epoch"]});
    assert_eq!(reply["data"], place);
}

#[test]
fn data_passes_byte_for_byte() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    join(&mut mel, "c");
    for data in [
        r#"{"z":1.50,"a":-0.0,"e":1E+2}"#,
        r#""\u00e9\ud83d\ude00 </script> \u2028""#,
        "12345678901234567890.123456789",
        "null",
    ] {
        mel.send_text(&format!(
            r#"{{"command":"publish","data":{{"channel":"c","data":{data}}}}}"#
        ));
        let text = mel.text();
        assert!(text.contains(&format!(r#""data":{data}"#)), "{text}");
    }
}

#[test]
fn numbers_that_parsers_refuse_are_not_published() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    let mut pomke = server.user("1:2");
    join(&mut pomke, "c");
    for number in ["1e999", "-1e400", "[0.5,1E309]"] {
        mel.send_text(&format!(
            r#"{{"command":"publish","data":{{"channel":"c","data":{number}}},"id":7}}"#
        ));
        assert_eq!(mel.expect_error("bad_message")["id"], 7, "{number}");
    }
    let tunnel = Tunnel::user(&server, "1:3");
    let body = format!(
        r#"{{"tunnel":"{}","path":"/channel/c","data":1e999}}"#,
        tunnel.id
    );
    let kind = "Content-Type: application/json\r\n";
    let answer = http::send(server.address, "POST", "/tunnel/send", kind, &body);
    assert_eq!(answer.error(), (400, "bad_message".to_owned()));
    // The greatest double passes, and nothing of the others did.
    publish(&mut mel, "c", json!(1.7976931348623157e308));
    assert_eq!(
        pomke.expect("message")["data"],
        json!(1.7976931348623157e308)
    );
    pomke.expect_nothing_pending();
}

#[test]
fn publishers_on_all_workers_share_one_order_without_gaps() {
    const EACH: u64 = 60;
    let server = Server::start();
    let listeners: Vec<Client> = (0..4)
        .map(|n| {
            let mut listener = server.user(&format!("l:{n}"));
            join(&mut listener, "c");
            listener
        })
        .collect();
    let publishers: Vec<_> = (0..4)
        .map(|n| {
            let mut publisher = server.user(&format!("p:{n}"));
            std::thread::spawn(move || {
                for k in 0..EACH {
                    publisher.command("publish", json!({"channel": "c", "data": [n, k]}));
                }
                publisher.expect_nothing_pending();
            })
        })
        .collect();
    let mut seen = Vec::new();
    for mut listener in listeners {
        let messages: Vec<Value> = (0..4 * EACH).map(|_| listener.expect("message")).collect();
        seen.push(messages);
    }
    for publisher in publishers {
        publisher.join().unwrap();
    }
    for other in &seen[1..] {
        assert_eq!(other, &seen[0]);
    }
    let offsets: Vec<u64> = seen[0]
        .iter()
        .map(|m| m["offset"].as_u64().unwrap())
        .collect();
    assert_eq!(offsets, (1..=4 * EACH).collect::<Vec<_>>());
    let ids: Vec<&str> = seen[0].iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "ids follow the order");
    for n in 0..4 {
        let own = seen[0].iter().filter(|m| m["data"][0] == n);
        let own: Vec<u64> = own.map(|m| m["data"][1].as_u64().unwrap()).collect();
        assert_eq!(own, (0..EACH).collect::<Vec<_>>(), "publisher {n}");
    }
}

#[test]
fn first_message_after_joined_has_next_offset() {
    const MESSAGES: u64 = 400;
    let server = Server::with(&[("limits.channel.per_second", "0")]);
    let mut publisher = server.user("1:9");
    let mut late = server.user("1:1");
    // The channel's life begins before the first message.
    let mut listener = server.user("1:2");
    join(&mut listener, "c");
    let publishing = std::thread::spawn(move || {
        for n in 1..=MESSAGES {
            publish(&mut publisher, "c", json!(n));
        }
    });
    loop {
        late.command("joinchannel", json!({"channel": "c"}));
        // Messages from before the session left are skipped.
        let joined = late.await_command("joined");
        let offset = joined["offset"].as_u64().unwrap();
        if offset == MESSAGES {
            break;
        }
        assert_eq!(late.expect("message")["offset"], offset + 1);
        late.send(json!({"command": "leavechannel", "data": {"channel": "c"}, "id": "left"}));
        while late.next()["id"] != "left" {}
    }
    publishing.join().unwrap();
}

#[test]
fn since_reports_whether_messages_were_missed() {
    let server = Server::configured("[channels.\"**\"]\nhistory_max = 0\n", &[]);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    let epoch = join(&mut mel, "c")["epoch"].clone();
    publish(&mut pomke, "c", json!(1));
    assert_eq!(mel.expect("message")["offset"], 1);
    leave(&mut mel, "c");

    let again = |offset: u64, epoch: &Value| {
        let since = json!({"epoch": epoch, "offset": offset});
        json!({"channel": "c", "since": since})
    };
    let joined = mel.request("joinchannel", again(1, &epoch));
    assert_eq!(joined["recovered"], true);
    assert_eq!(joined["offset"], 1);
    leave(&mut mel, "c");

    publish(&mut pomke, "c", json!(2));
    let joined = mel.request("joinchannel", again(1, &epoch));
    assert_eq!(joined["recovered"], false);
    assert_eq!(joined["offset"], 2);
    // Another epoch, an offset that was never reached, no offset.
    for ask in [again(2, &json!("another")), again(3, &epoch)] {
        assert_eq!(mel.request("joinchannel", ask)["recovered"], false);
    }
    assert_eq!(join(&mut mel, "c")["recovered"], false);
    mel.expect_nothing_pending();
}
