//! What the HTTP server hands over to the transports.
//!
//! Each transport has the values that its routes in `http/` send, and decides for
//! each what becomes of it. It looks at the gateway, answers what it refuses, and changes
//! no connection and no session: the gateway carries the decision out (`gateway::accept`).

use crate::gateway::accept::{Decision, View};
use crate::gateway::transport::engineio::accept::{Exchange, Open, OpenWebSocket, Upgrade};
use crate::gateway::transport::poll::accept::PollCall;
use crate::gateway::transport::tunnel::accept::Attach;
use crate::gateway::transport::websocket::accept::Socket;

/// Decides what becomes of something that was handed over.
pub(crate) trait Decide {
    /// The decision, by what the gateway has now.
    fn decide(self, view: &View<'_>) -> Decision;
}

/// Lists what is handed over.
macro_rules! arrivals {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// A socket, or a request for a connection.
        #[derive(Debug)]
        pub enum Arrival {
            $($(#[$doc])* $kind(Box<$kind>),)*
        }

        impl Arrival {
            /// What becomes of it.
            pub(crate) fn decide(self, view: &View<'_>) -> Decision {
                match self {
                    $(Self::$kind(arrival) => arrival.decide(view),)*
                }
            }
        }

        $(impl From<$kind> for Arrival {
            fn from(arrival: $kind) -> Self {
                Self::$kind(Box::new(arrival))
            }
        })*
    };
}

arrivals! {
    /// A WebSocket with our messages.
    Socket,
    /// A request whose answer is a tunnel.
    Attach,
    /// A request that polls.
    PollCall,
    /// A request for a new session of Engine.IO.
    Open,
    /// A WebSocket that is a new session of Engine.IO.
    OpenWebSocket,
    /// A WebSocket that a session of Engine.IO may move to.
    Upgrade,
    /// A request of a session of Engine.IO.
    Exchange,
}
