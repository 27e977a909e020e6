//! Calls in batches: what runs, how each is answered, and queued messages that come
//! with the answers.

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::channel::publish_numbers;
use turntable_testkit::poll::{PollClient, call, calls, entries, post, published, result};

#[test]
fn any_first_request_begins_a_session() {
    let server = Server::start();
    for body in ["[]", r#"{"f": "$av:time", "args": {"t0": 1}}"#] {
        let entries = entries(&post(&server, "/poll", "", body));
        assert_eq!(entries[0]["f"], "$av:connected", "{entries:?}");
    }
    // Identification without an id is answered by a call.
    let body = r#"{"f": "$av:idme", "args": "1:1"}"#;
    let entries = entries(&post(&server, "/poll", "", body));
    assert_eq!(entries[0]["f"], "$av:connected");
    assert_eq!(calls(&entries, "$av:welcome")[0]["user"], "1:1");
}

#[test]
fn unidentified_session_can_only_identify() {
    let server = Server::start();
    let body = json!([call("$av:publish", json!({"channel": "c", "data": 1}), "x")]);
    let answer = post(&server, "/poll", "", &body.to_string());
    let refused = entries(&answer);
    assert_eq!(refused[1]["id"], "x");
    assert_eq!(refused[1]["error"]["code"], "not_identified");
    let header = format!(
        "Turntable-Session: {}\r\n",
        answer.header("Turntable-Session").unwrap()
    );
    let body = json!([call("$av:idme", json!("1:1"), 1)]);
    let entries = entries(&post(&server, "/poll", &header, &body.to_string()));
    assert_eq!(result(&entries, 1)["user"], "1:1");
    assert_eq!(entries.len(), 1, "{entries:?}");
}

#[test]
fn refused_identification_is_answered_by_call_id() {
    let server = Server::with(&[("portal.checkers", r#"["session"]"#)]);
    let body = json!([call("$av:idme", json!("1:1"), 1)]);
    let entries = entries(&post(&server, "/poll", "", &body.to_string()));
    assert_eq!(entries[1]["error"]["code"], "unauthorized", "{entries:?}");
}

#[test]
fn queued_messages_come_with_answers() {
    let server = Server::start();
    let client = PollClient::on_channel(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    publish_numbers(&mut friend, "c", 0..3);
    let entries = client.poll(&json!([call("$av:lookup", json!(["1:1"]), 1)]));
    assert_eq!(entries.len(), 4, "{entries:?}");
    assert_eq!(result(&entries, 1)["1:1"]["state"], "online");
    assert_eq!(published(&entries), [0, 1, 2]);
    // No message is delivered twice.
    assert_eq!(client.heartbeat(), Vec::<Value>::new());
}

#[test]
fn empty_list_is_a_heartbeat_that_returns_queued_messages() {
    let server = Server::start();
    let client = PollClient::on_channel(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    for round in 0..5 {
        publish_numbers(&mut friend, "c", round..round + 1);
        assert_eq!(published(&client.heartbeat()), [round]);
        assert_eq!(client.send("", "[]").text(), "[]");
    }
}

#[test]
fn batch_runs_in_order_and_is_answered_by_id() {
    let server = Server::start();
    let client = PollClient::user(&server, "1:1");
    let entries = client.poll(&json!([
        call("$av:joinchannel", json!({"channel": "c"}), "a"),
        call("$av:publish", json!({"channel": "c", "data": "first"}), 2),
        call("$av:dance", json!({}), "c"),
        {"f": "$av:publish", "args": {"channel": "c", "data": "second"}},
        call("$av:publish", json!({"channel": "c", "data": "third"}), 4.5),
    ]));
    assert_eq!(result(&entries, "a")["channel"], "c");
    assert_eq!(result(&entries, 2)["offset"], 1);
    assert_eq!(result(&entries, 4.5)["offset"], 3);
    let refused = entries.iter().find(|entry| entry["id"] == "c").unwrap();
    assert_eq!(refused["error"]["code"], "unknown_command");
    assert!(refused.get("r").is_none() && refused.get("f").is_none());
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("$av:idme"), "{message}");
    // The messages may arrive later than the answers.
    let messages = client.await_calls(entries, "$av:message", 3);
    let data: Vec<&Value> = messages.iter().map(|message| &message["data"]).collect();
    assert_eq!(data, ["first", "second", "third"]);
}

#[test]
fn bad_entry_gets_an_error_and_others_run() {
    let server = Server::start();
    let client = PollClient::user(&server, "1:1");
    let entries = client.poll(&json!([
        7,
        {"f": 1, "id": "f is no text"},
        {"f": "$av:publish", "args": {"channel": "a b", "data": 1}, "id": "bad channel"},
        {"f": "$av:nothing"},
        {"id": "no f"},
        {"f": "$av:set", "r": 1, "id": "two of them"},
        {"r": 1},
        call("$av:lookup", json!([]), "good"),
    ]));
    for (id, code) in [
        ("f is no text", "bad_message"),
        ("bad channel", "invalid_id"),
        ("no f", "bad_message"),
        ("two of them", "bad_message"),
    ] {
        let entry = entries.iter().find(|entry| entry["id"] == id).unwrap();
        assert_eq!(entry["error"]["code"], code, "{entry}");
    }
    let errors = calls(&entries, "$av:error");
    let codes: Vec<&Value> = errors.iter().map(|error| &error["code"]).collect();
    assert_eq!(codes, ["bad_message", "unknown_command", "bad_message"]);
    assert_eq!(result(&entries, "good"), json!({}));
}

#[test]
fn call_without_id_gets_no_answer() {
    let server = Server::start();
    let client = PollClient::user(&server, "1:1");
    let entries = client.poll(&json!([{"f": "$av:status", "args": "busy"}]));
    assert_eq!(entries, Vec::<Value>::new());
    let seen = client.request("$av:lookup", json!(["1:1"]));
    assert_eq!(seen["1:1"]["state"], "busy");
}

#[test]
fn single_entry_is_a_batch_of_one() {
    let server = Server::start();
    let client = PollClient::user(&server, "1:1");
    let entries = client.poll(&call("$av:time", json!({"t0": 7}), "t"));
    assert_eq!(result(&entries, "t")["t0"], 7);
}

#[test]
fn room_member_receives_only_entries() {
    // On a WebSocket the clock of a room member is measured with pings.
    let server = Server::with(&[("time.ping_ms", "100")]);
    let client = PollClient::user(&server, "1:1");
    let mut friend = server.user("1:2");
    client.request("$av:joingame", json!({"channel": "yard", "self": "1:1"}));
    friend.command("joingame", json!({"channel": "yard", "self": "1:2"}));
    friend.expect("joined");
    let change = json!({"channel": "yard", "members": {"1:2": "joined"}});
    let changes = client.await_calls(Vec::new(), "$av:memberchange", 1);
    assert_eq!(changes, [change]);
    let action = json!({"timestamp": 1, "from": "1:1", "data": "hop"});
    let entries =
        client.poll(&json!([{"f": "$av:game", "args": {"channel": "yard", "actions": [action]}}]));
    assert_eq!(friend.expect("game")["actions"][0]["data"], "hop");
    let action = json!({"timestamp": 1, "from": "1:2", "data": "duck"});
    friend.command("game", json!({"channel": "yard", "actions": [action]}));
    friend.expect("game");
    let games = client.await_calls(entries, "$av:game", 2);
    let data: Vec<&Value> = games
        .iter()
        .map(|game| &game["actions"][0]["data"])
        .collect();
    assert_eq!(data, ["hop", "duck"]);
}

#[test]
fn unknown_function_is_an_error() {
    let server = Server::start();
    let client = PollClient::user(&server, "1:1");
    for f in ["forum:createPost", "chat:__proto__", "nosuch:x", "x", ""] {
        let error = client.request_refused(f, json!({}));
        assert!(
            error["code"].is_string() && error["message"].is_string(),
            "{f}: {error}"
        );
    }
}

#[test]
fn data_passes_byte_for_byte() {
    let server = Server::start();
    let client = PollClient::on_channel(&server, "1:1", "c");
    let data = r#"{"b":1.50,"a":[1e300,12345678901234567890123,null],"b":"\u2028</script>"}"#;
    let body = format!(r#"[{{"f":"$av:publish","args":{{"channel":"c","data":{data}}},"id":1}}]"#);
    let mut text = client.send("", &body).text().to_owned();
    while !text.contains("$av:message") {
        text = client.send("", "[]").text().to_owned();
    }
    assert!(text.contains(&format!(r#""data":{data}"#)), "{text}");
}

#[test]
fn requests_of_one_session_are_serialized() {
    let server = Server::start();
    let client = PollClient::on_channel(&server, "1:1", "c");
    let entries: Vec<Value> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..6)
            .map(|n| {
                let client = &client;
                scope.spawn(move || {
                    let args = json!({"channel": "c", "data": n});
                    client.poll(&json!([call("$av:publish", args, n)]))
                })
            })
            .collect();
        let mut all = Vec::new();
        for (n, handle) in handles.into_iter().enumerate() {
            let entries = handle.join().unwrap();
            assert!(result(&entries, n)["offset"].is_u64());
            all.extend(entries);
        }
        all
    });
    // Each message is delivered once, with any of the answers.
    let messages = client.await_calls(entries, "$av:message", 6);
    let mut numbers: Vec<u64> = messages
        .iter()
        .map(|message| message["data"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
}
