//! The section `[inspection]` of the configuration: what is retained of sessions for the
//! operator.

use serde::{Deserialize, Serialize};

/// The section `[inspection]`. Each worker has an equal part of the events and of the sessions
/// that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InspectionSettings {
    /// Events of sessions.
    pub events_max: usize,
    /// Bytes of them.
    pub events_bytes_max: usize,
    /// Events of one session.
    pub session_events_max: usize,
    /// Sessions that ended.
    pub ended_max: usize,
    /// Bytes of them.
    pub ended_bytes_max: usize,
    /// Sessions of one worker that are traced at one time.
    pub traces_max: usize,
    /// Bytes of the last messages of one trace.
    pub trace_bytes_max: usize,
    /// The longest time of a trace, in seconds.
    pub trace_seconds_max: u64,
}

impl InspectionSettings {
    /// The range of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("events_max", 0, 100_000_000),
        ("events_bytes_max", 0, 1_099_511_627_776),
        ("session_events_max", 1, 100_000_000),
        ("ended_max", 0, 100_000_000),
        ("ended_bytes_max", 0, 1_099_511_627_776),
        ("traces_max", 0, 1_000),
        ("trace_bytes_max", 1_024, 1_073_741_824),
        ("trace_seconds_max", 1, 86_400),
    ];

    /// The part of one of so many workers.
    #[must_use]
    pub fn of_worker(self, workers: usize) -> Self {
        let part = |max: usize| max.div_ceil(workers.max(1));
        Self {
            events_max: part(self.events_max),
            events_bytes_max: part(self.events_bytes_max),
            ended_max: part(self.ended_max),
            ended_bytes_max: part(self.ended_bytes_max),
            ..self
        }
    }
}

impl Default for InspectionSettings {
    fn default() -> Self {
        Self {
            events_max: 50_000,
            events_bytes_max: 8_388_608,
            session_events_max: 200,
            ended_max: 10_000,
            ended_bytes_max: 4_194_304,
            traces_max: 4,
            trace_bytes_max: 262_144,
            trace_seconds_max: 600,
        }
    }
}
