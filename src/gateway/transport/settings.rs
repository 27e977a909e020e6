//! The sections of the configuration that transports have.

use crate::gateway::transport::engineio::settings::SocketIoSettings;
use crate::gateway::transport::poll::settings::PollSettings;
use crate::gateway::transport::tunnel::settings::TunnelSettings;

/// The sections of the transports. Only the transport itself, and the file of its
/// routes in `http/`, read its section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransportSections {
    /// The section `[tunnel]`.
    pub tunnel: TunnelSettings,
    /// The section `[poll]`.
    pub poll: PollSettings,
    /// The section `[socketio]`.
    pub socketio: SocketIoSettings,
}

impl TransportSections {
    /// How long a client may be there without a request, in ms, at most.
    pub(crate) fn silence_ms(&self) -> u64 {
        self.poll.gone_ms.max(self.tunnel.gap_ms)
    }
}
