//! The server's time on every action, whatever clock the client has (D24 of
//! docs/promises.md; the bounds are those of docs/time.md).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod party;
mod support;

use serde_json::json;

use party::{act, action, party, stamps, unix_ms};
use support::{Client, Server};

/// Server and test read the same clock, but not in the same moment that it was
/// read when the server started.
const CLOCKS_MS: f64 = 5.0;
/// A busy machine's delay; far less than any error of a clock here.
const DELAY_MS: f64 = 200.0;

/// A client's clock: Unix time plus an offset that the server cannot know.
struct FakeClock {
    offset_ms: f64,
}

impl FakeClock {
    /// A clock that shows `reading` now.
    fn that_shows(reading: f64) -> Self {
        Self {
            offset_ms: (reading - unix_ms()).round(),
        }
    }

    fn now(&self) -> f64 {
        unix_ms() + self.offset_ms
    }

    /// Asks the server's time, so often that one exchange is fast.
    fn sync(&self, client: &mut Client) {
        for _ in 0..8 {
            let t0 = self.now();
            let told = client.ask("time", json!({"t0": t0}));
            assert_eq!(told["t0"], t0);
            let (t1, t2) = (told["t1"].as_f64().unwrap(), told["t2"].as_f64().unwrap());
            assert!(t1 <= t2 && (t1 - unix_ms()).abs() < 20_000.0);
        }
    }
}

/// Acts with these stamps and returns the corrected ones, with the server's
/// time right before and after.
fn corrected(client: &mut Client, client_ms: &[f64]) -> (Vec<f64>, f64, f64) {
    let sent: Vec<_> = client_ms
        .iter()
        .map(|ms| action("1:1", *ms, json!(1)))
        .collect();
    let before = unix_ms() - CLOCKS_MS;
    act(client, "r", &sent);
    let stamps = stamps(client);
    (stamps, before, unix_ms() + CLOCKS_MS)
}

#[test]
fn a_stamp_of_any_epoch_becomes_the_servers_unix_time() {
    let server = Server::start();
    // The seed's own example, a page's clock, one of 1970, one of the future.
    for reading in [10_223_232.0, 1_234.5, -86_400_000.0, 9e12] {
        let [mut mel] = party(&server, "r", "", ["1:1"]);
        let clock = FakeClock::that_shows(reading);
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
fn a_client_that_never_asks_the_time_gets_stamps_too() {
    let server = Server::start();
    let [mut mel] = party(&server, "r", "", ["1:1"]);
    let stamp = 10_223_232.0;
    let (stamps, before, after) = corrected(&mut mel, &[stamp - 70.0, stamp]);
    assert!(
        (before - DELAY_MS..=after).contains(&stamps[1]),
        "{stamps:?}"
    );
    assert_eq!(stamps[1] - stamps[0], 70.0);
}

#[test]
fn distances_between_plausible_stamps_are_kept() {
    let server = Server::with(&[("room.max_lag_ms", "20000")]);
    let [mut mel] = party(&server, "r", "", ["1:1"]);
    let clock = FakeClock::that_shows(10_223_232.0);
    clock.sync(&mut mel);
    let at = (clock.now() - 500.0).floor();
    let sent = [at - 300.0, at - 200.0, at - 150.0, at - 7.0, at];
    let (first, ..) = corrected(&mut mel, &sent[..3]);
    let (second, ..) = corrected(&mut mel, &sent[3..]);
    let stamps = [first, second].concat();
    // Between the messages the estimate may get better.
    for (index, tolerance) in [(1, 0.0), (2, 0.0), (3, DELAY_MS), (4, 0.0)] {
        let sent = sent[index] - sent[index - 1];
        let told = stamps[index] - stamps[index - 1];
        assert!((told - sent).abs() <= tolerance, "{stamps:?}");
    }
}

#[test]
fn a_stamp_of_the_future_is_held_at_now() {
    let server = Server::start();
    let [mut mel] = party(&server, "r", "", ["1:1"]);
    let clock = FakeClock::that_shows(10_223_232.0);
    clock.sync(&mut mel);
    for ahead in [60_000.0, 1e15, 1e300] {
        let (stamps, before, after) = corrected(&mut mel, &[clock.now() + ahead]);
        assert!((before..=after).contains(&stamps[0]), "{ahead}: {stamps:?}");
    }
}

#[test]
fn a_stamp_of_the_far_past_is_held_at_the_lag() {
    let server = Server::with(&[("room.max_lag_ms", "700")]);
    let [mut mel] = party(&server, "r", "", ["1:1"]);
    let clock = FakeClock::that_shows(10_223_232.0);
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
fn one_senders_stamps_never_run_backwards() {
    let server = Server::start();
    let [mut mel] = party(&server, "r", "", ["1:1"]);
    let clock = FakeClock::that_shows(10_223_232.0);
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
fn a_client_that_lies_about_its_clock_wins_no_more_than_the_lag() {
    const LAG_MS: f64 = 400.0;
    let server = Server::with(&[("room.max_lag_ms", "400")]);
    let honest = FakeClock::that_shows(10_223_232.0);
    // It says that its clock is an hour ahead or behind, and stamps otherwise.
    for lie in [3_600_000.0, -3_600_000.0] {
        let [mut mel] = party(&server, "r", "", ["1:1"]);
        for round in 0..6 {
            let t0 = honest.now() + lie * f64::from(round % 3);
            mel.ask("time", json!({"t0": t0}));
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

#[test]
fn members_with_clocks_of_their_own_share_one_time() {
    let server = Server::start();
    let users = ["1:1", "1:2", "1:3", "1:4"];
    let mut members = party(&server, "r", "", users);
    let clocks = [10_223_232.0, 0.0, 1.7e12, 4e10].map(FakeClock::that_shows);
    for (member, clock) in members.iter_mut().zip(&clocks) {
        clock.sync(member);
    }
    // All act at one moment that each has read on its own clock.
    let moment = unix_ms();
    for ((member, clock), user) in members.iter_mut().zip(&clocks).zip(users) {
        act(
            member,
            "r",
            &[action(user, moment + clock.offset_ms, json!(1))],
        );
    }
    let told: Vec<f64> = users.iter().flat_map(|_| stamps(&mut members[0])).collect();
    for stamp in &told {
        assert!((stamp - moment).abs() < DELAY_MS, "{told:?} for {moment}");
    }
}
