//! Honest clients and liars over the path.

use std::time::{Duration, Instant};

use serde_json::json;

use super::forwarder::Forwarder;
use turntable_testkit::room::{action, join, send_actions, unix_ms};
use turntable_testkit::{Client, Frame, Opcode, Server};

/// The delay of each direction and how far off it may be, in ms: the round trip is
/// 50 ms and at most 20 off.
const DELAY_MS: u32 = 25;
const JITTER_MS: u32 = 10;

/// The difference of the slowest round trip and the fastest.
const ROUND_TRIP_JITTER_MS: f64 = 40.0;

/// What the forwarder adds, and the server's clock, which was read at another moment; a
/// busy machine adds more.
const MACHINE_MS: f64 = 3.0;

/// How long a client plays before it is measured.
const WARM_UP: Duration = Duration::from_secs(12);
const MEASURED: Duration = Duration::from_secs(8);

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Behaviour {
    Honest,
    /// Its timestamps are of the past.
    ClaimsThePast,
    /// Its `t0` is ahead.
    FalseT0,
    /// Its pongs are late, and its timestamps of the past.
    DelayedPongs,
    /// It sends no `time`, and some actions of the future, which move its epoch.
    ChosenEpoch,
    /// Its clock stands still for a while, again and again.
    SleepingClock,
    /// All that it sends is late for a moment now and then, as behind what fills its uplink,
    /// and its timestamps are of the past.
    Bursts,
}

/// How late a client sends in a burst, how long one is, and how often one comes, in ms.
const BURST_LATE_MS: u64 = 150;
const BURST_MS: u128 = 200;
const BURST_EVERY_MS: u128 = 2_000;

/// The server's public listener on every address.
fn server(kernel_rtt: &str) -> Server {
    Server::with(&[
        ("server.listen", "0.0.0.0:0"),
        ("time.ping_acting_ms", "200"),
        ("time.kernel_rtt", kernel_rtt),
    ])
}

/// Plays in a room of its own. Returns how far each corrected timestamp is off the
/// moment of its action, in ms; only those that are measured.
fn play(path: &Forwarder, server: &Server, user: &str, behaviour: Behaviour) -> Vec<f64> {
    let mut client = path.connect(server.address);
    client.identify(user);
    let room = &user.replace(':', "");
    join(&mut client, room, user);
    // Any epoch.
    let offset_ms = 10_223_232.0 - unix_ms();
    let ahead_ms = if behaviour == Behaviour::FalseT0 {
        600.0
    } else {
        0.0
    };
    let begin = Instant::now();
    let back_ms = |count: u32| match behaviour {
        Behaviour::ClaimsThePast | Behaviour::DelayedPongs | Behaviour::Bursts => 600.0,
        // A quarter of a second in each five.
        Behaviour::SleepingClock => 250.0 * (begin.elapsed().as_secs() / 5) as f64,
        Behaviour::ChosenEpoch if count.is_multiple_of(50) => -600.0,
        Behaviour::Honest | Behaviour::FalseT0 | Behaviour::ChosenEpoch => 0.0,
    };
    let late = || match behaviour {
        Behaviour::DelayedPongs => Duration::from_millis(300),
        Behaviour::Bursts if begin.elapsed().as_millis() % BURST_EVERY_MS < BURST_MS => {
            Duration::from_millis(BURST_LATE_MS)
        }
        _ => Duration::ZERO,
    };
    for _ in 0..5 {
        if behaviour != Behaviour::ChosenEpoch {
            client.command("time", json!({"t0": unix_ms() + offset_ms + ahead_ms}));
            text(&mut client, &late);
        }
    }
    let (mut errors, mut count) = (Vec::new(), 0);
    while begin.elapsed() < WARM_UP + MEASURED {
        let acted_ms = unix_ms();
        let stamp_ms = acted_ms + offset_ms - back_ms(count);
        count += 1;
        if behaviour == Behaviour::Bursts {
            std::thread::sleep(late());
        }
        send_actions(&mut client, room, &[action(user, stamp_ms, json!(1))]);
        let game: serde_json::Value = serde_json::from_str(&text(&mut client, &late)).unwrap();
        let corrected_ms = game["data"]["actions"][0]["timestamp"].as_f64().unwrap();
        if begin.elapsed() > WARM_UP {
            errors.push(corrected_ms - acted_ms);
        }
    }
    client.bye();
    errors
}

/// The next text; pings are answered so late.
fn text(client: &mut Client, late: &impl Fn() -> Duration) -> String {
    loop {
        let frame = client.frame();
        if frame.opcode == Opcode::TEXT {
            return String::from_utf8(frame.payload).unwrap();
        }
        std::thread::sleep(late());
        client.send_frame(&Frame::new(Opcode::PONG, frame.payload));
    }
}

/// The value that this share of all does not exceed.
fn quantile(all: &[f64], share: f64) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

#[test]
fn liars_gain_ten_ms_and_half_the_jitter_over_a_real_path() {
    let Some(path) = Forwarder::start(0, DELAY_MS, JITTER_MS) else {
        return;
    };
    let (free, bound) = (server("report"), server("bound"));
    let plays = [
        (&free, "1:1", Behaviour::Honest),
        (&free, "1:2", Behaviour::ClaimsThePast),
        (&free, "1:3", Behaviour::FalseT0),
        (&bound, "1:4", Behaviour::Honest),
        (&bound, "1:5", Behaviour::DelayedPongs),
        (&free, "1:6", Behaviour::ChosenEpoch),
        (&free, "1:7", Behaviour::SleepingClock),
        (&free, "1:8", Behaviour::Bursts),
    ];
    let errors = std::thread::scope(|scope| {
        let start = |(server, user, behaviour)| {
            let path = &path;
            scope.spawn(move || play(path, server, user, behaviour))
        };
        let running = plays.map(start);
        running.map(|thread| thread.join().unwrap())
    });
    let honest: Vec<f64> = errors[0].iter().map(|ms| ms.abs()).collect();
    let honest_ms = quantile(&honest, 0.99);
    println!("honest: within {honest_ms:.1} ms (p99)");
    let bounded: Vec<f64> = errors[3].iter().map(|ms| ms.abs()).collect();
    println!("honest, bounded: {:.1} ms (p99)", quantile(&bounded, 0.99));
    let most =
        [1, 2, 4, 5, 6, 7].map(|index| (index, plays[index].2, -quantile(&errors[index], 0.01)));
    for (_, behaviour, most_ms) in most {
        println!("{behaviour:?}: {most_ms:.1} ms before its actions (p99)");
    }
    let Some(late_ms) = path.end() else {
        return;
    };
    let machine_ms = MACHINE_MS + 2.0 * late_ms;
    for (_, behaviour, most_ms) in most {
        // What the forwarder adds at times is jitter of the path, in each direction.
        let bound_ms = 10.0 + ROUND_TRIP_JITTER_MS / 2.0 + late_ms;
        // The round trips beside its bursts are fewer, and their spread is less certain.
        let doubt_ms = if behaviour == Behaviour::Bursts {
            5.0
        } else {
            0.0
        };
        let bound_ms = bound_ms + doubt_ms;
        assert!(most_ms <= bound_ms, "{behaviour:?}: {most_ms} ms");
    }
    assert!(honest_ms <= 5.0 + machine_ms, "{honest_ms} ms");
    assert!(quantile(&bounded, 0.99) <= 5.0 + machine_ms, "{bounded:?}");
}

#[test]
fn actions_twenty_ms_apart_are_ordered_over_real_paths() {
    let (Some(near), Some(far)) = (Forwarder::start(1, 10, 2), Forwarder::start(2, 60, 10)) else {
        return;
    };
    let server = server("report");
    let (near_off, far_off) = std::thread::scope(|scope| {
        let start = |path, user| {
            let server = &server;
            scope.spawn(move || play(path, server, user, Behaviour::Honest))
        };
        let (near, far) = (start(&near, "1:1"), start(&far, "1:2"));
        (near.join().unwrap(), far.join().unwrap())
    });
    // Each action of one with each of the other: one at 0, the other at 20.
    let pairs = || {
        near_off
            .iter()
            .flat_map(|near| far_off.iter().map(move |far| (near, far)))
    };
    let count = pairs().count();
    let near_first = pairs().filter(|(near, far)| **near < 20.0 + **far).count();
    let far_first = pairs().filter(|(near, far)| **far < 20.0 + **near).count();
    println!("latencies of 20 and 120 ms: {near_first} and {far_first} of {count} in order");
    let (Some(_), Some(_)) = (near.end(), far.end()) else {
        return;
    };
    assert!(near_first * 100 >= count * 95, "{near_first} of {count}");
    assert!(far_first * 100 >= count * 95, "{far_first} of {count}");
}
