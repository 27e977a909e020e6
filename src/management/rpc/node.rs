//! The service `node`: this server as a whole.

use serde::Serialize;

use super::method::{Arguments, Call, Kind, Method, Parameter, Type, result};
use super::shape::{Field, Shape};
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

fn drain(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let over_ms = arguments.optional_seconds()?;
        let over_ms = over_ms.map(|seconds| seconds.saturating_mul(1_000));
        result(Node::from(management.shared.drain(over_ms)?))
    })
}
