//! The service `node`: this server as a whole.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Serialize, Serializer};

use super::method::{Arguments, Call, Kind, Method, Parameter, Type, result};
use super::shape::{Field, Shape};
use crate::clock;
use crate::management::Management;
use crate::management::role::Role;
use crate::operator::node::NodeInfo;

/// A server in an answer.
const NODE: Shape = Shape::Object(&[
    Field::new("state", Shape::Text),
    Field::new("started_ms", Shape::Count),
    Field::new("connections", Shape::Count),
    Field::new("sessions", Shape::Count),
]);

/// What some metrics were, in an answer.
const SAMPLES: Shape = Shape::Object(&[
    Field::new("at_ms", Shape::List(&Shape::Count)),
    Field::new("now_ms", Shape::Count),
    Field::new("series", Shape::Map(&Shape::List(&Shape::Number))),
]);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "getStatus",
        description: "Whether the server takes clients (serving, draining or stopping), when its program began (also by a restart in place), its connections and its sessions.",
        role: Role::Read,
        kind: Kind::Look,
        result: NODE,
        parameters: &[],
        run: |management, _| Box::pin(async move { result(Node::from(management.shared.node())) }),
    },
    Method {
        name: "getSamples",
        description: "What the metrics of the console's overview were in the last minutes, one value every two seconds: numbers and rates of its charts for five minutes, counters of errors, closes, limits and services for one.",
        role: Role::Read,
        kind: Kind::Look,
        result: SAMPLES,
        parameters: &[],
        run: |management, _| Box::pin(async move { result(Samples::of(management)) }),
    },
    Method {
        name: "drain",
        description: "Sends all clients away over so many seconds, by default as server.drain_spread_ms says, and takes no others until undrain. Again with seconds: those that are left over this time. Returns the status.",
        role: Role::Admin,
        kind: Kind::Change,
        result: NODE,
        parameters: &[Parameter::optional("seconds", Type::Seconds)],
        run: drain,
    },
    Method {
        name: "undrain",
        description: "Takes clients again. Returns the status.",
        role: Role::Admin,
        kind: Kind::Change,
        result: NODE,
        parameters: &[],
        run: |management, _| {
            Box::pin(async move { result(Node::from(management.shared.undrain()?)) })
        },
    },
    Method {
        name: "restart",
        description: "Starts the program anew in the same process, with the same listeners and, with a store in a file, the same sessions. Returns the status when it begins, in which started_ms is that of the program before; refused where the new program does not read the configuration.",
        role: Role::Admin,
        kind: Kind::Change,
        result: NODE,
        parameters: &[],
        run: |management, _| {
            Box::pin(async move {
                management.shared.restarts.request().await?;
                result(Node::from(management.shared.node()))
            })
        },
    },
];

/// A server as an operator sees it.
#[derive(Serialize)]
struct Node {
    state: &'static str,
    started_ms: u64,
    connections: u64,
    sessions: u64,
}

impl From<NodeInfo> for Node {
    fn from(info: NodeInfo) -> Self {
        Self {
            state: info.state.name(),
            started_ms: info.started_ms,
            connections: info.connections,
            sessions: info.sessions,
        }
    }
}

/// What some metrics were in the last minutes.
#[derive(Serialize)]
struct Samples {
    /// When each sample was taken, Unix ms.
    at_ms: Vec<u64>,
    /// When they are shown, by the same clock.
    now_ms: u64,
    /// The values of each series in the last samples.
    series: BTreeMap<String, Vec<Value>>,
}

impl Samples {
    fn of(management: &Management) -> Self {
        let (shown, now_ms) = (management.past.show(Instant::now()), clock::now_ms());
        let ages = shown.ages.iter();
        let at_ms = ages.map(|age| {
            let ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            now_ms.saturating_sub(ms)
        });
        let series = shown.series.into_iter();
        Self {
            at_ms: at_ms.collect(),
            now_ms,
            series: series
                .map(|(name, values)| (name, values.into_iter().map(Value).collect()))
                .collect(),
        }
    }
}

/// A value of a series. Most are whole, and there are many: these have no fraction.
struct Value(f64);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            whole if whole.fract() == 0.0 && whole >= 0.0 => to.serialize_u64(whole as u64),
            // Sizes and counts are never below 0; a gauge may be for a moment.
            other => to.serialize_f64(other.max(0.0)),
        }
    }
}

fn drain(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let over_ms = arguments.optional_seconds()?;
        let over_ms = over_ms.map(|seconds| seconds.saturating_mul(1_000));
        result(Node::from(management.shared.drain(over_ms)?))
    })
}
