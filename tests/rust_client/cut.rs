//! Connections that are cut while commands and calls are under way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use turntable_client::{ChannelOptions, Client, Encoding, Error, ErrorCode, Event, Service};
use turntable_testkit::{DEADLINE, Random, Server};

use crate::forwarder::Forwarder;
use crate::{await_event, builder, instance, server, user};

const CALLS: u64 = 1_000;

/// How often each number was carried out.
type Carried = Mutex<HashMap<u64, u32>>;

fn counting(carried: Arc<Carried>) -> Service<Arc<Carried>> {
    let carry = async |carried: Arc<Arc<Carried>>, _, n: u64| {
        *carried.lock().unwrap().entry(n).or_default() += 1;
        tokio::task::yield_now().await;
        Ok(n)
    };
    Service::new("forum", carried)
        .function("write", carry)
        .function("read", carry)
}

/// Makes the calls, 20 at a time; returns what each was answered.
async fn call_all(client: &Client, f: &str) -> Vec<Result<u64, Error>> {
    let next = Arc::new(AtomicU64::new(0));
    let answers = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (client, f, next, answers) =
            (client.clone(), f.to_owned(), next.clone(), answers.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= CALLS {
                    return;
                }
                let answer = client.call::<_, u64>(&f, &number).await;
                match &answer {
                    Ok(answer) => assert_eq!(*answer, number),
                    // Those that follow would have the same answer.
                    Err(_) => drop(client.service_up("forum").await.unwrap()),
                }
                answers.lock().unwrap().push(answer);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut answers = answers.lock().unwrap();
    std::mem::take(&mut *answers)
}

async fn calls_of_a_cut_caller(encoding: Encoding, seed: u64) {
    let server = server();
    let carried = Arc::new(Carried::default());
    let forum = instance(server.address).await;
    forum.provide(counting(carried.clone())).await.unwrap();
    let forwarder = Forwarder::cutting(server.address, 6_000, seed);
    let mel = builder(forwarder.address).user("1:1").encoding(encoding);
    let mel = mel.connect().await.unwrap();
    mel.service_up("forum").await.unwrap();
    let answers = call_all(&mel, "forum:write").await;
    for answer in &answers {
        assert!(answer.is_ok(), "{answer:?}");
    }
    let carried = carried.lock().unwrap();
    assert_eq!((answers.len(), carried.len()), (1_000, 1_000));
    assert!(carried.values().all(|count| *count == 1), "{carried:?}");
    assert!(forwarder.cuts() >= 10, "{} cuts", forwarder.cuts());
}

#[tokio::test(flavor = "multi_thread")]
async fn thousand_calls_of_a_cut_caller_are_each_carried_out_and_answered_once() {
    calls_of_a_cut_caller(Encoding::Json, 11).await;
    calls_of_a_cut_caller(Encoding::MessagePack, 12).await;
}

/// Calls `f` of an instance whose connection is cut; returns the answers, and how often
/// each call was carried out.
async fn calls_of_a_cut_instance(
    server: &Server,
    f: &str,
    carried: Arc<Carried>,
) -> Vec<Result<u64, Error>> {
    let forwarder = Forwarder::cutting(server.address, 8_000, 21);
    let forum = builder(forwarder.address).user("service:forum");
    let forum = forum.token("secret").connect().await.unwrap();
    forum.provide(counting(carried)).await.unwrap();
    let mel = user(server.address, "1:1").await;
    mel.service_up("forum").await.unwrap();
    let answers = call_all(&mel, f).await;
    assert_eq!(answers.len(), 1_000);
    assert!(forwarder.cuts() >= 3, "{} cuts", forwarder.cuts());
    // Late answers of calls that the server gave up are no errors of the instance.
    let ended = r#"turntable_connections_closed_total{name="too_many_errors"}"#;
    assert_eq!(server.metric(ended), 0.0);
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_cut_instance_are_answered_once_and_carried_out_at_most_once() {
    let (server, carried) = (server(), Arc::new(Carried::default()));
    let answers = calls_of_a_cut_instance(&server, "forum:write", carried.clone()).await;
    let (mut results, mut down) = (0, 0);
    for answer in answers {
        match answer {
            Ok(_) => results += 1,
            Err(error) => {
                assert_eq!(error.code(), Some(ErrorCode::ServiceDown), "{error}");
                down += 1;
            }
        }
    }
    assert!(results > 0 && down > 0, "{results} results, {down} down");
    let carried = carried.lock().unwrap();
    assert!(carried.values().all(|count| *count == 1), "{carried:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotent_calls_of_a_cut_instance_are_given_to_another() {
    let (server, carried) = (server(), Arc::new(Carried::default()));
    let other = instance(server.address).await;
    other.provide(counting(carried.clone())).await.unwrap();
    let answers = calls_of_a_cut_instance(&server, "forum:read", carried.clone()).await;
    for answer in answers {
        assert!(answer.is_ok(), "{answer:?}");
    }
    assert_eq!(carried.lock().unwrap().len(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_channel_arrive_once_in_order_over_cuts() {
    let server = server();
    let forwarder = Forwarder::cutting(server.address, 8_000, 31);
    let mel = user(forwarder.address, "1:1").await;
    let pomke = user(server.address, "1:2").await;
    let channel = mel.join_channel("chat", ChannelOptions::default());
    let mut channel = channel.await.unwrap();
    let publisher = tokio::spawn(async move {
        for number in 0..500 {
            let data = json!({"number": number, "pad": "x".repeat(40)});
            pomke.publish("chat", &data).await.unwrap();
        }
    });
    for number in 0..500 {
        let message = loop {
            let event = tokio::time::timeout(DEADLINE, channel.next())
                .await
                .unwrap();
            match &*event.unwrap() {
                Event::Message(message) => break message.data["number"].clone(),
                Event::Missed(count) => panic!("{count} missed"),
                _ => {}
            }
        };
        assert_eq!(message, number);
    }
    publisher.await.unwrap();
    assert!(forwarder.cuts() >= 3, "{} cuts", forwarder.cuts());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_run_are_dropped_with_the_connection_and_the_instance_comes_back() {
    let server = server();
    let forwarder = Forwarder::start(server.address);
    let forum = builder(forwarder.address).user("service:forum");
    let forum = forum.token("secret").connect().await.unwrap();
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel::<()>();
    let service = Service::new("forum", started)
        .function(
            "slow",
            async |started: Arc<tokio::sync::mpsc::UnboundedSender<()>>, _, (): ()| {
                started.send(()).unwrap();
                std::future::pending::<Result<(), _>>().await
            },
        )
        .function("quick", async |_, _, n: u64| Ok(n));
    forum.provide(service).await.unwrap();
    let mel = user(server.address, "1:1").await;
    mel.service_up("forum").await.unwrap();
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let mel = mel.clone();
            tokio::spawn(async move { mel.call::<_, ()>("forum:slow", &()).await })
        })
        .collect();
    for _ in 0..10 {
        starts.recv().await.unwrap();
    }
    let mut events = forum.events();
    forwarder.cut();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::ServiceDown), "{error}");
    }
    let resumed = await_event(&mut events, |event| match event {
        Event::Connected { resumed, .. } => Some(*resumed),
        _ => None,
    });
    assert!(resumed.await);
    mel.service_up("forum").await.unwrap();
    assert_eq!(mel.call::<_, u64>("forum:quick", &5).await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_session_provides_watches_and_joins_again() {
    let server = Server::configured(crate::CONFIG, &[("session.resume_ms", "0")]);
    let forwarder = Forwarder::start(server.address);
    let forum = builder(forwarder.address).user("service:forum");
    let forum = forum.token("secret").connect().await.unwrap();
    let carried = Arc::new(Carried::default());
    forum.provide(counting(carried)).await.unwrap();
    forum.watch(&["1:1"]).await.unwrap();
    let mel = user(server.address, "1:1").await;
    mel.publish("chat", &0).await.unwrap();
    let mut channel = forum
        .join_channel("chat", ChannelOptions::default())
        .await
        .unwrap();
    mel.publish("chat", &1).await.unwrap();
    let received = async |channel: &mut turntable_client::Channel| loop {
        match &*channel.next().await.unwrap() {
            Event::Message(message) => return message.data.clone(),
            Event::Joined(joined) => assert!(joined.recovered),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(received(&mut channel).await, 1);
    let mut random = Random::new(5);
    for round in 2..6 {
        let mut events = forum.events();
        forwarder.cut();
        // Published while nobody is there, or just after: it is missed by no session.
        tokio::time::sleep(Duration::from_millis(random.below(20))).await;
        mel.publish("chat", &round).await.unwrap();
        let resumed = await_event(&mut events, |event| match event {
            Event::Connected { resumed, .. } => Some(*resumed),
            _ => None,
        });
        assert!(!resumed.await);
        assert_eq!(received(&mut channel).await, round);
        await_event(&mut events, |event| match event {
            Event::Presence(states) => (!states.is_empty()).then_some(()),
            _ => None,
        })
        .await;
        mel.service_up("forum").await.unwrap();
        let answer: Value = mel.call("forum:write", &round).await.unwrap();
        assert_eq!(answer, round);
    }
}
