//! Simulated clients, honest and not, over paths with jitter: the figures of
//! docs/time.md. Nothing here is random beyond its seed.
//!
//! ```text
//! client's messages and pongs -> delayed -> Clock, Corrector -> timestamps
//! ```

use super::settings::TimeSettings;
use super::*;
use crate::model::timestamp::{Corrector, SenderClock};

const START_MS: f64 = 1.7e12;
const MAX_LAG_MS: u64 = 1_000;
/// How long an honest client plays, and a liar, in ms.
const HONEST_MS: f64 = 300_000.0;
const LIAR_MS: f64 = 120_000.0;
/// When a path becomes slower, and after what time all has to be right again.
const CHANGE_MS: f64 = 60_000.0;
const AGAIN_MS: f64 = 30_000.0;
/// How long timestamps are not looked at.
const WARM_UP_MS: f64 = 40_000.0;
/// Ages that liars claim: more than any credit.
const LIE_MS: f64 = 600.0;
const SEEDS: std::ops::Range<u64> = 1..9;

/// A generator (splitmix64).
struct Random(u64);

impl Random {
    /// A number within [0, 1).
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((number ^ (number >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number around `mean`, at most `spread` off.
    fn around(&mut self, mean: f64, spread: f64) -> f64 {
        mean + (2.0 * self.share() - 1.0) * spread
    }
}

/// A path: the delay of each direction, and how far off it may be.
#[derive(Debug, Clone, Copy)]
struct Path {
    delay_ms: f64,
    jitter_ms: f64,
    /// By how much each direction is slower from `CHANGE_MS` on.
    slower_ms: f64,
}

impl Path {
    const fn new(delay_ms: f64, jitter_ms: f64) -> Self {
        Self {
            delay_ms,
            jitter_ms,
            slower_ms: 0.0,
        }
    }

    /// The delay of a packet that is sent at `at_ms`.
    fn draw(self, random: &mut Random, at_ms: f64) -> f64 {
        let is_slower = at_ms >= START_MS + CHANGE_MS;
        let slower_ms = if is_slower { self.slower_ms } else { 0.0 };
        slower_ms + random.around(self.delay_ms, self.jitter_ms)
    }

    /// The difference of its slowest round trip and its fastest.
    fn round_trip_jitter_ms(self) -> f64 {
        4.0 * self.jitter_ms
    }

    /// The kernel's least round trip.
    fn kernel_least_ms(self) -> f64 {
        2.0 * (self.delay_ms - self.jitter_ms)
    }
}

/// The kernel of the server: RFC 6298 with the deviation of Linux.
#[derive(Debug, Default)]
struct Kernel {
    smoothed_ms: f64,
    deviation_ms: f64,
}

impl Kernel {
    fn acknowledged(&mut self, trip_ms: f64) {
        if self.smoothed_ms == 0.0 {
            (self.smoothed_ms, self.deviation_ms) = (trip_ms, trip_ms / 2.0);
            return;
        }
        let off_ms = trip_ms - self.smoothed_ms;
        self.smoothed_ms += off_ms / 8.0;
        let more_ms = off_ms.abs() - self.deviation_ms;
        // A faster one hardly makes it more.
        let share = if off_ms < 0.0 && more_ms > 0.0 {
            32.0
        } else {
            4.0
        };
        self.deviation_ms += more_ms / share;
    }
}

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Behaviour {
    /// As it should.
    Honest,
    /// The timestamps of its actions are of the past.
    ClaimsThePast,
    /// Its `t0` says that its clock is ahead.
    FalseT0,
    /// It sends no `time`, and some actions of the future, which move its epoch.
    ChosenEpoch,
    /// Its clock stands still for a while, again and again.
    SleepingClock,
    /// It fills its own uplink for so long at such intervals, in ms, acts in between, and
    /// claims the past.
    Bursts { every_ms: f64, lasts_ms: f64 },
    /// Its pongs are late by so many ms, and it claims the past.
    DelayedPongs(f64),
    /// It never answers a ping, and claims the past.
    NoPongs,
    /// Its connection is resumed every five seconds, and it claims the past.
    Reconnects,
}

/// What arrives at the server.
#[derive(Debug, Clone, Copy)]
enum Arrival {
    Time { t0_ms: f64 },
    Action { acted_ms: f64, stamp_ms: f64 },
    Pong { sent_ms: f64, acknowledged_ms: f64 },
    Resume,
}

/// One action: when it happened, on the server's clock, and its timestamp.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    acted_ms: f64,
    stamp_ms: f64,
}

impl Stamp {
    fn error_ms(&self) -> f64 {
        self.stamp_ms - self.acted_ms
    }
}

/// By how much the uplink is slower while a client fills it.
const BURST_MS: f64 = 150.0;
/// By how much delayed pongs are late.
const PONG_LATE_MS: f64 = 400.0;
/// By how much delayed acknowledgements are late.
const ACKNOWLEDGEMENT_LATE_MS: f64 = 40.0;

/// Everything that arrives from a client within `lasts_ms`, in order. The honest
/// client of the same seed acts at the same moments and has the same delays.
fn arrivals(path: Path, behaviour: Behaviour, seed: u64, lasts_ms: f64) -> Vec<(f64, Arrival)> {
    let mut all = Vec::new();
    let offset_ms = -1.0e12;
    let clock_ms = |at_ms: f64| match behaviour {
        // A quarter of a second in each ten.
        Behaviour::SleepingClock => {
            at_ms + offset_ms - 250.0 * ((at_ms - START_MS) / 10_000.0).floor()
        }
        _ => at_ms + offset_ms,
    };
    let is_burst = |at_ms: f64| match behaviour {
        Behaviour::Bursts { every_ms, lasts_ms } => (at_ms - START_MS) % every_ms < lasts_ms,
        _ => false,
    };
    let up_ms = |random: &mut Random, at_ms: f64| {
        let slow_ms = if is_burst(at_ms) { BURST_MS } else { 0.0 };
        slow_ms + path.draw(random, at_ms)
    };
    // Five exchanges at once, and then one every ten seconds.
    if behaviour != Behaviour::ChosenEpoch {
        let mut random = Random(seed ^ 0x71E);
        let first = (0..5).map(|n| f64::from(n) * 100.0);
        let later = (1..(lasts_ms / 10_000.0) as u32).map(|n| f64::from(n) * 10_000.0);
        for after_ms in first.chain(later) {
            let sent_ms = START_MS + after_ms;
            let ahead_ms = match behaviour {
                Behaviour::FalseT0 => LIE_MS,
                _ => 0.0,
            };
            let t0_ms = clock_ms(sent_ms) + ahead_ms;
            let delay_ms = up_ms(&mut random, sent_ms);
            all.push((sent_ms + delay_ms, Arrival::Time { t0_ms }));
        }
    }
    // About ten actions a second.
    let (mut random, mut moments) = (Random(seed), Random(seed ^ 0xAC7));
    let (mut acted_ms, mut arrived_ms) = (START_MS + 500.0, START_MS);
    let mut count = 0u32;
    while acted_ms < START_MS + lasts_ms {
        let stamp_ms = clock_ms(acted_ms);
        let stamp_ms = match behaviour {
            Behaviour::Honest | Behaviour::FalseT0 | Behaviour::SleepingClock => stamp_ms,
            Behaviour::ChosenEpoch if count.is_multiple_of(100) => stamp_ms + LIE_MS,
            Behaviour::ChosenEpoch => stamp_ms,
            _ => stamp_ms - LIE_MS,
        };
        count += 1;
        // A connection keeps its order.
        arrived_ms = (acted_ms + up_ms(&mut random, acted_ms)).max(arrived_ms);
        all.push((arrived_ms, Arrival::Action { acted_ms, stamp_ms }));
        acted_ms += moments.around(100.0, 40.0);
    }
    // Pings, as `time.ping_acting_ms` says, one at a time.
    let settings = TimeSettings::default();
    let mut ping = Random(seed ^ 0x919);
    let mut sent_ms = START_MS;
    while sent_ms < START_MS + lasts_ms && behaviour != Behaviour::NoPongs {
        let mut answered_ms = sent_ms + path.draw(&mut ping, sent_ms);
        if is_burst(answered_ms) {
            answered_ms += BURST_MS;
        }
        answered_ms += path.draw(&mut ping, answered_ms);
        let mut acknowledged_ms = answered_ms - sent_ms;
        if let Behaviour::DelayedPongs(late_ms) = behaviour {
            acknowledged_ms += late_ms.min(ACKNOWLEDGEMENT_LATE_MS);
            answered_ms += late_ms;
        }
        let pong = Arrival::Pong {
            sent_ms,
            acknowledged_ms,
        };
        all.push((answered_ms, pong));
        let mean_ms = settings.ping_acting_ms as f64;
        sent_ms = (sent_ms + ping.around(mean_ms, mean_ms / 2.0)).max(answered_ms);
    }
    if behaviour == Behaviour::Reconnects {
        let times = (1..(lasts_ms / 5_000.0) as u32).map(|n| START_MS + f64::from(n) * 5_000.0);
        all.extend(times.map(|at_ms| (at_ms, Arrival::Resume)));
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

/// The timestamps of a client's actions within `lasts_ms`, without the warm-up.
fn play(path: Path, behaviour: Behaviour, seed: u64, lasts_ms: f64, is_bound: bool) -> Vec<Stamp> {
    let settings = TimeSettings::default();
    let (mut clock, mut corrector) = (Clock::new(), Corrector::default());
    let mut kernel = Kernel::default();
    let mut stamps = Vec::new();
    for (now_ms, arrival) in arrivals(path, behaviour, seed, lasts_ms) {
        match arrival {
            Arrival::Time { t0_ms } => clock.time_exchange(t0_ms, now_ms),
            Arrival::Pong {
                sent_ms,
                acknowledged_ms,
            } => {
                let ping_ms = now_ms - sent_ms;
                kernel.acknowledged(acknowledged_ms);
                if is_bound {
                    let Kernel {
                        smoothed_ms,
                        deviation_ms,
                    } = kernel;
                    let least_ms = path.kernel_least_ms();
                    let trip = KernelTrip::smoothed(least_ms, smoothed_ms, deviation_ms);
                    clock.bounded_round_trip(ping_ms, trip, now_ms);
                } else {
                    clock.round_trip(ping_ms, now_ms);
                }
            }
            Arrival::Resume => clock.moved(),
            Arrival::Action { acted_ms, stamp_ms } => {
                clock.action_sample(stamp_ms, now_ms);
                let sender = SenderClock {
                    offset_ms: clock
                        .offset(now_ms, ROUND_TRIP_MAX_MS)
                        .map(|found| found.offset_ms),
                    lag: clock.lag(now_ms, settings.allowance_ms),
                    received_ms: now_ms as u64,
                };
                let now = now_ms as u64;
                let limit_ms = sender.limit_ms(now, MAX_LAG_MS);
                let stamp_ms = corrector.correct(stamp_ms, sender.offset_ms, now, limit_ms);
                if acted_ms >= START_MS + WARM_UP_MS {
                    stamps.push(Stamp {
                        acted_ms,
                        stamp_ms: stamp_ms as f64,
                    });
                }
            }
        }
    }
    stamps
}

/// The value that this share of all does not exceed.
fn quantile(mut all: Vec<f64>, share: f64) -> f64 {
    all.sort_by(f64::total_cmp);
    all[((all.len() - 1) as f64 * share) as usize]
}

/// How far off an honest client's timestamps are, in ms, over all seeds, from
/// `since_ms` on.
fn errors(path: Path, since_ms: f64, is_bound: bool) -> Vec<f64> {
    let of_seed = |seed| play(path, Behaviour::Honest, seed, HONEST_MS, is_bound);
    SEEDS
        .flat_map(of_seed)
        .filter(|stamp| stamp.acted_ms >= START_MS + since_ms)
        .map(|stamp| stamp.error_ms())
        .collect()
}

/// By how much the timestamps of a liar are before those of its honest self.
fn gains(path: Path, behaviour: Behaviour, is_bound: bool) -> Vec<f64> {
    let of_seed = |seed| {
        let honest = play(path, Behaviour::Honest, seed, LIAR_MS, is_bound);
        let liar = play(path, behaviour, seed, LIAR_MS, is_bound);
        assert_eq!(honest.len(), liar.len());
        let pairs = honest.into_iter().zip(liar);
        pairs.map(|(honest, liar)| honest.stamp_ms - liar.stamp_ms)
    };
    SEEDS.flat_map(of_seed).collect()
}

/// The paths of the table: 50 ms with 20 ms of jitter, as a round trip and in each
/// direction; one without jitter; one far away.
const PATHS: [Path; 4] = [
    Path::new(25.0, 10.0),
    Path::new(50.0, 20.0),
    Path::new(40.0, 0.0),
    Path::new(120.0, 15.0),
];

mod honest;
mod liar;
