//! Results of a game: the member `result` of an action's data, where the game reports
//! them. A result is what a member claims; the backend decides.
//!
//! A room reports no more than `room.results`. The first result of a member in the time
//! in which a spent rate is full again passes always, so no member keeps the others from
//! reporting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Effect, Room};
use crate::id::UserId;
use crate::limit::Limit;
use crate::model::remaining;
use crate::packet::{Action, ErrorBody};
use crate::payload::Payload;
use crate::rate::{Bucket, BucketExport, BucketSettings, tokens};
use crate::reason::ErrorCode;

/// The results that a member claims by one message. The members at that moment are those
/// of the room when this is its effect: the message changes none of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultReport {
    /// Who claims them.
    pub by: UserId,
    /// What is claimed, in the order of the actions.
    pub claims: Vec<Claim>,
}

/// A result that a member claims.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What is claimed.
    pub result: Payload,
    /// The timestamp of the action as the members get it, Unix ms.
    pub timestamp_ms: u64,
}

/// A result among the actions of a message.
pub(super) struct Found {
    /// The index of its action.
    index: usize,
    result: Payload,
}

#[derive(Deserialize)]
struct WithResult<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

/// The result in an action's data.
fn result(action: &Action) -> Option<&str> {
    let json = action.data.as_json();
    // An array is read as a struct too, and is none.
    let is_object = json.trim_start().starts_with('{');
    let data: WithResult<'_> = is_object.then(|| serde_json::from_str(json).ok())??;
    data.result.map(RawValue::get)
}

/// How often members of a room report.
#[derive(Debug, Default)]
pub(super) struct ResultRate {
    all: Bucket,
    /// When members reported last, Unix ms; those that did long ago may be missing.
    /// Members that left are among them, so leaving and coming back gains nothing.
    last: BTreeMap<UserId, u64>,
}

/// A [`ResultRate`] in a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ResultRateSnapshot {
    all: BucketExport,
    /// How long ago members reported last, in ms.
    last: Vec<(UserId, u64)>,
}

impl ResultRate {
    pub(super) fn save(&self, now_ms: u64) -> ResultRateSnapshot {
        let last = self.last.iter();
        ResultRateSnapshot {
            all: self.all.export(now_ms),
            last: last
                .map(|(user, last_ms)| (user.clone(), remaining::since(*last_ms, now_ms)))
                .collect(),
        }
    }

    pub(super) fn restore(snapshot: ResultRateSnapshot, now_ms: u64) -> Self {
        let last = snapshot.last.into_iter();
        Self {
            all: Bucket::import(snapshot.all, now_ms),
            last: last
                .map(|(user, age_ms)| (user, remaining::ago(age_ms, now_ms)))
                .collect(),
        }
    }

    /// Takes `count` results of a member, or returns in how many ms they pass.
    fn take(
        &mut self,
        by: &UserId,
        count: u32,
        rate: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        let Err(wait_ms) = self.all.take_many(count, rate, now_ms) else {
            return Ok(());
        };
        let last_ms = self.last.get(by);
        if count > 1 || last_ms.is_some_and(|last_ms| is_recent(*last_ms, rate, now_ms)) {
            return Err(wait_ms);
        }
        self.all.pay(count, rate, now_ms);
        Ok(())
    }

    /// Remembers that a member reported.
    fn note(&mut self, by: &UserId, rate: BucketSettings, now_ms: u64) {
        self.last
            .retain(|_, last_ms| is_recent(*last_ms, rate, now_ms));
        if rate.per_second > 0 {
            self.last.insert(by.clone(), now_ms);
        }
    }
}

/// Whether a spent rate is not full again since then.
fn is_recent(last_ms: u64, rate: BucketSettings, now_ms: u64) -> bool {
    let passed_ms = now_ms.saturating_sub(last_ms);
    passed_ms.saturating_mul(rate.per_second.into()) < u64::from(rate.burst) * 1_000
}

impl Room {
    /// The results among actions that passed the rules, if the game reports them.
    pub(super) fn find_results(&self, actions: &[Action]) -> Result<Vec<Found>, ErrorBody> {
        if !self.game.settings().report_result {
            return Ok(Vec::new());
        }
        let bytes_max = self.settings.result_bytes_max;
        let found = actions
            .iter()
            .enumerate()
            .filter_map(|(index, action)| Some((index, result(action)?)));
        let check = |(index, result): (usize, &str)| {
            if result.len() > bytes_max {
                let bytes = result.len();
                return Err(ErrorBody::new(
                    ErrorCode::TooLarge,
                    format!("a result has at most {bytes_max} bytes of JSON; this has {bytes}"),
                )
                .of("game")
                .with("index", index as u64)
                .with("max", bytes_max as u64)
                .by(Limit::ResultBytes));
            }
            let result = Payload::from_json(result);
            Ok(Found { index, result })
        };
        found.map(check).collect()
    }

    /// Takes results of a member from `room.results`.
    pub(super) fn take_results(
        &mut self,
        by: &UserId,
        found: &[Found],
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let Some(first) = found.first() else {
            return Ok(());
        };
        let (count, rate) = (tokens(found.len()), self.settings.results);
        let taken = self.result_rate.take(by, count, rate, now_ms);
        taken.map_err(|retry_ms| {
            ErrorBody::new(
                ErrorCode::RateLimited,
                "too many results are reported in this room; wait retry_ms",
            )
            .of("game")
            .with("index", first.index as u64)
            .with("retry_ms", retry_ms)
            .by(Limit::RoomResults)
        })
    }

    /// Gives back what was taken for results that are refused for another reason.
    pub(super) fn give_back_results(&mut self, found: &[Found]) {
        self.result_rate.all.give_back(tokens(found.len()));
    }

    /// The report of a member's results; `actions` have the timestamps of the server.
    pub(super) fn report(
        &mut self,
        by: &UserId,
        found: Vec<Found>,
        actions: &[Action],
        now_ms: u64,
    ) -> Option<Effect> {
        if found.is_empty() {
            return None;
        }
        self.result_rate.note(by, self.settings.results, now_ms);
        let claim = |Found { index, result }| {
            let timestamp_ms = actions.get(index)?.timestamp_ms as u64;
            Some(Claim {
                result,
                timestamp_ms,
            })
        };
        Some(Effect::Report(ResultReport {
            by: by.clone(),
            claims: found.into_iter().filter_map(claim).collect(),
        }))
    }
}
