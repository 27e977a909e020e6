//! Commands, events, channels and rooms, in both encodings.

use std::time::Duration;

use serde_json::{Value, json};
use turntable_client::{
    ChannelOptions, Encoding, Error, ErrorCode, Event, Presence, RoomOptions, Service, Status,
};
use turntable_testkit::Server;

use crate::{await_event, builder, instance, server, user};

#[tokio::test]
async fn attributes_presence_and_profiles_reach_who_watches() {
    for encoding in [Encoding::Json, Encoding::MessagePack] {
        let server = Server::start();
        let mel = builder(server.address).user("1:1").encoding(encoding);
        let mel = mel.attribute("name", &"Mel").unwrap();
        let mel = mel.connect().await.unwrap();
        assert_eq!(mel.user().unwrap().as_str(), "1:1");
        let pomke = builder(server.address).user("1:2").encoding(encoding);
        let pomke = pomke.connect().await.unwrap();
        let mut events = pomke.events();
        pomke.watch(&["1:1", "1:3"]).await.unwrap();
        let states = await_event(&mut events, |event| match event {
            Event::Presence(states) => Some(states.clone()),
            _ => None,
        });
        let states: Vec<Presence> = states.await.into_values().collect();
        assert_eq!(states, [Presence::Online, Presence::Offline]);
        mel.set(&json!({"score": 7})).await.unwrap();
        await_event(&mut events, |event| match event {
            Event::Profiles(all) => {
                let mut profiles = all.values();
                let score = Some(&json!(7));
                profiles
                    .any(|profile| profile.get("score") == score)
                    .then_some(())
            }
            _ => None,
        })
        .await;
        mel.status(Status::Busy, Some(json!("playing")))
            .await
            .unwrap();
        let found = pomke.lookup(&["1:1"]).await.unwrap();
        let found = found.into_values().next().unwrap();
        assert_eq!(found.state, Presence::Busy);
        assert_eq!(found.note, Some(json!("playing")));
        assert_eq!(found.profile.get("name"), Some(&json!("Mel")));
        // Another session of the user hears of it, and `null` removes.
        let other = user(server.address, "1:1").await;
        let mut changes = other.events();
        mel.set(&json!({"score": null})).await.unwrap();
        let changed = await_event(&mut changes, |event| match event {
            Event::Attributes(changes) => Some(changes.clone()),
            _ => None,
        });
        assert_eq!(Value::Object(changed.await), json!({"score": null}));
        let odd = mel.set(&7).await.unwrap_err();
        assert!(matches!(odd, Error::Encode(_)), "{odd}");
    }
}

#[tokio::test]
async fn channel_sends_its_history_and_what_is_published() {
    for encoding in [Encoding::Json, Encoding::MessagePack] {
        let server = Server::start();
        let mel = builder(server.address).user("1:1").encoding(encoding);
        let mel = mel.connect().await.unwrap();
        for number in 1..=3 {
            let published = mel.publish("chat/eu", &number).await.unwrap();
            assert_eq!(published.offset, number);
        }
        let options = ChannelOptions {
            history: Some(2),
            ..ChannelOptions::default()
        };
        let mut channel = mel.join_channel("chat/eu", options).await.unwrap();
        assert_eq!(channel.joined().offset, 3);
        let four = json!({"text": "four", "at": 1.5});
        channel.publish(&four).await.unwrap();
        let mut received = Vec::new();
        while received.len() < 3 {
            if let Event::Message(message) = &*channel.next().await.unwrap() {
                assert_eq!(message.from, mel.user());
                received.push(message.data.clone());
            }
        }
        assert_eq!(received, [json!(2), json!(3), four]);
        channel.leave().await.unwrap();
        let wrong = mel.publish("chat//eu", &1).await.unwrap_err();
        assert!(matches!(wrong, Error::InvalidId(_)), "{wrong}");
    }
}

#[tokio::test]
async fn members_of_a_room_get_each_action_in_one_order() {
    let server = Server::start();
    let mel = user(server.address, "1:1").await;
    let pomke = user(server.address, "1:2").await;
    let mut invited = pomke.events();
    let options = RoomOptions {
        invite: vec!["1:2".to_owned()],
        ..RoomOptions::default()
    };
    let mut first = mel.join_room("CStrike", options).await.unwrap();
    let room = await_event(&mut invited, |event| match event {
        Event::Invite { channel, .. } => Some(channel.clone()),
        _ => None,
    });
    let room = room.await;
    let second = pomke.join_room(room.as_str(), RoomOptions::default());
    let mut second = second.await.unwrap();
    assert_eq!(second.joined().members["1:1"]["state"], "joined");
    for number in 0..5 {
        let one = if number % 2 == 0 { &first } else { &second };
        one.act(&json!({"strike": number})).await.unwrap();
    }
    let mut orders = Vec::new();
    for member in [&mut first, &mut second] {
        let mut strikes = Vec::new();
        while strikes.len() < 5 {
            if let Event::Game { actions, .. } = &*member.next().await.unwrap() {
                strikes.extend(actions.iter().map(|action| action.data["strike"].clone()));
            }
        }
        orders.push(strikes);
    }
    assert_eq!(orders[0], orders[1]);
    second.leave().await.unwrap();
    let left = async {
        loop {
            if let Event::Members(change) = &*first.next().await.unwrap()
                && change.members["1:2"] == "left"
            {
                return;
            }
        }
    };
    left.await;
}

#[tokio::test]
async fn call_is_answered_with_a_typed_result_or_the_refusal() {
    for encoding in [Encoding::Json, Encoding::MessagePack] {
        let server = server();
        let forum = builder(server.address).encoding(encoding);
        let forum = forum.user("service:forum").token("secret");
        let forum = forum.connect().await.unwrap();
        let service = Service::new("forum", ()).function("double", async |_, caller, n: f64| {
            assert_eq!(caller.user.unwrap().as_str(), "1:1");
            Ok(2.0 * n)
        });
        forum.provide(service).await.unwrap();
        let mel = user(server.address, "1:1").await;
        let up = mel.service_up("forum").await.unwrap();
        assert_eq!(up.functions, ["double"]);
        let result: f64 = mel.call("forum:double", &1.25).await.unwrap();
        assert_eq!(result, 2.5);
        let odd = mel.call::<_, String>("forum:double", &1.0).await;
        assert!(matches!(odd, Err(Error::Decode(_))));
        for (f, args, code) in [
            ("forum:double", json!("two"), ErrorCode::BadMessage),
            ("forum:nosuch", json!(1), ErrorCode::NotFound),
            ("nosuch:double", json!(1), ErrorCode::NotFound),
        ] {
            let error = mel.call::<_, Value>(f, &args).await.unwrap_err();
            assert_eq!(error.code(), Some(code), "{error}");
        }
    }
}

#[tokio::test]
async fn functions_of_a_client_are_called_by_the_operator_and_by_services() {
    let server = server();
    let mel = user(server.address, "1:1").await;
    let friends = Service::new("friends", ())
        .function("newFriend", async |_, caller, name: String| {
            Ok(format!("{name} by {:?}", caller.user))
        });
    let provided = mel.provide(friends).await.unwrap();
    assert_eq!(provided, turntable_client::Provided::Own);
    let forum = instance(server.address).await;
    let answer: String = forum
        .call_user("1:1", "friends:newFriend", "Pomke")
        .await
        .unwrap();
    assert_eq!(answer, r#"Pomke by Some("service:forum")"#);
    let nobody = forum.call_user::<_, Value>("1:9", "friends:newFriend", "x");
    let error = nobody.await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ServiceDown));
    // What the operator publishes to the user is an event.
    let mut events = mel.events();
    let body = r#"{"userId": "1:1", "message": {"text": "hi"}}"#;
    let json = "Content-Type: application/json\r\n";
    let published =
        turntable_testkit::http::send(server.management, "POST", "/rpc/user/publish", json, body);
    assert_eq!(published.status, 200, "{}", published.text());
    let message = await_event(&mut events, |event| match event {
        Event::Call { f, args } => Some((f.clone(), args.clone())),
        _ => None,
    });
    let expected = ("user:message".to_owned(), json!({"text": "hi"}));
    assert_eq!(message.await, expected);
}

#[tokio::test]
async fn deadline_of_a_caller_ends_a_call_and_that_of_a_service_cancels_it() {
    let server = server();
    let forum = instance(server.address).await;
    let (dropped, mut was_dropped) = tokio::sync::mpsc::unbounded_channel::<u64>();
    struct Guard(u64, tokio::sync::mpsc::UnboundedSender<u64>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = self.1.send(self.0);
        }
    }
    let service = Service::new("forum", dropped).function(
        "slow",
        async |dropped: std::sync::Arc<_>, _, n: u64| {
            let _guard = Guard(n, tokio::sync::mpsc::UnboundedSender::clone(&dropped));
            std::future::pending::<Result<(), _>>().await
        },
    );
    forum.provide(service).await.unwrap();
    let mel = user(server.address, "1:1").await;
    mel.service_up("forum").await.unwrap();
    let hasty = mel.within(Duration::from_millis(50));
    let error = hasty.call::<_, ()>("forum:slow", &1).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(50)), "{error}");
    // The server's deadline ends it at the service.
    let error = mel.call::<_, ()>("forum:slow", &2).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Timeout));
    assert_eq!(was_dropped.recv().await, Some(1));
    assert_eq!(was_dropped.recv().await, Some(2));
}

#[tokio::test]
async fn commands_over_a_rate_wait_and_are_not_refused() {
    let config = "[limits]\npublish = { per_second = 200, burst = 20 }\n";
    let server = Server::configured(config, &[]);
    let mel = user(server.address, "1:1").await;
    let mut tasks = Vec::new();
    for number in 0..60 {
        let mel = mel.clone();
        tasks.push(tokio::spawn(async move {
            mel.publish("chat", &number)
                .await
                .map(|published| published.offset)
        }));
    }
    let mut offsets = Vec::new();
    for task in tasks {
        offsets.push(task.await.unwrap().unwrap());
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (1..=60).collect::<Vec<_>>());
    let refused = r#"turntable_limits_reached_total{name="limits.publish"}"#;
    assert_eq!(server.metric(refused), 0.0);
}
