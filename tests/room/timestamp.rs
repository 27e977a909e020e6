//! The server's time on every action, for any clock of the client (D24 of
//! docs/promises.md; the limits are those of docs/time.md).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use turntable_testkit::poll::PollClient;
use turntable_testkit::room::{action, actions, join, members, send_actions, timestamps, unix_ms};
use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::websocket::{Frame, Opcode, handshake};
use turntable_testkit::{Client, Server};

/// Server and test read the same clock, but not at the same moment: the server
/// read it when it started.
const CLOCKS_MS: f64 = 5.0;
/// The delay of a busy machine; far less than any clock error here.
const DELAY_MS: f64 = 200.0;

/// A client's clock: Unix time plus an offset that the server cannot know.
struct FakeClock {
    offset_ms: f64,
}

impl FakeClock {
    /// A clock that shows `reading` now.
    fn showing(reading: f64) -> Self {
        Self {
            offset_ms: (reading - unix_ms()).round(),
        }
    }

    fn now(&self) -> f64 {
        unix_ms() + self.offset_ms
    }

    /// Requests the server's time, so often that one exchange is fast.
    fn sync(&self, client: &mut Client) {
        for _ in 0..8 {
            let t0 = self.now();
            let answer = client.request("time", json!({"t0": t0}));
            assert_eq!(answer["t0"], t0);
            let (t1, t2) = (
                answer["t1"].as_f64().unwrap(),
                answer["t2"].as_f64().unwrap(),
            );
            assert!(t1 <= t2 && (t1 - unix_ms()).abs() < 20_000.0);
        }
    }
}

/// Sends actions with these timestamps and returns the corrected ones, with the
/// server's time right before and after.
fn corrected(client: &mut Client, client_ms: &[f64]) -> (Vec<f64>, f64, f64) {
    let sent: Vec<_> = client_ms
        .iter()
        .map(|ms| action("1:1", *ms, json!(1)))
        .collect();
    let before = unix_ms() - CLOCKS_MS;
    send_actions(client, "r", &sent);
    let stamps = timestamps(client);
    (stamps, before, unix_ms() + CLOCKS_MS)
}

#[test]
fn timestamp_of_any_epoch_becomes_server_unix_time() {
    let server = Server::start();
    // The protocol's own example, a page's clock, one before 1970, one of the future.
    for reading in [10_223_232.0, 1_234.5, -86_400_000.0, 9e12] {
        let [mut mel] = members(&server, "r", "", ["1:1"]);
        let clock = FakeClock::showing(reading);
        clock.sync(&mut mel);
        let (stamps, before, after) = corrected(&mut mel, &[clock.now()]);
        assert!(
            (before - DELAY_MS..=after).contains(&stamps[0]),
            "{reading}: {stamps:?} is not within {before} - {DELAY_MS} and {after}"
        );
        mel.bye();
    }
}

#[test]
fn client_without_time_sync_gets_corrected_timestamps() {
    let server = Server::with(&[("time.allowance_ms", "1000")]);
    let [mut mel] = members(&server, "r", "", ["1:1"]);
    let stamp = 10_223_232.0;
    let (stamps, before, after) = corrected(&mut mel, &[stamp - 70.0, stamp]);
    assert!(
        (before - DELAY_MS..=after).contains(&stamps[1]),
        "{stamps:?}"
    );
    assert_eq!(stamps[1] - stamps[0], 70.0);
}

#[test]
fn intervals_between_plausible_timestamps_are_preserved() {
    let server = Server::with(&[("room.max_lag_ms", "20000"), ("time.allowance_ms", "20000")]);
    let [mut mel] = members(&server, "r", "", ["1:1"]);
    let clock = FakeClock::showing(10_223_232.0);
    clock.sync(&mut mel);
    let at = (clock.now() - 500.0).floor();
    let sent = [at - 300.0, at - 200.0, at - 150.0, at - 7.0, at];
    let (first, ..) = corrected(&mut mel, &sent[..3]);
    let (second, ..) = corrected(&mut mel, &sent[3..]);
    let stamps = [first, second].concat();
    // Between two messages the estimate may improve.
    for (index, tolerance) in [(1, 0.0), (2, 0.0), (3, DELAY_MS), (4, 0.0)] {
        let sent = sent[index] - sent[index - 1];
        let corrected = stamps[index] - stamps[index - 1];
        assert!((corrected - sent).abs() <= tolerance, "{stamps:?}");
    }
}

#[test]
fn future_timestamp_is_clamped_to_now() {
    let server = Server::start();
    let [mut mel] = members(&server, "r", "", ["1:1"]);
    let clock = FakeClock::showing(10_223_232.0);
    clock.sync(&mut mel);
    for ahead in [60_000.0, 1e15, 1e300] {
        let (stamps, before, after) = corrected(&mut mel, &[clock.now() + ahead]);
        assert!((before..=after).contains(&stamps[0]), "{ahead}: {stamps:?}");
    }
}

#[test]
fn past_timestamp_is_clamped_to_max_lag() {
    let server = Server::with(&[("room.max_lag_ms", "700"), ("time.allowance_ms", "60000")]);
    let [mut mel] = members(&server, "r", "", ["1:1"]);
    let clock = FakeClock::showing(10_223_232.0);
    clock.sync(&mut mel);
    for behind in [60_000.0, 1e15, 1e300] {
        let (stamps, before, after) = corrected(&mut mel, &[clock.now() - behind]);
        assert!(
            (before - 701.0..=after - 700.0).contains(&stamps[0]),
            "{behind}: {stamps:?} is not 700 ms before {before} to {after}"
        );
    }
}

#[test]
fn timestamps_of_one_sender_never_decrease() {
    let server = Server::start();
    let [mut mel] = members(&server, "r", "", ["1:1"]);
    let clock = FakeClock::showing(10_223_232.0);
    clock.sync(&mut mel);
    let now = clock.now();
    let mut all = Vec::new();
    for ages in [
        [0.0, 300.0],
        [900.0, 100.0],
        [50_000.0, -50_000.0],
        [20.0, 10.0],
    ] {
        let (stamps, ..) = corrected(&mut mel, &ages.map(|age| now - age));
        all.extend(stamps);
    }
    assert!(all.is_sorted(), "{all:?}");
}

#[test]
fn lying_about_clock_gains_no_more_than_max_lag() {
    const LAG_MS: f64 = 400.0;
    let server = Server::with(&[("room.max_lag_ms", "400"), ("time.allowance_ms", "60000")]);
    let honest = FakeClock::showing(10_223_232.0);
    // The client claims a clock that is an hour ahead or behind, and sends other
    // timestamps.
    for lie in [3_600_000.0, -3_600_000.0] {
        let [mut mel] = members(&server, "r", "", ["1:1"]);
        for round in 0..6 {
            let t0 = honest.now() + lie * f64::from(round % 3);
            mel.request("time", json!({"t0": t0}));
            let stamp = honest.now() - lie / 2.0;
            let (stamps, before, after) = corrected(&mut mel, &[stamp, stamp + lie]);
            for stamp in &stamps {
                assert!(
                    (before - LAG_MS - 1.0..=after).contains(stamp),
                    "{stamps:?} is not within {before} - {LAG_MS} and {after}"
                );
            }
            assert!(stamps.is_sorted(), "{stamps:?}");
        }
        mel.bye();
    }
}

/// Joins as the only member, and answers the pings that come within a while so late.
fn with_pongs_after(server: &Server, late: Duration) -> Client {
    let [mut mel] = members(server, "r", "", ["1:1"]);
    answer_pings(&mut mel, late);
    mel
}

fn answer_pings(mel: &mut Client, late: Duration) {
    let until = Instant::now() + Duration::from_millis(800);
    while Instant::now() < until {
        let frame = mel.frame();
        assert_eq!(frame.opcode, Opcode::PING, "{frame:?}");
        std::thread::sleep(late);
        mel.send_frame(&Frame::new(Opcode::PONG, frame.payload));
    }
}

/// How far in the past the timestamps of a client that claims the past are, at the
/// most of some attempts, in ms.
fn gain_of_a_liar(mel: &mut Client) -> f64 {
    let clock = FakeClock::showing(10_223_232.0);
    clock.sync(mel);
    let mut most = 0.0f64;
    for _ in 0..20 {
        let before = unix_ms() - CLOCKS_MS;
        send_actions(mel, "r", &[action("1:1", clock.now() - 60_000.0, json!(1))]);
        most = most.max(before - timestamps(mel)[0]);
    }
    most
}

#[test]
fn timestamps_lie_back_no_more_than_half_the_measured_round_trip() {
    let server = Server::with(&[("time.ping_ms", "100"), ("time.ping_acting_ms", "100")]);
    let mut near = with_pongs_after(&server, Duration::ZERO);
    // The round trip is that of this machine, busy as it may be; before, it was 1,000.
    let gain = gain_of_a_liar(&mut near);
    assert!(gain < 100.0, "{gain}");
    near.bye();
    // A client far away may be as late as it is.
    let mut far = with_pongs_after(&server, Duration::from_millis(300));
    let gain = gain_of_a_liar(&mut far);
    assert!((140.0..300.0).contains(&gain), "{gain}");
}

#[test]
fn resume_on_a_fast_connection_has_no_credit_of_the_slow_one() {
    let server = Server::with(&[("time.ping_ms", "100"), ("time.ping_acting_ms", "100")]);
    let mut far = server.connect();
    let session = far.identify("1:1")["session"].clone();
    join(&mut far, "r", "1:1");
    answer_pings(&mut far, Duration::from_millis(300));
    let gain = gain_of_a_liar(&mut far);
    assert!(gain > 140.0, "{gain}");
    // It acts before it has answered a ping there.
    let mut near = server.connect();
    let before = unix_ms() - CLOCKS_MS;
    near.command("resume", json!({"session": session, "received": 0}));
    let past = action("1:1", 10_223_232.0 - 60_000.0, json!("resumed"));
    send_actions(&mut near, "r", &[past]);
    let stamp = loop {
        let message = near.next();
        let action = &message["data"]["actions"][0];
        if action["data"] == "resumed" {
            break action["timestamp"].as_f64().unwrap();
        }
    };
    assert!(before - stamp < 100.0, "{}", before - stamp);
}

#[test]
fn delayed_pongs_gain_nothing_where_the_kernel_bounds() {
    let server = Server::with(&[
        ("time.ping_ms", "100"),
        ("time.ping_acting_ms", "100"),
        ("time.kernel_rtt", "bound"),
    ]);
    let mut mel = with_pongs_after(&server, Duration::from_millis(300));
    // Acknowledgements may be delayed by 40 ms.
    let gain = gain_of_a_liar(&mut mel);
    assert!(gain < 120.0, "{gain}");
    let counted = server.metric("turntable_kernel_round_trip_ms_count");
    assert!(counted > 0.0, "{counted}");
    assert!(server.metric("turntable_ping_round_trip_ms_count") > 0.0);
    assert!(server.metric("turntable_timestamp_credit_ms_count") > 0.0);
}

#[test]
fn client_behind_a_trusted_proxy_is_not_bounded_by_the_kernel() {
    let server = Server::with(&[
        ("time.ping_ms", "100"),
        ("time.ping_acting_ms", "100"),
        ("time.kernel_rtt", "bound"),
        ("server.trusted_proxies", "[\"127.0.0.1\"]"),
    ]);
    let headers = "X-Forwarded-For: 203.0.113.7\r\n";
    let mut mel = Client::open_with(server.address, &handshake("/ws", headers));
    mel.expect("idyou");
    mel.identify("1:1");
    join(&mut mel, "r", "1:1");
    answer_pings(&mut mel, Duration::from_millis(300));
    // The proxy is near, and its client may be far away: its pings say how far.
    let gain = gain_of_a_liar(&mut mel);
    assert!((140.0..300.0).contains(&gain), "{gain}");
    assert!(server.metric("turntable_ping_round_trip_ms_count") > 0.0);
    // Without pings nothing is known of a client behind a proxy.
    let mut tunnel = Tunnel::user(&server, "1:2");
    tunnel.request("joingame", json!({"channel": "t", "self": "1:2"}));
    let action = action("1:2", 1.0, json!(1));
    tunnel.command("game", json!({"channel": "t", "actions": [action]}));
    tunnel.expect_message("/game/t", "game");
    assert_eq!(server.metric("turntable_kernel_round_trip_ms_count"), 0.0);
}

#[test]
fn liar_is_not_sorted_before_a_rival_that_acted_earlier_within_a_tick() {
    const ROUNDS: u32 = 8;
    let file = "[games.slow]\ntick_ms = 1000\n";
    // One ping, which each answers at once.
    let keys = [
        ("time.ping_ms", "600000"),
        ("time.ping_acting_ms", "600000"),
    ];
    let server = Server::configured(file, &keys);
    let [mut mel, mut liar] = members(&server, "r", "slow", ["1:1", "1:2"]);
    let clock = FakeClock::showing(10_223_232.0);
    clock.sync(&mut mel);
    clock.sync(&mut liar);
    for round in 0..ROUNDS {
        let sent = action("1:1", clock.now(), json!(round));
        send_actions(&mut mel, "r", &[sent]);
        mel.expect_none_for(Duration::from_millis(100));
        liar.expect_none_for(Duration::from_millis(100));
        let sent = action("1:2", clock.now() - 60_000.0, json!(round));
        send_actions(&mut liar, "r", &[sent]);
        for member in [&mut mel, &mut liar] {
            let order: Vec<_> = actions(member)
                .iter()
                .map(|action| (action["from"].clone(), action["data"].clone()))
                .collect();
            let expected = ["1:1", "1:2"].map(|user| (json!(user), json!(round)));
            assert_eq!(order, expected, "one tick, in the order of the actions");
        }
    }
}

#[test]
fn clock_pings_come_at_random_instants_and_more_often_while_a_member_acts() {
    let server = Server::with(&[("time.ping_ms", "1000"), ("time.ping_acting_ms", "200")]);
    let [mut mel] = members(&server, "r", "", ["1:1"]);
    // The arrival of each ping within a while, in ms, while the member acts or not.
    let mut pings = |acts: bool| {
        let (begin, mut at_ms) = (Instant::now(), Vec::new());
        while begin.elapsed() < Duration::from_millis(3_000) {
            if acts {
                send_actions(&mut mel, "r", &[action("1:1", 1.0, json!(1))]);
            } else {
                mel.command("time", json!({"t0": 1}));
            }
            loop {
                let frame = mel.frame();
                if frame.opcode == Opcode::TEXT {
                    break;
                }
                at_ms.push(begin.elapsed().as_millis() as u64);
                mel.send_frame(&Frame::new(Opcode::PONG, frame.payload));
            }
            // Within `limits.time`.
            std::thread::sleep(Duration::from_millis(40));
        }
        at_ms
    };
    let idle = pings(false);
    let acting = pings(true);
    assert!(idle.len() <= 7, "{idle:?}");
    assert!(acting.len() >= 8, "{acting:?}");
    let intervals: Vec<u64> = acting.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (least, greatest) = (intervals.iter().min(), intervals.iter().max());
    assert!(greatest.unwrap() - least.unwrap() >= 50, "{intervals:?}");
}

#[test]
fn tunnel_is_measured_by_the_kernel() {
    let server = Server::start();
    let mut tunnel = Tunnel::user(&server, "1:1");
    tunnel.request("joingame", json!({"channel": "r", "self": "1:1"}));
    let action = action("1:1", 1.0, json!(1));
    tunnel.command("game", json!({"channel": "r", "actions": [action]}));
    tunnel.expect_message("/game/r", "game");
    assert_eq!(server.metric("turntable_kernel_round_trip_ms_count"), 1.0);
    assert_eq!(server.metric("turntable_ping_round_trip_ms_count"), 0.0);
}

/// Waits for one batch of a long poll after the last datagram; `meanwhile` runs when the
/// request is open, and makes the batch.
fn long_poll(server: &Server, tunnel: &mut Tunnel<'_>, meanwhile: impl FnOnce(&Tunnel<'_>)) {
    let query = format!("id={}&format=longpoll&after={}", tunnel.id, tunnel.last);
    let mut waiting = Stream::open(server, &query);
    meanwhile(tunnel);
    let batch: Value = serde_json::from_str(&waiting.rest()).unwrap();
    let last = batch.as_array().unwrap().last().unwrap();
    tunnel.last = last["id"].as_str().unwrap().to_owned();
}

#[test]
fn long_poll_is_measured_by_the_kernel_while_a_request_is_open() {
    let server = Server::start();
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
    tunnel.request("joingame", json!({"channel": "r", "self": "1:1"}));
    let measured = || {
        (
            server.metric("turntable_kernel_round_trip_ms_count"),
            server.metric("turntable_ping_round_trip_ms_count"),
        )
    };
    let act = |tunnel: &Tunnel<'_>| {
        let action = action("1:1", 1.0, json!(1));
        tunnel.command("game", json!({"channel": "r", "actions": [action]}));
    };
    // The stream ends, and no request is open behind the batch.
    long_poll(&server, &mut tunnel, |tunnel| {
        tunnel.publish("c", json!("news"));
    });
    act(&tunnel);
    long_poll(&server, &mut tunnel, |_| {});
    assert_eq!(measured(), (0.0, 0.0));
    long_poll(&server, &mut tunnel, act);
    assert_eq!(measured(), (1.0, 0.0));
}

#[test]
fn poll_is_not_measured() {
    let server = Server::start();
    let mel = PollClient::user(&server, "1:1");
    mel.request("$av:joingame", json!({"channel": "r", "self": "1:1"}));
    let action = action("1:1", 1.0, json!(1));
    // It may come with the answer.
    let game = json!([{"f": "$av:game", "args": {"channel": "r", "actions": [action]}}]);
    let entries = mel.poll(&game);
    mel.await_calls(entries, "$av:game", 1);
    for name in ["kernel", "ping"] {
        let name = format!("turntable_{name}_round_trip_ms_count");
        assert_eq!(server.metric(&name), 0.0, "{name}");
    }
}

#[test]
fn members_with_different_clocks_share_server_time() {
    let server = Server::start();
    let users = ["1:1", "1:2", "1:3", "1:4"];
    let mut members = members(&server, "r", "", users);
    let clocks = [10_223_232.0, 0.0, 1.7e12, 4e10].map(FakeClock::showing);
    for (member, clock) in members.iter_mut().zip(&clocks) {
        clock.sync(member);
    }
    // All act at one moment, which each reads on its own clock.
    let moment = unix_ms();
    for ((member, clock), user) in members.iter_mut().zip(&clocks).zip(users) {
        send_actions(
            member,
            "r",
            &[action(user, moment + clock.offset_ms, json!(1))],
        );
    }
    let stamps: Vec<f64> = users
        .iter()
        .flat_map(|_| timestamps(&mut members[0]))
        .collect();
    for stamp in &stamps {
        assert!((stamp - moment).abs() < DELAY_MS, "{stamps:?} for {moment}");
    }
}
