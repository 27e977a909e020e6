//! The poll door: calls in batches, and with their answers whatever waited.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod caller;
mod support;

use serde_json::{Value, json};

use caller::{Caller, call, calls, entries_of, fault, poll, result, said};
use support::{Client, Server, request};

fn publish(client: &mut Client, numbers: std::ops::Range<u64>) {
    for n in numbers {
        client.ask("publish", json!({"channel": "c", "data": n}));
    }
}

#[test]
fn plain_curl_begins_a_session_and_says_who_it_is() {
    let server = Server::start();
    let body = r#"[{"f": "$av:idme", "args": "1:12345", "id": 1}]"#;
    // As `curl -d` sends it.
    let headers = "User-Agent: curl/8.5.0\r\nAccept: */*\r\n\
                   Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = poll(&server, "/poll", headers, body);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.header("Set-Cookie"), None);
    let session = answer.header("Turntable-Session").unwrap();
    assert_eq!(session.len(), 22);
    let entries = entries_of(&answer);
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[0]["f"], "$av:connected");
    let connected = &entries[0]["args"];
    assert_eq!(connected["user"], Value::Null);
    assert_eq!(connected["session"], session);
    assert_eq!(connected["resumed"], false);
    assert!(connected["time"].is_u64(), "{connected}");
    assert_eq!(entries[1]["id"], 1);
    assert_eq!(entries[1]["r"]["user"], "1:12345");
    assert_eq!(entries[1]["r"]["session"], session);
}

#[test]
fn a_session_begins_with_whatever_is_sent_first() {
    let server = Server::start();
    for body in ["[]", r#"{"f": "$av:time", "args": {"t0": 1}}"#] {
        let entries = entries_of(&poll(&server, "/poll", "", body));
        assert_eq!(entries[0]["f"], "$av:connected", "{entries:?}");
    }
    // Identified without an id there is no answer, but a call.
    let body = r#"{"f": "$av:idme", "args": "1:1"}"#;
    let entries = entries_of(&poll(&server, "/poll", "", body));
    assert_eq!(entries[0]["f"], "$av:connected");
    assert_eq!(calls(&entries, "$av:welcome")[0]["user"], "1:1");
}

#[test]
fn who_has_not_said_who_it_is_can_do_so_only() {
    let server = Server::start();
    let body = json!([call("$av:publish", json!({"channel": "c", "data": 1}), "x")]);
    let answer = poll(&server, "/poll", "", &body.to_string());
    let entries = entries_of(&answer);
    assert_eq!(entries[1]["id"], "x");
    assert_eq!(entries[1]["error"]["code"], "not_identified");
    let header = format!(
        "Turntable-Session: {}\r\n",
        answer.header("Turntable-Session").unwrap()
    );
    let body = json!([call("$av:idme", json!("1:1"), 1)]);
    let entries = entries_of(&poll(&server, "/poll", &header, &body.to_string()));
    assert_eq!(result(&entries, 1)["user"], "1:1");
    assert_eq!(entries.len(), 1, "{entries:?}");
}

#[test]
fn who_may_not_come_in_is_told_by_the_id_of_its_call() {
    let server = Server::with(&[("portal.anonymous", "false")]);
    let body = json!([call("$av:idme", json!("1:1"), 1)]);
    let entries = entries_of(&poll(&server, "/poll", "", &body.to_string()));
    assert_eq!(entries[1]["error"]["code"], "unauthorized", "{entries:?}");
}

#[test]
fn what_waited_comes_with_the_answers_to_ones_own_calls() {
    let server = Server::start();
    let caller = Caller::on(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    publish(&mut friend, 0..3);
    let entries = caller.poll(&json!([call("$av:lookup", json!(["1:1"]), 1)]));
    assert_eq!(entries.len(), 4, "{entries:?}");
    assert_eq!(result(&entries, 1)["1:1"]["state"], "online");
    assert_eq!(said(&entries), [0, 1, 2]);
    // Nothing comes twice.
    assert_eq!(caller.heartbeat(), Vec::<Value>::new());
}

#[test]
fn an_empty_list_is_a_heartbeat_that_brings_what_waits() {
    let server = Server::start();
    let caller = Caller::on(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    for round in 0..5 {
        publish(&mut friend, round..round + 1);
        assert_eq!(said(&caller.heartbeat()), [round]);
        assert_eq!(caller.send("", "[]").text(), "[]");
    }
}

#[test]
fn a_batch_of_five_is_answered_by_id_and_runs_in_its_order() {
    let server = Server::start();
    let caller = Caller::of(&server, "1:1");
    let entries = caller.poll(&json!([
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
    // The messages themselves may be a moment later than the answers.
    let told = caller.await_calls(entries, "$av:message", 3);
    let told: Vec<&Value> = told.iter().map(|message| &message["data"]).collect();
    assert_eq!(told, ["first", "second", "third"]);
}

#[test]
fn a_bad_entry_gets_its_error_and_the_others_run() {
    let server = Server::start();
    let caller = Caller::of(&server, "1:1");
    let entries = caller.poll(&json!([
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
fn a_call_without_an_id_wants_no_answer() {
    let server = Server::start();
    let caller = Caller::of(&server, "1:1");
    let entries = caller.poll(&json!([{"f": "$av:status", "args": "busy"}]));
    assert_eq!(entries, Vec::<Value>::new());
    let seen = caller.ask("$av:lookup", json!(["1:1"]));
    assert_eq!(seen["1:1"]["state"], "busy");
}

#[test]
fn a_single_entry_is_a_batch_of_one() {
    let server = Server::start();
    let caller = Caller::of(&server, "1:1");
    let entries = caller.poll(&call("$av:time", json!({"t0": 7}), "t"));
    assert_eq!(result(&entries, "t")["t0"], 7);
}

#[test]
fn a_player_polls_and_gets_entries_and_nothing_else() {
    // On a WebSocket the clock of a player is measured with pings.
    let server = Server::with(&[("session.clock_ping_ms", "100")]);
    let caller = Caller::of(&server, "1:1");
    let mut friend = server.user("1:2");
    caller.ask("$av:joingame", json!({"channel": "yard", "self": "1:1"}));
    friend.command("joingame", json!({"channel": "yard", "self": "1:2"}));
    friend.expect("joined");
    let change = json!({"channel": "yard", "members": {"1:2": "joined"}});
    let told = caller.await_calls(Vec::new(), "$av:memberchange", 1);
    assert_eq!(told, [change]);
    let action = json!({"timestamp": 1, "from": "1:1", "data": "hop"});
    let told =
        caller.poll(&json!([{"f": "$av:game", "args": {"channel": "yard", "actions": [action]}}]));
    assert_eq!(friend.expect("game")["actions"][0]["data"], "hop");
    let action = json!({"timestamp": 1, "from": "1:2", "data": "duck"});
    friend.command("game", json!({"channel": "yard", "actions": [action]}));
    friend.expect("game");
    let told = caller.await_calls(told, "$av:game", 2);
    let said: Vec<&Value> = told
        .iter()
        .map(|game| &game["actions"][0]["data"])
        .collect();
    assert_eq!(said, ["hop", "duck"]);
}

#[test]
fn every_other_function_is_a_service_that_is_not_there() {
    let server = Server::start();
    let caller = Caller::of(&server, "1:1");
    for f in ["forum:createPost", "chat:__proto__", "nosuch:x", "x", ""] {
        let error = caller.ask_refused(f, json!({}));
        assert!(
            error["code"].is_string() && error["message"].is_string(),
            "{f}: {error}"
        );
    }
}

#[test]
fn data_is_passed_on_as_it_was_published() {
    let server = Server::start();
    let caller = Caller::on(&server, "1:1", "c");
    let data = r#"{"b":1.50,"a":[1e400,12345678901234567890123,null],"b":"\u2028</script>"}"#;
    let body = format!(r#"[{{"f":"$av:publish","args":{{"channel":"c","data":{data}}},"id":1}}]"#);
    let mut text = caller.send("", &body).text().to_owned();
    while !text.contains("$av:message") {
        text = caller.send("", "[]").text().to_owned();
    }
    assert!(text.contains(&format!(r#""data":{data}"#)), "{text}");
}

#[test]
fn the_session_is_named_by_header_cookie_or_query_in_that_order() {
    let server = Server::start();
    let [mel, tom, ann] = ["1:1", "1:2", "1:3"].map(|user| Caller::of(&server, user));
    let header = |caller: &Caller<'_>| format!("Turntable-Session: {}\r\n", caller.session);
    let cookie =
        |caller: &Caller<'_>| format!("Cookie: a=b; Turntable-Session={}\r\n", caller.session);
    let query = |caller: &Caller<'_>| format!("/poll?session={}", caller.session);
    let body = json!([
        call("$av:set", json!({}), 0),
        call("$av:idme", json!("9:9"), "who")
    ]);
    // Who it is shows in which claim is refused.
    let who = |target: &str, headers: &str| {
        let answer = poll(&server, target, headers, &body.to_string());
        entries_of(&answer);
        answer.header("Turntable-Session").unwrap().to_owned()
    };
    assert_eq!(who("/poll", &header(&mel)), mel.session);
    assert_eq!(who("/poll", &cookie(&mel)), mel.session);
    assert_eq!(who(&query(&mel), ""), mel.session);
    assert_eq!(
        who(&query(&ann), &(header(&mel) + &cookie(&tom))),
        mel.session
    );
    assert_eq!(who(&query(&ann), &cookie(&tom)), tom.session);
}

#[test]
fn a_cookie_is_set_where_that_is_configured() {
    let server = Server::with(&[("poll.cookie", "true")]);
    let answer = poll(&server, "/poll", "", "[]");
    let session = answer.header("Turntable-Session").unwrap();
    let cookie = answer.header("Set-Cookie").unwrap();
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(pair, format!("Turntable-Session={session}"));
    for word in ["HttpOnly", "SameSite=Lax", "Path=/poll"] {
        assert!(attributes.contains(word), "{cookie}");
    }
    let again = poll(&server, "/poll", &format!("Cookie: {pair}\r\n"), "[]");
    assert_eq!(again.header("Turntable-Session"), Some(session));
    assert_eq!(again.text(), "[]");
}

#[test]
fn requests_of_one_session_run_one_after_the_other() {
    let server = Server::start();
    let caller = Caller::on(&server, "1:1", "c");
    let told: Vec<Value> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..6)
            .map(|n| {
                let caller = &caller;
                scope.spawn(move || {
                    let args = json!({"channel": "c", "data": n});
                    caller.poll(&json!([call("$av:publish", args, n)]))
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
    // Each message went out once, with whichever answer.
    let told = caller.await_calls(told, "$av:message", 6);
    let mut numbers: Vec<u64> = told
        .iter()
        .map(|message| message["data"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_is_no_body_is_told_why() {
    let server = Server::with(&[
        ("server.max_message_bytes", "4096"),
        ("poll.batch_max", "8"),
    ]);
    let caller = Caller::of(&server, "1:1");
    for body in ["", "{", "[1,", "x", "[]]"] {
        let answer = caller.send("", body);
        assert_eq!(fault(&answer), (400, "bad_json".to_owned()), "{body:?}");
        assert!(answer.text().contains("line 1 column"), "{}", answer.text());
    }
    for body in ["1", "null", "\"x\""] {
        let answer = caller.send("", body);
        assert_eq!(fault(&answer), (400, "bad_message".to_owned()), "{body:?}");
    }
    let long = format!("[\"{}\"]", "x".repeat(5000));
    assert_eq!(
        fault(&caller.send("", &long)),
        (413, "too_large".to_owned())
    );
    let many = json!(vec![json!({"f": "$av:bye"}); 9]).to_string();
    assert_eq!(fault(&caller.send("", &many)), (429, "too_many".to_owned()));
    // Nothing of all that ran.
    assert_eq!(caller.heartbeat(), Vec::<Value>::new());
    for kind in ["text/html", "application/xml", "multipart/form-data"] {
        let headers = format!("{}Content-Type: {kind}\r\n", caller.header());
        assert_eq!(poll(&server, "/poll", &headers, "[]").status, 415, "{kind}");
    }
    for kind in ["application/json;charset=utf-8", "text/plain", "TEXT/PLAIN"] {
        let headers = format!("{}Content-Type: {kind}\r\n", caller.header());
        assert_eq!(poll(&server, "/poll", &headers, "[]").status, 200, "{kind}");
    }
}

#[test]
fn another_method_is_told_which_one_there_is() {
    let server = Server::start();
    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        let text = format!("{method} /poll HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = request(server.address, &text);
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("Allow"), Some("POST"));
    }
}

#[test]
fn pages_of_other_hosts_may_poll_where_that_is_allowed() {
    let page = "Origin: https://game.example\r\n";
    let server = Server::start();
    let refused = poll(&server, "/poll", page, "[]");
    assert_eq!(fault(&refused), (403, "forbidden".to_owned()));
    assert_eq!(refused.header("Turntable-Session"), None);
    assert_eq!(refused.header("Access-Control-Allow-Origin"), None);

    let server = Server::with(&[("server.allowed_origins", r#"["https://game.example"]"#)]);
    let answer = poll(&server, "/poll", page, "[]");
    let gone = poll(&server, "/poll?session=AAAAAAAAAAAAAAAAAAAAAA", page, "[]");
    assert_eq!((answer.status, gone.status), (200, 410));
    for answer in [&answer, &gone] {
        let allowed = answer.header("Access-Control-Allow-Origin");
        assert_eq!(allowed, Some("https://game.example"));
        assert_eq!(
            answer.header("Access-Control-Allow-Credentials"),
            Some("true")
        );
        let exposed = answer.header("Access-Control-Expose-Headers").unwrap();
        assert!(exposed.contains("Turntable-Session"));
    }
    let text = format!("OPTIONS /poll HTTP/1.1\r\nHost: x\r\n{page}Connection: close\r\n\r\n");
    let preflight = request(server.address, &text);
    assert_eq!(preflight.status, 204);
    assert_eq!(
        preflight.header("Access-Control-Allow-Methods"),
        Some("POST")
    );
}
