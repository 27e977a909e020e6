//! Traces: what passes between a session and its client, both ways, for a limited time.
//!
//! Messages are shown as JSON of version 1, over whatever transport they travel, with secrets
//! masked. While no session of a worker is traced, a command and a write cost one look at a
//! flag more.

use std::collections::VecDeque;

use serde::Serialize;

use super::mask::masked;
use turntable_core::id::UserId;
use turntable_core::key::SessionKey;

/// Bytes of one message that are shown.
const MESSAGE_BYTES: usize = 4_096;
/// What a message takes beside its text.
const FRAME_BYTES: usize = size_of::<TraceFrame>();
/// How long a trace can be read after its end, in ms.
const READABLE_MS: u64 = 60_000;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// A message in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceFrame {
    /// Its number in the trace, from 1.
    pub number: u64,
    /// Unix ms when it was taken, or was given to the connection.
    pub at_ms: u64,
    /// Which way it went.
    pub direction: Direction,
    /// Its length: as it came, 0 in a request with others; to the client, as JSON with the head of its
    /// frame.
    pub bytes: usize,
    /// Its beginning, with secrets masked; of one that could not be read what was wrong.
    pub text: Box<str>,
    /// Whether there is more of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// What was seen of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceReport {
    /// Whether it goes on.
    pub on: bool,
    /// Unix ms when it ends, or ended.
    pub until_ms: u64,
    /// Whether these are all messages behind the one that was given.
    pub complete: bool,
    /// The number of its last message; 0 while there is none.
    pub last: u64,
    /// The messages.
    pub frames: Vec<TraceFrame>,
}

/// The trace of one session.
#[derive(Debug)]
pub(super) struct Trace {
    session: SessionKey,
    user: UserId,
    until_ms: u64,
    bytes_max: usize,
    frames: VecDeque<TraceFrame>,
    bytes: usize,
    last: u64,
    /// Messages of the outbox that wait, and are in the trace.
    pub(super) waiting: usize,
    /// The same of the connection's own.
    pub(super) direct: usize,
}

impl Trace {
    /// Notes a message.
    pub(super) fn note(&mut self, direction: Direction, json: &str, bytes: usize, now_ms: u64) {
        let end = json.floor_char_boundary(MESSAGE_BYTES);
        let text = masked(json.get(..end).unwrap_or_default());
        self.last += 1;
        let frame = TraceFrame {
            number: self.last,
            at_ms: now_ms,
            direction,
            bytes,
            text: text.into(),
            truncated: end < json.len(),
        };
        self.bytes += FRAME_BYTES + frame.text.len();
        self.frames.push_back(frame);
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.frames.pop_front() else {
                break;
            };
            self.bytes -= FRAME_BYTES + oldest.text.len();
        }
    }

    fn report(&self, behind: Option<u64>, now_ms: u64) -> TraceReport {
        let behind = behind.unwrap_or(0);
        let frames = self.frames.iter().filter(|frame| frame.number > behind);
        let frames: Vec<TraceFrame> = frames.cloned().collect();
        TraceReport {
            on: now_ms < self.until_ms,
            until_ms: self.until_ms,
            complete: frames.len() as u64 == self.last.saturating_sub(behind),
            last: self.last,
            frames,
        }
    }
}

/// The traces of a worker.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    traces: Vec<Trace>,
    is_on: bool,
}

impl Traces {
    /// Whether any session may be traced now.
    pub(crate) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// The trace of a session, while it goes on.
    pub(super) fn active(&mut self, session: SessionKey, now_ms: u64) -> Option<&mut Trace> {
        let mut traces = self.traces.iter_mut();
        traces.find(|trace| trace.session == session && now_ms < trace.until_ms)
    }

    /// Begins a trace, in place of one of the same session that is over, or gives one that goes
    /// on another end. Returns whether there is one: not above `max` of them.
    pub(super) fn begin(
        &mut self,
        (session, user): (SessionKey, &UserId),
        until_ms: u64,
        (max, bytes_max): (usize, usize),
        now_ms: u64,
    ) -> bool {
        if let Some(trace) = self.active(session, now_ms) {
            (trace.until_ms, trace.bytes_max) = (until_ms, bytes_max);
            return true;
        }
        self.traces.retain(|trace| trace.session != session);
        if self.traces.len() >= max {
            self.traces.retain(|trace| now_ms < trace.until_ms);
        }
        if self.traces.len() >= max {
            return false;
        }
        self.traces.push(Trace {
            session,
            user: user.clone(),
            until_ms,
            bytes_max,
            frames: VecDeque::new(),
            bytes: 0,
            last: 0,
            waiting: 0,
            direct: 0,
        });
        self.is_on = true;
        true
    }

    /// Ends the trace of a session, which can be read on for a while.
    pub(super) fn end(&mut self, session: SessionKey, now_ms: u64) {
        if let Some(trace) = self.active(session, now_ms) {
            trace.until_ms = now_ms;
        }
        self.survey(now_ms);
    }

    /// Another connection carries a session: what waits is written to it anew.
    pub(super) fn moved(&mut self, session: SessionKey, now_ms: u64) {
        if let Some(trace) = self.active(session, now_ms) {
            (trace.waiting, trace.direct) = (0, 0);
        }
    }

    /// What was seen of a session, behind a message.
    pub(super) fn report(
        &self,
        session: SessionKey,
        behind: Option<u64>,
        now_ms: u64,
    ) -> Option<TraceReport> {
        let mut traces = self.traces.iter();
        let trace = traces.find(|trace| trace.session == session)?;
        Some(trace.report(behind, now_ms))
    }

    /// Drops those that ended a while ago.
    pub(crate) fn survey(&mut self, now_ms: u64) {
        self.traces
            .retain(|trace| now_ms < trace.until_ms.saturating_add(READABLE_MS));
        self.is_on = self.traces.iter().any(|trace| now_ms < trace.until_ms);
    }

    /// Forgets a user.
    pub(super) fn forget(&mut self, user: &UserId) {
        self.traces.retain(|trace| trace.user != *user);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const LIMITS: (usize, usize) = (2, 1_000);

    fn key(number: u64) -> SessionKey {
        SessionKey::from_number(number)
    }

    fn begin(traces: &mut Traces, session: u64, until_ms: u64, now_ms: u64) -> bool {
        let user = UserId::parse("1:1").unwrap();
        traces.begin((key(session), &user), until_ms, LIMITS, now_ms)
    }

    #[test]
    fn trace_goes_on_for_its_time_and_is_readable_for_a_while() {
        let mut traces = Traces::default();
        assert!(!traces.is_on());
        assert!(begin(&mut traces, 1, 1_000, 0));
        assert!(traces.is_on() && traces.active(key(1), 999).is_some());
        assert!(traces.active(key(1), 1_000).is_none() && traces.active(key(2), 0).is_none());
        traces.survey(1_000);
        assert!(!traces.is_on());
        let report = traces.report(key(1), None, 1_000).unwrap();
        assert!(!report.on && report.complete);
        traces.survey(1_000 + READABLE_MS);
        assert_eq!(traces.report(key(1), None, 1_000), None);
    }

    #[test]
    fn there_are_so_many_traces_and_those_that_ended_make_room() {
        let mut traces = Traces::default();
        assert!(begin(&mut traces, 1, 1_000, 0) && begin(&mut traces, 2, 2_000, 0));
        assert!(!begin(&mut traces, 3, 2_000, 0));
        // The same again is no other one.
        assert!(begin(&mut traces, 2, 3_000, 0));
        traces.end(key(1), 500);
        assert!(traces.is_on() && traces.report(key(1), None, 500).is_some());
        assert!(begin(&mut traces, 3, 2_000, 500));
        assert_eq!(traces.report(key(1), None, 500), None);
    }

    #[test]
    fn messages_are_numbered_masked_and_bounded() {
        let mut traces = Traces::default();
        begin(&mut traces, 1, 1_000, 0);
        let trace = traces.active(key(1), 0).unwrap();
        trace.bytes_max = 100_000;
        trace.note(Direction::In, r#"{"token":"x"}"#, 13, 5);
        let long = format!("\"{}\"", "y".repeat(5_000));
        trace.note(Direction::Out, &long, 5_010, 6);
        let report = traces.report(key(1), None, 10).unwrap();
        assert_eq!(&*report.frames[0].text, r#"{"token":"***"}"#);
        let cut = &report.frames[1];
        assert_eq!((cut.text.len(), cut.truncated), (4_096, true));
        let trace = traces.active(key(1), 0).unwrap();
        trace.bytes_max = 1_000;
        for _ in 0..50 {
            trace.note(Direction::Out, "[]", 4, 7);
        }
        let report = traces.report(key(1), Some(1), 10).unwrap();
        assert!(!report.complete && report.last == 52);
        assert_eq!(report.frames.len(), 1_000 / (FRAME_BYTES + 2));
        let rest = traces.report(key(1), Some(50), 10).unwrap();
        let numbers: Vec<u64> = rest.frames.iter().map(|frame| frame.number).collect();
        assert_eq!((numbers, rest.complete), (vec![51, 52], true));
    }
}
