//! The path between a client that plays and the server: its round trips of the last
//! seconds, and whether the client acts.
//!
//! One box of a session that plays. Times are the low bits of the server's Unix ms;
//! round trips are quarters of a ms.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::KernelTrip;
use super::floor::Floor;

/// How many round trips are stored.
const SAMPLES_MAX: usize = 20;

/// How much older than the newest round trip one may be, in ms.
const WINDOW_MS: u32 = 10_000;

/// How long the newest round trip counts, in ms.
const MEASURED_MS: u32 = 30_000;

/// How long a client counts as acting after an action, in ms.
const ACTING_MS: u32 = 10_000;

/// The share of round trips that [`Path::worst_ms`] is not less than.
const WORST_SHARE: f64 = 0.95;

/// The share of round trips that say how much those differ that are not of a short stall.
const USUAL_SHARE: f64 = 0.7;

/// By how much [`Path::worst_ms`] may exceed the least round trip: so many times what
/// that share does. Of delays that are spread evenly one in twenty is 1.4 times as far
/// from the least.
const TAIL: f64 = 1.6;

/// The fastest of a few pongs is slower than the fastest of minutes, which the kernel
/// knows, by a seventh of their spread or more.
const LEAST_MISSED: f64 = 1.15;

/// By how much the acknowledgements of a kernel may be late, in ms: nobody knows whether
/// a kernel's round trip within this is the path's or the wait for a reason to answer.
const ACKNOWLEDGED_LATE_MS: f64 = 40.0;

/// So many round trips must agree that the path is slower than it was, each by more
/// than their jitter and `SLOWER_MS`.
const SLOWER_SAMPLES: usize = 10;
const SLOWER_MS: f64 = 10.0;

/// How far above the least sample and the worst round trip one has to be, in ms, to
/// show that a clock stood still.
const JUMP_MS: f64 = 1_000.0;

/// How much later than the first such sample the second has to come, in ms. Those of
/// a connection that was stalled come together.
const JUMP_APART_MS: u32 = 20;

/// Ms per quarter.
const QUARTER: f64 = 0.25;

/// The path of one session.
#[derive(Debug, Clone, Default)]
pub(super) struct Path {
    /// The oldest first.
    round_trips: SmallVec<[RoundTrip; SAMPLES_MAX]>,
    /// When the newest one was measured.
    newest_ms: u32,
    acted_ms: Option<u32>,
    /// Whether they are of a connection that does not carry the session any more.
    is_old: bool,
    suspect: Option<Suspect>,
    bound: Option<Bound>,
    floor: Floor,
    /// What [`Path::worst_ms`] is of all of these.
    worst_ms: Option<f32>,
}

/// The kernel's figures of the path, where they bound what pings say. In quarters.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bound {
    least: u16,
    usual: u16,
}

#[derive(Debug, Clone, Copy)]
struct RoundTrip {
    at_ms: u16,
    quarters: u16,
}

/// A one-way sample that may show that the client's clock stood still.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    at_ms: u32,
    sample_ms: f64,
}

/// What a round trip says about the path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// It is the one that was known.
    Same,
    /// It is the first of another connection.
    Other,
    /// It became slower; this is its least round trip, in ms.
    Slower(f64),
}

impl Path {
    /// Adds a round trip. The least one that is known is `known_ms`; the figures of
    /// `kernel` bound it, where there are any.
    pub(super) fn add(
        &mut self,
        rtt_ms: f64,
        known_ms: f64,
        kernel: Option<KernelTrip>,
        at_ms: f64,
    ) -> Verdict {
        self.bound = kernel.map(|kernel| Bound {
            least: quarters(kernel.least_ms),
            usual: quarters(kernel.usual_ms),
        });
        let at_ms = low_bits(at_ms);
        let is_other = std::mem::take(&mut self.is_old);
        if is_other || kernel.is_none() {
            self.floor = Floor::default();
        }
        if let Some(kernel) = kernel {
            self.floor.add((kernel.floor_ms / QUARTER) as u16, at_ms);
        }
        // Times of 16 bits are in order as long as no gap is longer than the window.
        if is_other || at_ms.wrapping_sub(self.newest_ms) > WINDOW_MS {
            self.round_trips.clear();
        }
        self.newest_ms = at_ms;
        let now_ms = at_ms as u16;
        self.round_trips
            .retain(|trip| u32::from(now_ms.wrapping_sub(trip.at_ms)) <= WINDOW_MS);
        if self.round_trips.len() >= SAMPLES_MAX {
            self.round_trips.remove(0);
        }
        self.round_trips.push(RoundTrip {
            at_ms: now_ms,
            quarters: quarters(rtt_ms),
        });
        self.worst_ms = self.worst_of_known_ms().map(|ms| ms as f32);
        if is_other {
            return Verdict::Other;
        }
        let least_ms = self.least_ms();
        let is_slower = self.round_trips.len() >= SLOWER_SAMPLES
            && least_ms > known_ms + self.jitter_ms() + SLOWER_MS;
        if is_slower {
            Verdict::Slower(least_ms)
        } else {
            Verdict::Same
        }
    }

    /// Another connection carries the session.
    pub(super) fn moved(&mut self) {
        self.is_old = !self.round_trips.is_empty();
        self.suspect = None;
    }

    /// Whether another connection carries the session, which was not measured yet.
    pub(super) fn awaits_round_trip(&self, now_ms: f64) -> bool {
        let age_ms = self.age_ms(now_ms);
        self.is_old && age_ms.is_some_and(|age_ms| age_ms <= MEASURED_MS)
    }

    /// The round trip that one in twenty of the last ten seconds exceeded, in ms.
    /// `None` where none was measured for a while, or none of this connection.
    pub(super) fn worst_ms(&self, now_ms: f64) -> Option<f64> {
        self.measured_age_ms(now_ms)
            .filter(|age_ms| *age_ms <= MEASURED_MS)?;
        self.worst_ms.map(f64::from)
    }

    /// The same of the round trips that are known: each action needs it, and only a round trip
    /// changes it.
    fn worst_of_known_ms(&self) -> Option<f64> {
        let trips = self.round_trips.iter();
        let mut quarters: SmallVec<[u16; SAMPLES_MAX]> = trips.map(|trip| trip.quarters).collect();
        quarters.sort_unstable();
        let worst_ms = quantile_ms(&quarters, WORST_SHARE)?;
        // Where most are fast, the few slow ones may be of a connection that its client
        // filled for a moment.
        let least_ms = self.least_ms();
        let usual_ms = quantile_ms(&quarters, USUAL_SHARE)?;
        let worst_ms = worst_ms.min(least_ms + TAIL * (usual_ms - least_ms));
        let Some(bound) = self.bound else {
            return Some(worst_ms);
        };
        let usual_ms = worst_ms.min(f64::from(bound.usual) * QUARTER);
        if self.has_outlived(bound) {
            return Some(usual_ms);
        }
        // By how much each pong is late shows in the fastest one: the kernel knows how
        // long that one was on its way.
        let spread_ms = LEAST_MISSED * (worst_ms - self.least_ms());
        let least_ms = f64::from(bound.least) * QUARTER;
        Some(usual_ms.min(least_ms + spread_ms))
    }

    /// Whether the kernel's least round trip, which is of minutes, is of a faster path: all
    /// round trips of the last seconds were slower than late acknowledgements and the
    /// path's jitter explain.
    fn has_outlived(&self, bound: Bound) -> bool {
        let least_ms = f64::from(bound.least) * QUARTER;
        let floor_ms = f64::from(self.floor.least()) * QUARTER;
        let explained_ms = ACKNOWLEDGED_LATE_MS + self.jitter_ms() / 2.0 + SLOWER_MS;
        self.round_trips.len() >= SLOWER_SAMPLES && floor_ms > least_ms + explained_ms
    }

    /// By how much the round trips of the last seconds differ, in ms.
    pub(super) fn jitter_ms(&self) -> f64 {
        let greatest = self.round_trips.iter().map(|trip| trip.quarters).max();
        greatest.map_or(0.0, |most| f64::from(most) * QUARTER - self.least_ms())
    }

    fn least_ms(&self) -> f64 {
        let least = self.round_trips.iter().map(|trip| trip.quarters).min();
        least.map_or(f64::INFINITY, |quarters| f64::from(quarters) * QUARTER)
    }

    /// How long ago the newest round trip of the connection at hand was measured, in ms.
    /// Those of the one before say nothing of it: it may be of a faster path.
    pub(super) fn measured_age_ms(&self, now_ms: f64) -> Option<u32> {
        self.age_ms(now_ms).filter(|_| !self.is_old)
    }

    /// How long ago the newest round trip was measured, on whichever connection, in ms.
    fn age_ms(&self, now_ms: f64) -> Option<u32> {
        let age_ms = low_bits(now_ms).wrapping_sub(self.newest_ms);
        (!self.round_trips.is_empty()).then_some(age_ms)
    }

    /// The client acts.
    pub(super) fn acts(&mut self, at_ms: f64) {
        self.acted_ms = Some(low_bits(at_ms));
    }

    /// Whether the client acted a short time ago.
    pub(super) fn is_acting(&self, now_ms: f64) -> bool {
        let now_ms = low_bits(now_ms);
        (self.acted_ms).is_some_and(|acted_ms| now_ms.wrapping_sub(acted_ms) <= ACTING_MS)
    }

    /// Whether a one-way sample shows, together with the one before, that the client's
    /// clock stood still: both are far above what the path explains, and they agree.
    pub(super) fn is_jump(&mut self, sample_ms: f64, least_ms: f64, at_ms: f64) -> bool {
        let greatest = self.round_trips.iter().map(|trip| trip.quarters).max();
        let worst_ms = f64::from(greatest.unwrap_or(0)) * QUARTER;
        let is_far = sample_ms - least_ms > JUMP_MS + worst_ms;
        let at_ms = low_bits(at_ms);
        let before = std::mem::replace(
            &mut self.suspect,
            is_far.then_some(Suspect { at_ms, sample_ms }),
        );
        let Some(before) = before.filter(|_| is_far) else {
            return false;
        };
        let apart_ms = at_ms.wrapping_sub(before.at_ms);
        let is_jump = apart_ms >= JUMP_APART_MS
            && (sample_ms - before.sample_ms).abs() <= f64::from(apart_ms) / 2.0;
        if is_jump {
            self.suspect = None;
        }
        is_jump
    }
}

/// The value that this share of sorted round trips does not exceed, in ms, with linear
/// interpolation.
fn quantile_ms(quarters: &[u16], share: f64) -> Option<f64> {
    let rank = share * quarters.len().checked_sub(1)? as f64;
    let below = quarters.get(rank as usize).copied()?;
    let above = quarters.get(rank as usize + 1).copied().unwrap_or(below);
    let between = rank.fract() * f64::from(above - below);
    Some((f64::from(below) + between) * QUARTER)
}

/// A round trip in quarters of a ms. A cast saturates.
fn quarters(rtt_ms: f64) -> u16 {
    (rtt_ms / QUARTER).ceil() as u16
}

/// The low bits of a time in ms.
fn low_bits(ms: f64) -> u32 {
    ms as u64 as u32
}

/// The path of a client that plays, as a value. Times are ages in ms.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PathExport {
    /// The oldest first: how much older than the newest it is, in ms, and the round
    /// trip in quarters of a ms.
    pub round_trips: Vec<(u16, u16)>,
    /// How long ago the newest was measured.
    pub newest_age_ms: u32,
    /// How long ago the client acted.
    pub acted_age_ms: Option<u32>,
    /// Whether the round trips are of an earlier connection.
    pub is_old: bool,
    /// A sample that may show that the client's clock stood still: its age, and
    /// itself, in ms.
    pub suspect: Option<(u32, f64)>,
    /// The kernel's least round trip and its usual one, in quarters of a ms, where
    /// they bound those of pings.
    pub bound: Option<(u16, u16)>,
    /// The kernel's fastest round trips of the current half of their window and of the
    /// one before, in quarters of a ms, and the age of the current one.
    pub floor: (u16, u16, u32),
}

impl Path {
    /// The path as a value, at `now_ms`.
    pub(super) fn export(&self, now_ms: f64) -> PathExport {
        let now_ms = low_bits(now_ms);
        let newest_ms = self.newest_ms as u16;
        let trips = self.round_trips.iter();
        PathExport {
            round_trips: trips
                .map(|trip| (newest_ms.wrapping_sub(trip.at_ms), trip.quarters))
                .collect(),
            newest_age_ms: now_ms.wrapping_sub(self.newest_ms),
            acted_age_ms: self.acted_ms.map(|acted_ms| now_ms.wrapping_sub(acted_ms)),
            is_old: self.is_old,
            suspect: (self.suspect)
                .map(|suspect| (now_ms.wrapping_sub(suspect.at_ms), suspect.sample_ms)),
            bound: self.bound.map(|bound| (bound.least, bound.usual)),
            floor: self.floor.export(now_ms),
        }
    }

    /// The path of a value, at `now_ms`. `is_sample` is whether a one-way sample is
    /// possible.
    pub(super) fn import(
        export: &PathExport,
        now_ms: f64,
        is_sample: impl Fn(&f64) -> bool,
    ) -> Self {
        let now_ms = low_bits(now_ms);
        let newest_ms = now_ms.wrapping_sub(export.newest_age_ms);
        let newest = newest_ms as u16;
        let surplus = export.round_trips.len().saturating_sub(SAMPLES_MAX);
        let trips = export.round_trips.iter().skip(surplus);
        let mut path = Self {
            round_trips: trips
                .map(|(age_ms, quarters)| RoundTrip {
                    at_ms: newest.wrapping_sub(*age_ms),
                    quarters: *quarters,
                })
                .collect(),
            newest_ms,
            acted_ms: export
                .acted_age_ms
                .map(|age_ms| now_ms.wrapping_sub(age_ms)),
            is_old: export.is_old,
            suspect: (export.suspect)
                .filter(|(_, sample_ms)| is_sample(sample_ms))
                .map(|(age_ms, sample_ms)| Suspect {
                    at_ms: now_ms.wrapping_sub(age_ms),
                    sample_ms,
                }),
            bound: export.bound.map(|(least, usual)| Bound { least, usual }),
            floor: Floor::import(export.floor, now_ms),
            worst_ms: None,
        };
        path.worst_ms = path.worst_of_known_ms().map(|ms| ms as f32);
        path
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
