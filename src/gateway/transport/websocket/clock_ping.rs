//! Pings that measure the way to a client in a room.
//!
//! They come at random instants, so that nobody can slow its connection down for
//! them alone, and more often while the client acts. A page cannot delay the pongs of
//! its browser; another program can, which the kernel's round trip bounds where that
//! is wanted.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::{CLOCK_PING, WebSocket};
use crate::gateway::connection::Connection;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::transport::context::Cx;
use turntable_core::session::clock::settings::KernelRtt;

/// Sets the next clock ping, if the session is in a room. The first one is sent at
/// once; one that is set already moves only forward.
pub(super) fn schedule(connection: &mut Connection, cx: &mut Cx<'_>) {
    let (settings, now_exact_ms) = (cx.settings.time, cx.now_exact_ms());
    let Some(entry) = cx.entry().filter(|entry| entry.session.has_rooms()) else {
        return;
    };
    let mean_ms = match entry.session.clock().is_acting(now_exact_ms) {
        true => settings.ping_acting_ms.min(settings.ping_ms),
        false => settings.ping_ms,
    };
    let at_ms = cx.now_ms + random_interval(mean_ms);
    let Some(websocket) = WebSocket::of(connection) else {
        return;
    };
    let is_first = websocket.clock_ping_ms == 0;
    if !is_first && !is_before(at_ms as u32, websocket.clock_ping_ms) {
        return;
    }
    websocket.clock_ping_ms = (at_ms as u32).max(1);
    // One ping at a time: an answer on its way is as good.
    if is_first && websocket.ping == 0 {
        ping(connection, cx);
    }
    cx.arm(CLOCK_PING, at_ms);
}

/// A timer of clock pings came due.
pub(super) fn timer_came(connection: &mut Connection, cx: &mut Cx<'_>) {
    let Some(websocket) = WebSocket::of(connection) else {
        return;
    };
    let at_ms = websocket.clock_ping_ms;
    if at_ms == 0 || is_before(cx.now_ms as u32, at_ms) {
        // Another one was set since.
        return;
    }
    websocket.clock_ping_ms = 0;
    schedule(connection, cx);
}

/// Sends a ping that measures the way there and back.
pub(super) fn ping(connection: &mut Connection, cx: &mut Cx<'_>) {
    // Microseconds: the mark is also the time it was sent.
    let mark = (cx.now_exact_ms() * 1000.0) as u64;
    if let Some(websocket) = WebSocket::of(connection) {
        websocket.ping = mark;
    }
    cx.push_direct(connection, Frame::ping(mark));
}

/// A pong came.
pub(super) fn pong(connection: &mut Connection, payload: &[u8], cx: &mut Cx<'_>) {
    let Some(websocket) = WebSocket::of(connection) else {
        return;
    };
    // An unsolicited pong only proves liveness.
    if websocket.ping == 0 || payload != websocket.ping.to_be_bytes() {
        return;
    }
    let sent_ms = std::mem::take(&mut websocket.ping) as f64 / 1000.0;
    let (settings, now_ms) = (cx.settings.time, cx.now_exact_ms());
    let Some(entry) = cx.entry().filter(|entry| entry.session.has_rooms()) else {
        return;
    };
    let ping_ms = (now_ms - sent_ms).max(0.0);
    let kernel = match settings.kernel_rtt {
        KernelRtt::Off => None,
        KernelRtt::Report | KernelRtt::Bound => connection.kernel_round_trip(),
    };
    let clock = entry.session.clock();
    match (settings.kernel_rtt, kernel) {
        (KernelRtt::Bound, Some(kernel)) => {
            clock.bounded_round_trip(ping_ms, kernel, now_ms);
        }
        _ => clock.round_trip(ping_ms, now_ms),
    }
    let lag = clock.lag(now_ms, settings.allowance_ms);
    cx.metrics.ping_round_trip.observe(ping_ms);
    cx.metrics.credit.observe(f64::from(lag.credit_ms));
    if let Some(kernel) = kernel {
        cx.metrics.kernel_round_trip.observe(kernel.usual_ms);
    }
}

/// Half to one and a half of `mean_ms`, as a client cannot foresee.
fn random_interval(mean_ms: u64) -> u64 {
    // Keys of the system's random source, another one each time.
    let random = RandomState::new().build_hasher().finish();
    mean_ms / 2 + random % mean_ms.max(1)
}

/// Whether one time is before another, of which only the low bits are known.
const fn is_before(ms: u32, other_ms: u32) -> bool {
    ms.wrapping_sub(other_ms) > u32::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_spread_around_their_mean() {
        let intervals: Vec<u64> = (0..1_000).map(|_| random_interval(400)).collect();
        assert!(intervals.iter().all(|ms| (200..600).contains(ms)));
        let mean_ms = intervals.iter().sum::<u64>() / 1_000;
        assert!((370..=430).contains(&mean_ms), "{mean_ms}");
        assert!(intervals.iter().any(|ms| *ms < 250));
        assert!(intervals.iter().any(|ms| *ms > 550));
    }

    #[test]
    fn low_bits_of_times_are_ordered_over_their_end() {
        assert!(is_before(1, 2) && !is_before(2, 1) && !is_before(1, 1));
        assert!(is_before(u32::MAX, 5) && !is_before(5, u32::MAX));
    }
}
