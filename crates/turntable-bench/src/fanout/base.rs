//! What the server is compared with, in alternating rounds.

use super::{FanoutArgs, Result};
use crate::server::Server;

/// What the server is compared with.
#[derive(Clone, Copy)]
pub(super) enum Base {
    /// A bare epoll loop.
    Floor,
    /// The server, without histories of channels.
    Bare,
}

impl Base {
    /// What the arguments request.
    pub(super) fn of(args: &FanoutArgs) -> Option<Self> {
        match (args.floor, args.history) {
            (true, _) => Some(Self::Floor),
            (false, true) => Some(Self::Bare),
            (false, false) => None,
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(self) -> Result<Server> {
        match self {
            Self::Floor => Server::start_floor(),
            Self::Bare => Server::start(&[("TURNTABLE_CHANNELS__**__HISTORY_MAX", "0".to_owned())]),
        }
    }

    /// Its name in the report.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Bare => "no history",
        }
    }
}
