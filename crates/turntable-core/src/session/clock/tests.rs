//! Tests the estimate with simulated clients.

use proptest::prelude::*;

use super::*;
use crate::model::timestamp::Corrector;

const RTT_MAX_MS: f64 = ROUND_TRIP_MAX_MS;
const MAX_LAG_MS: u64 = 1_000;

#[test]
fn clock_estimate_is_small() {
    assert!(size_of::<Clock>() <= 64, "{} bytes", size_of::<Clock>());
}

#[test]
fn there_is_no_estimate_before_a_sample() {
    let mut clock = Clock::new();
    assert_eq!(clock.offset(0.0, RTT_MAX_MS), None);
    clock.round_trip(10.0, 0.0);
    assert_eq!(clock.offset(0.0, RTT_MAX_MS), None);
}

#[test]
fn uplink_is_the_error_before_a_pong() {
    let mut clock = Clock::new();
    clock.time_exchange(0.0, 1_030.0);
    let estimate = clock.offset(1_030.0, RTT_MAX_MS).unwrap();
    assert_eq!(estimate.offset_ms, 1_030.0);
    assert_eq!(estimate.error_ms, RTT_MAX_MS);
}

#[test]
fn invalid_readings_are_ignored() {
    let mut clock = Clock::new();
    clock.time_exchange(0.0, 1_000.0);
    clock.round_trip(100.0, 1_000.0);
    let before = clock.offset(1_000.0, RTT_MAX_MS);
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300] {
        clock.time_exchange(wrong, 1_000.0);
        clock.time_exchange(0.0, wrong);
        clock.round_trip(wrong, 1_000.0);
        clock.round_trip(10.0, wrong);
        clock.action_sample(wrong, 1_000.0);
    }
    clock.round_trip(-1.0, 1_000.0);
    assert_eq!(clock.offset(1_000.0, RTT_MAX_MS), before);
}

#[test]
fn actions_are_used_until_a_time_exchange() {
    let mut clock = Clock::new();
    clock.action_sample(10_223_232.0, 50_000.0);
    let offset_ms = |clock: &Clock| clock.offset(50_000.0, RTT_MAX_MS).unwrap().offset_ms;
    assert_eq!(offset_ms(&clock), 50_000.0 - 10_223_232.0);
    // `time` may use another clock than the actions.
    clock.time_exchange(7.0, 50_000.0);
    assert_eq!(offset_ms(&clock), 49_993.0);
    clock.action_sample(10_223_232.0, 50_000.0);
    assert_eq!(offset_ms(&clock), 49_993.0);
}

#[test]
fn clock_jump_is_followed_within_the_window() {
    let mut clock = Clock::new();
    let mut now_ms = 1e6;
    for _ in 0..20 {
        now_ms += 5_000.0;
        clock.time_exchange(now_ms, now_ms);
    }
    // The client's clock paused for an hour, as when a laptop sleeps.
    let slept_ms = 3_600_000.0;
    let mut waited_ms = 0.0;
    while clock.offset(now_ms, RTT_MAX_MS).unwrap().offset_ms != slept_ms {
        now_ms += 5_000.0;
        waited_ms += 5_000.0;
        clock.time_exchange(now_ms - slept_ms, now_ms);
    }
    assert!(waited_ms <= 3.0 * HALF_WINDOW_MS, "{waited_ms} ms");
}

#[test]
fn delayed_pong_moves_the_offset_by_at_most_half_the_limit() {
    let mut clock = Clock::new();
    clock.time_exchange(0.0, 0.0);
    clock.round_trip(60_000.0, 0.0);
    let estimate = clock.offset(0.0, RTT_MAX_MS).unwrap();
    assert_eq!(estimate.offset_ms, -RTT_MAX_MS / 2.0);
    assert_eq!(estimate.error_ms, 59_000.0);
}

#[test]
fn clock_that_stood_still_is_measured_anew_at_the_second_exchange() {
    let mut clock = Clock::new();
    let mut now_ms = 1e6;
    for _ in 0..4 {
        now_ms += 5_000.0;
        clock.time_exchange(now_ms - 20.0, now_ms);
        clock.round_trip(40.0, now_ms);
    }
    let offset_ms = |clock: &Clock, at_ms| clock.offset(at_ms, RTT_MAX_MS).unwrap().offset_ms;
    assert_eq!(offset_ms(&clock, now_ms), 0.0);
    let slept_ms = 10_000.0;
    now_ms += slept_ms;
    clock.time_exchange(now_ms - 20.0 - slept_ms, now_ms);
    assert_eq!(offset_ms(&clock, now_ms), 0.0);
    now_ms += 100.0;
    clock.time_exchange(now_ms - 25.0 - slept_ms, now_ms);
    assert_eq!(offset_ms(&clock, now_ms), slept_ms + 5.0);
}

#[test]
fn sleep_of_the_server_drops_every_sample() {
    let mut clock = Clock::new();
    clock.time_exchange(0.0, 1_000.0);
    clock.round_trip(40.0, 1_000.0);
    clock.restart();
    assert_eq!(clock.offset(1_000.0, RTT_MAX_MS), None);
    assert_eq!(clock.lag(1_000.0, 8).measured_ms, None);
    // Actions may still be of another clock than `time`.
    clock.action_sample(10_223_232.0, 1_000.0);
    assert_eq!(clock.offset(1_000.0, RTT_MAX_MS), None);
}

#[test]
fn actions_of_the_same_clock_refine_the_estimate() {
    let mut clock = Clock::new();
    for (rtt_ms, now_ms) in [(40.0, 1_000.0), (80.0, 1_500.0)] {
        clock.round_trip(rtt_ms, now_ms);
    }
    clock.time_exchange(2_000.0 - 50.0, 2_000.0);
    let offset_ms = |clock: &Clock| clock.offset(3_000.0, RTT_MAX_MS).unwrap().offset_ms;
    assert_eq!(offset_ms(&clock), 30.0);
    clock.action_sample(2_100.0 - 22.0, 2_100.0);
    assert_eq!(offset_ms(&clock), 2.0);
    // Further off than the path's jitter: old, or its time is to come.
    clock.action_sample(2_900.0, 2_200.0);
    clock.action_sample(2_300.0 - 900.0, 2_300.0);
    assert_eq!(offset_ms(&clock), 2.0);
}

#[test]
fn offset_stays_when_the_path_changes() {
    let mut clock = Clock::new();
    clock.time_exchange(0.0, 1_020.0);
    clock.round_trip(40.0, 1_020.0);
    let offset_ms = |clock: &Clock| clock.offset(2_000.0, RTT_MAX_MS).unwrap().offset_ms;
    assert_eq!(offset_ms(&clock), 1_000.0);
    // Resumed over a slower connection.
    clock.moved();
    assert_eq!(clock.lag(1_020.0, 8).credit_ms, 8);
    // A sample of the new path does not go with a round trip of the old one.
    clock.time_exchange(495.0, 1_500.0);
    assert_eq!(offset_ms(&clock), 1_000.0);
    clock.round_trip(240.0, 2_000.0);
    assert_eq!(offset_ms(&clock), 1_000.0);
    assert_eq!(clock.lag(2_000.0, 8).credit_ms, 128);
}

#[test]
fn client_that_answers_no_ping_has_the_allowance_alone() {
    let mut clock = Clock::new();
    clock.time_exchange(0.0, 1_000.0);
    clock.action_sample(100.0, 1_100.0);
    let lag = clock.lag(1_100.0, 8);
    assert_eq!((lag.measured_ms, lag.credit_ms), (None, 8));
    // Nor does one that stops answering keep what it had.
    clock.round_trip(400.0, 1_100.0);
    assert_eq!(clock.lag(30_000.0, 8).credit_ms, 208);
    assert_eq!(clock.lag(40_000.0, 8).credit_ms, 8);
}

#[test]
fn connection_before_gives_no_credit_on_the_next() {
    let mut clock = Clock::new();
    clock.action_sample(0.0, 1_000.0);
    clock.round_trip(600.0, 1_000.0);
    assert_eq!(clock.lag(1_000.0, 8).credit_ms, 308);
    assert!(clock.is_measured_within(500, 1_000.0));
    // A fast one, on which no ping is answered.
    clock.moved();
    for now_ms in [1_000.0, 2_000.0, 20_000.0] {
        let lag = clock.lag(now_ms, 8);
        assert_eq!((lag.measured_ms, lag.credit_ms), (None, 8));
    }
    assert!(
        !clock.is_measured_within(500, 1_000.0),
        "it is measured now"
    );
    clock.moved();
    clock.round_trip(40.0, 2_000.0);
    assert_eq!(clock.lag(2_000.0, 8).credit_ms, 28);
}

#[test]
fn server_clock_set_back_resets_the_windows() {
    let mut clock = Clock::new();
    clock.time_exchange(0.0, 1_000_000.0);
    clock.time_exchange(1_000.0, 5_000.0);
    let estimate = clock.offset(5_000.0, RTT_MAX_MS).unwrap();
    assert_eq!(estimate.offset_ms, 4_000.0);
}

#[test]
fn sample_older_than_the_window_is_dropped() {
    let mut clock = Clock::new();
    clock.time_exchange(0.0, 100.0);
    clock.time_exchange(0.0, 200.0);
    let offset_ms = |clock: &Clock| clock.offset(60_000.0, RTT_MAX_MS).unwrap().offset_ms;
    assert_eq!(offset_ms(&clock), 100.0);
    let later_ms = 2.0 * HALF_WINDOW_MS + 100.0;
    clock.time_exchange(later_ms - 300.0, later_ms);
    assert_eq!(offset_ms(&clock), 300.0);
}

/// A network path with a delay for each direction, and jitter.
#[derive(Debug, Clone)]
struct Path {
    up_ms: f64,
    down_ms: f64,
    jitter_ms: f64,
    /// Server minus client at time 0.
    offset_ms: f64,
    drift: f64,
}

fn path() -> impl Strategy<Value = Path> {
    (
        0.0..300.0f64,
        0.0..300.0f64,
        0.0..400.0f64,
        -2e12..2e12f64,
        -DRIFT_MAX..DRIFT_MAX,
    )
        .prop_map(|(up_ms, down_ms, jitter_ms, offset_ms, drift)| Path {
            up_ms,
            down_ms,
            jitter_ms,
            offset_ms,
            drift,
        })
}

/// A sample: the time before it, its share of the jitter, and whether it is a
/// `time` or a ping.
fn samples() -> impl Strategy<Value = Vec<(f64, f64, f64, bool)>> {
    prop::collection::vec(
        (10.0..30_000.0f64, 0.0..1.0f64, 0.0..1.0f64, any::<bool>()),
        2..80,
    )
}

const START_MS: f64 = 1.7e12;
/// Doubles of this size are 0.0005 ms apart, and round trips are `f32`.
const ROUNDING_MS: f64 = 0.01;

impl Path {
    fn offset_at(&self, server_ms: f64) -> f64 {
        self.offset_ms + self.drift * (server_ms - START_MS)
    }
}

/// The minimum uplink delay and round trip that a window may still contain.
fn least(seen: &[(f64, f64)], now_ms: f64) -> f64 {
    seen.iter()
        .filter(|(at_ms, _)| now_ms - at_ms < HALF_WINDOW_MS)
        .map(|(_, ms)| *ms)
        .fold(f64::INFINITY, f64::min)
}

proptest! {
    #[test]
    fn honest_client_is_estimated_within_the_error(path in path(), samples in samples()) {
        let mut clock = Clock::new();
        let mut now_ms = START_MS;
        let mut uplinks = Vec::new();
        let mut checked = false;
        for (passed_ms, up, down, is_time) in samples {
            now_ms += passed_ms;
            let up_ms = path.up_ms + up * path.jitter_ms;
            let down_ms = path.down_ms + down * path.jitter_ms;
            if is_time {
                let sent_ms = now_ms - up_ms;
                clock.time_exchange(sent_ms - path.offset_at(sent_ms), now_ms);
                uplinks.push((now_ms, up_ms));
            } else {
                clock.round_trip(up_ms + down_ms, now_ms);
            }
            let Some(estimate) = clock.offset(now_ms, RTT_MAX_MS) else {
                continue;
            };
            let error_ms = estimate.offset_ms - path.offset_at(now_ms);
            let drift_room_ms = DRIFT_MAX * path.up_ms.max(700.0);
            // Never too low by more than the error, for any uplink.
            prop_assert!(
                -error_ms <= estimate.error_ms + drift_room_ms + ROUNDING_MS,
                "{error_ms} off, {estimate:?}"
            );
            // Nor too high if one recent `time` was no slower than the fastest round trip.
            let rtt_ms = f64::from(clock.round_trip.least());
            if least(&uplinks, now_ms) <= rtt_ms.min(RTT_MAX_MS) {
                checked = true;
                prop_assert!(
                    error_ms <= estimate.error_ms + drift_room_ms + ROUNDING_MS,
                    "{error_ms} off, {estimate:?}"
                );
            }
        }
        prop_assume!(checked);
    }

    #[test]
    fn jitter_is_filtered_out(path in path(), seed in 0.0..1.0f64) {
        // Jitter is the larger part of each delay, but one message in ten has none: the
        // remaining error is that of the asymmetry.
        let mut clock = Clock::new();
        let mut now_ms = START_MS;
        for step in 0..60 {
            now_ms += 500.0;
            let jitter_ms = match step % 10 {
                0 => 0.0,
                other => path.jitter_ms * (f64::from(other) * 0.377 + seed).fract(),
            };
            let sent_ms = now_ms - path.up_ms - jitter_ms;
            clock.time_exchange(sent_ms - path.offset_at(sent_ms), now_ms);
            clock.round_trip(path.up_ms + path.down_ms + jitter_ms, now_ms);
        }
        let estimate = clock.offset(now_ms, RTT_MAX_MS).unwrap();
        let asymmetry_ms = (path.up_ms - path.down_ms) / 2.0;
        let error_ms = estimate.offset_ms - path.offset_at(now_ms);
        let drift_ms = DRIFT_MAX * 31_000.0;
        prop_assert!((error_ms - asymmetry_ms).abs() <= drift_ms + ROUNDING_MS);
    }

    #[test]
    fn false_clock_stays_within_the_lag(
        inputs in prop::collection::vec(
            (0..3u8, any::<f64>(), -1e13..1e13f64, 0.0..5_000.0f64),
            1..60,
        ),
    ) {
        let mut clock = Clock::new();
        let mut corrector = Corrector::default();
        let mut now_ms = START_MS;
        let mut last_ms = 0;
        for (kind, wild, shifted_ms, passed_ms) in inputs {
            now_ms += passed_ms.round();
            match kind {
                0 => clock.time_exchange(shifted_ms, now_ms),
                1 => clock.round_trip(passed_ms * 20.0, now_ms),
                _ => clock.time_exchange(wild, now_ms),
            }
            clock.action_sample(wild, now_ms);
            let estimate = clock.offset(now_ms, RTT_MAX_MS);
            prop_assert!(estimate.is_none_or(|estimate| estimate.offset_ms.is_finite()));
            let offset_ms = estimate.map(|estimate| estimate.offset_ms);
            let now = now_ms as u64;
            for stamp_ms in [wild, shifted_ms, now_ms] {
                let corrected_ms = corrector.correct(stamp_ms, offset_ms, now, MAX_LAG_MS);
                prop_assert!((now - MAX_LAG_MS..=now).contains(&corrected_ms));
                prop_assert!(corrected_ms >= last_ms);
                last_ms = corrected_ms;
            }
        }
    }

    #[test]
    fn client_without_time_commands_keeps_its_distances(
        offset_ms in -1_000_000..1_000_000i32,
        gaps_ms in prop::collection::vec(1..900u32, 2..30),
    ) {
        let mut clock = Clock::new();
        let mut corrector = Corrector::default();
        let mut now_ms = START_MS;
        let mut last: Option<(f64, u64)> = None;
        for gap_ms in gaps_ms {
            now_ms += f64::from(gap_ms);
            let stamp_ms = now_ms - 25.0 - f64::from(offset_ms);
            clock.action_sample(stamp_ms, now_ms);
            let offset_ms = clock.offset(now_ms, RTT_MAX_MS).map(|found| found.offset_ms);
            let corrected_ms =
                corrector.correct(stamp_ms, offset_ms, now_ms as u64, MAX_LAG_MS);
            if let Some((stamp_before_ms, corrected_before_ms)) = last {
                prop_assert_eq!(
                    stamp_ms - stamp_before_ms,
                    (corrected_ms - corrected_before_ms) as f64
                );
            }
            last = Some((stamp_ms, corrected_ms));
        }
    }
}
