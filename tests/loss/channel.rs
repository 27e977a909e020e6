//! Lost channels: subscribers, epochs, publications.

use serde_json::{Value, json};

use super::{Load, Operator, await_losses, flood, server};
use turntable_testkit::Client;

fn join(client: &mut Client, channel: &str, subpaths: bool) -> Value {
    let join = json!({"channel": channel, "subpaths": subpaths});
    client.command("joinchannel", join);
    client.expect("joined")
}

/// The last message of all.
const LAST: &str = "last";

/// Reads up to the last message. Returns what came: the epoch of each `joined`
/// and the offset of each message.
fn read(client: &mut Client) -> Vec<Result<u64, String>> {
    let mut seen = Vec::new();
    loop {
        let message = client.next();
        let data = &message["data"];
        match message["command"].as_str().unwrap() {
            "message" if data["data"] == LAST => return seen,
            "message" => seen.push(Ok(data["offset"].as_u64().unwrap())),
            "joined" => {
                assert_eq!(data["recovered"], false, "{message}");
                assert_eq!(data["offset"], 0, "{message}");
                seen.push(Err(data["epoch"].as_str().unwrap().to_owned()));
            }
            _ => panic!("{message}"),
        }
    }
}

#[test]
fn subscribers_get_a_new_epoch_and_everything_of_it() {
    let server = server("", &[]);
    let mut operator = Operator::on(&server);
    let mut exact: Vec<Client> = ["1:1", "1:2", "1:3"].map(|id| server.user(id)).into();
    for client in &mut exact {
        join(client, "news/eu", false);
    }
    let mut below = server.user("1:4");
    join(&mut below, "news/eu", true);
    let mut above = server.user("1:5");
    join(&mut above, "news", true);

    let publish = |n: usize| json!({"channel": "news/eu", "data": n});
    let load = Load::begin();
    let floods = ["1:6", "1:7"].map(|id| flood(server.user(id), &load, "publish", publish));
    for count in [1.0, 2.0, 3.0] {
        operator.arm("channel", "news/eu");
        await_losses(&server, count);
    }
    load.end();
    let mut publishers = floods.map(|flood| flood.join().unwrap());
    let refused: usize = publishers.iter().map(|flood| flood.refused).sum();
    assert!(refused <= 3, "{refused}");
    let last = json!({"channel": "news/eu", "data": LAST});
    publishers[1].client.request("publish", last);

    let mut epochs = Vec::new();
    let mut offsets: Option<Vec<u64>> = None;
    for client in exact.iter_mut().chain([&mut below]) {
        let seen = read(client);
        let mut expected = 1;
        let mut own_epochs = Vec::new();
        for event in &seen {
            match event {
                Ok(offset) => {
                    assert_eq!(*offset, expected, "neither a hole nor a duplicate");
                    expected += 1;
                }
                Err(epoch) => {
                    own_epochs.push(epoch.clone());
                    expected = 1;
                }
            }
        }
        assert_eq!(own_epochs.len(), 3, "{own_epochs:?}");
        epochs.push(own_epochs);
        let own: Vec<u64> = seen.into_iter().filter_map(Result::ok).collect();
        assert_eq!(offsets.get_or_insert_with(|| own.clone()), &own);
    }
    assert!(epochs.iter().all(|own| *own == epochs[0]));
    // A subscriber of the path above gets the messages; the epoch is not its own.
    let seen: Vec<u64> = read(&mut above)
        .into_iter()
        .map(|event| event.unwrap_or_else(|epoch| panic!("{epoch}")))
        .collect();
    assert_eq!(Some(seen), offsets);
}

#[test]
fn subscribers_with_subpaths_are_notified_of_their_own_channel() {
    let server = server("", &[]);
    let mut operator = Operator::on(&server);
    let mut above = server.user("1:1");
    let epoch = join(&mut above, "news", true)["epoch"].clone();
    let mut other = server.user("1:2");
    operator.arm("channel", "news");
    other.command("publish", json!({"channel": "news", "data": 1}));
    other.expect_error("unavailable");
    let joined = above.expect("joined");
    assert_eq!(
        (&joined["channel"], &joined["recovered"]),
        (&json!("news"), &json!(false))
    );
    assert_ne!(joined["epoch"], epoch);
    for path in ["news", "news/eu"] {
        other.request("publish", json!({"channel": path, "data": path}));
        assert_eq!(above.expect("message")["data"], path);
    }
}

#[test]
fn a_join_that_is_lost_with_the_channel_is_refused_and_undone() {
    let server = server("", &[]);
    let mut operator = Operator::on(&server);
    for subpaths in [false, true] {
        let channel = if subpaths { "b" } else { "a" };
        let mut mel = server.user("1:1");
        let mut pomke = server.user("1:2");
        operator.arm("channel", channel);
        let data = json!({"channel": channel, "subpaths": subpaths});
        mel.send(json!({"command": "joinchannel", "data": data, "id": 1}));
        assert_eq!(mel.expect_error("unavailable")["id"], 1);
        pomke.request("publish", json!({"channel": channel, "data": 1}));
        mel.expect_nothing_pending();
        let joined = mel.request("joinchannel", data);
        assert_eq!(joined["recovered"], false);
        pomke.request("publish", json!({"channel": channel, "data": 2}));
        assert_eq!(mel.expect("message")["data"], 2);
    }
}

#[test]
fn a_channel_that_everyone_left_is_forgotten() {
    let file = "[channels.\"**\"]\nhistory_max = 0\n";
    let server = server(file, &[("channel.empty_ms", "100")]);
    let actors = r#"turntable_actors{name="channel"}"#;
    let mut clients: Vec<Client> = ["1:1", "1:2", "1:3"].map(|id| server.user(id)).into();
    for client in &mut clients {
        join(client, "a", false);
        join(client, "a/b", true);
        // Twice is once, and another way is another interest.
        join(client, "a", false);
        join(client, "a", true);
    }
    assert_eq!(server.metric(actors), 2.0);
    let mut last = clients.pop().unwrap();
    for client in clients {
        client.bye();
    }
    last.request("leavechannel", json!({"channel": "a"}));
    last.request("leavechannel", json!({"channel": "a/b"}));
    server.await_metric(actors, 0.0);
}

#[test]
fn a_history_that_is_lost_with_its_channel_proves_nothing() {
    let server = server("", &[]);
    let mut operator = Operator::on(&server);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    join(&mut mel, "c", false);
    let publish =
        |client: &mut Client, n: u64| client.request("publish", json!({"channel": "c", "data": n}));
    let before = publish(&mut pomke, 1);
    mel.expect("message");
    assert!(server.metric("turntable_history_bytes") > 0.0);
    operator.arm("channel", "c");
    pomke.command("publish", json!({"channel": "c", "data": 2}));
    pomke.expect_error("unavailable");
    await_losses(&server, 1.0);
    let again = mel.expect("joined");
    assert_eq!(
        (&again["offset"], &again["recovered"]),
        (&json!(0), &json!(false))
    );
    server.await_metric("turntable_history_bytes", 0.0);
    publish(&mut pomke, 3);
    assert_eq!(mel.expect("message")["offset"], 1);
    // The old position is of another life; the history is of this one.
    let since = json!({"epoch": before["epoch"], "offset": 1});
    let data = json!({"channel": "c", "since": since, "history": 9});
    let mut late = server.user("1:3");
    let joined = late.request("joinchannel", data);
    assert_eq!(
        (&joined["epoch"], &joined["recovered"]),
        (&again["epoch"], &json!(false))
    );
    assert_eq!(late.expect("message")["data"], 3);
    late.expect_nothing_pending();
}

#[test]
fn members_of_a_lost_channel_are_those_that_are_still_there() {
    let file = "[channels.\"c/**\"]\nmembers = true\n";
    let server = server(file, &[("presence.grace_ms", "60000")]);
    let mut operator = Operator::on(&server);
    let mut clients: Vec<Client> = ["1:1", "1:2", "1:3", "1:4"]
        .map(|id| server.user(id))
        .into();
    let mut hidden = clients.pop().unwrap();
    hidden.request("status", json!("invisible"));
    join(&mut hidden, "c", false);
    for (subpaths, client) in [false, true, false].into_iter().zip(&mut clients) {
        join(client, "c", subpaths);
    }
    let [mel, pomke, ada] = &mut clients[..] else {
        unreachable!("there are three");
    };
    for (client, others) in [(&mut *mel, 2), (&mut *pomke, 1), (&mut hidden, 3)] {
        for _ in 0..others {
            client.expect("memberchange");
        }
    }
    // The one call that is lost is a leave: it is undone by none.
    operator.arm("channel", "c");
    ada.request("leavechannel", json!({"channel": "c"}));
    await_losses(&server, 1.0);
    let members = json!({"1:1": {"state": "joined"}, "1:2": {"state": "joined"}});
    for client in [&mut *mel, &mut *pomke, &mut hidden] {
        let joined = client.expect("joined");
        assert_eq!(joined["members"], members, "{joined}");
    }
    // Changes go on from there.
    let joined = join(ada, "c", false);
    assert_eq!(joined["members"].as_object().unwrap().len(), 3);
    for client in [&mut *mel, &mut *pomke, &mut hidden] {
        let change = client.expect("memberchange");
        assert_eq!(change["members"], json!({"1:3": "joined"}));
    }
    clients.pop().unwrap().bye();
    for client in clients.iter_mut().chain([&mut hidden]) {
        let change = client.expect("memberchange");
        assert_eq!(change["members"], json!({"1:3": "left"}));
        client.expect_nothing_pending();
    }
}
