//! What the sender of a call waits for, should the owner not answer.
//!
//! An owner that is lost while it handles a call cannot answer it. Whether the
//! call was carried out is not known then; the sender gets that as an error.

use crate::call::{AvatarCall, Call, ChannelCall, Requester, RoomCall, ServiceCall};
use crate::delivery::{Delivery, Topic};
use crate::id::ChannelId;
use crate::key::{Caller, GatewayId, Place};
use crate::model::service::Origin;
use crate::packet::{ErrorBody, RequestId};
use crate::reason::ErrorCode;

/// An answer that is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Pending {
    /// To a session that identified.
    Attach {
        /// The session.
        to: Place,
        /// What `idme` carried.
        id: Option<RequestId>,
    },
    /// To a command of a session.
    Command {
        /// The session.
        to: Place,
        /// The command.
        name: &'static str,
        /// What it carried.
        id: Option<RequestId>,
        /// What it joins.
        joining: Option<Topic>,
    },
    /// To a lookup of a gateway.
    Lookup {
        /// The gateway.
        gateway: GatewayId,
        /// Which lookup.
        ticket: u64,
    },
    /// To a question.
    Question(Requester),
}

impl Pending {
    /// The answer that says that there is none, and the gateway that it goes to.
    #[must_use]
    pub fn refusal(self) -> (GatewayId, Delivery) {
        self.refused(ErrorBody::new(
            ErrorCode::Unavailable,
            "the object was lost to a fault while it handled this; it may have been done",
        ))
    }

    /// The answer that the call is refused, and the gateway that it goes to. A lookup
    /// fails without the error.
    #[must_use]
    pub fn refused(self, error: ErrorBody) -> (GatewayId, Delivery) {
        match self {
            Self::Attach { to, id } => {
                let error = Box::new(error.of("idme"));
                (to.gateway, Delivery::NotAttached { to, error, id })
            }
            Self::Command {
                to,
                name,
                id,
                joining,
            } => {
                let refusal = Delivery::Refuse {
                    to,
                    error: Box::new(error.of(name)),
                    id,
                    joining,
                };
                (to.gateway, refusal)
            }
            Self::Lookup { gateway, ticket } => (gateway, Delivery::LookupFailed { ticket }),
            Self::Question(Requester { gateway, ticket }) => {
                let answer = Err(Box::new(error));
                (gateway, Delivery::Answered { ticket, answer })
            }
        }
    }
}

impl AvatarCall {
    /// The answer that is due.
    #[must_use]
    pub fn pending(&self) -> Option<Pending> {
        let command = |name, caller: &Caller, id: &Option<RequestId>| {
            Some(Pending::Command {
                to: caller.place,
                name,
                id: id.clone(),
                joining: None,
            })
        };
        match self {
            Self::Attach { caller, id, .. } => Some(Pending::Attach {
                to: caller.place,
                id: id.clone(),
            }),
            Self::Status { caller, id, .. } => command("status", caller, id),
            Self::Set { caller, id, .. } => command("set", caller, id),
            Self::Lookup { gateway, ticket } => Some(Pending::Lookup {
                gateway: *gateway,
                ticket: *ticket,
            }),
            Self::Publish { requester, .. }
            | Self::Attributes { requester }
            | Self::Erase { requester }
            | Self::Change { requester, .. } => Some(Pending::Question(*requester)),
            Self::Detach { .. }
            | Self::Resume { .. }
            | Self::Remove { .. }
            | Self::Idle { .. }
            | Self::Watch { .. }
            | Self::Unwatch { .. }
            | Self::Invite { .. }
            | Self::InviteAnswered { .. }
            | Self::Playing { .. }
            | Self::Tell(_)
            | Self::Announce { .. }
            | Self::Watching { .. }
            | Self::WatchedBy { .. }
            | Self::Mutual { .. } => None,
        }
    }
}

impl RoomCall {
    /// The answer that is due. `room` is the room.
    #[must_use]
    pub fn pending(&self, room: &ChannelId) -> Option<Pending> {
        let (name, caller, id) = match self {
            Self::Join { caller, id, .. } => ("joingame", caller, id),
            Self::Leave { caller, id, .. } => ("leavegame", caller, id),
            Self::Act { caller, id, .. } => ("game", caller, id),
            Self::Decline { caller, id, .. } => ("declineinvite", caller, id),
            Self::Detach { .. }
            | Self::Resume { .. }
            | Self::Remove { .. }
            | Self::Confirm { .. }
            | Self::Announce { .. } => return None,
            Self::Inspect { requester }
            | Self::Recent { requester, .. }
            | Self::Kick { requester, .. }
            | Self::End { requester, .. } => return Some(Pending::Question(*requester)),
        };
        let joining = matches!(self, Self::Join { .. }).then(|| Topic::Room(room.clone()));
        Some(Pending::Command {
            to: caller.place,
            name,
            id: id.clone(),
            joining,
        })
    }
}

impl ChannelCall {
    /// The answer that is due. `channel` is the channel.
    #[must_use]
    pub fn pending(&self, channel: &ChannelId) -> Option<Pending> {
        let (name, caller, id, joining) = match self {
            Self::Join {
                caller,
                subpaths,
                id,
                ..
            } => {
                let topic = Topic::of_channel(channel.clone(), *subpaths);
                ("joinchannel", caller, id, Some(topic))
            }
            Self::Publish { caller, id, .. } => ("publish", caller, id, None),
            Self::Tell { requester, .. }
            | Self::Recall { requester, .. }
            | Self::Clear { requester } => {
                return Some(Pending::Question(*requester));
            }
            Self::Leave { .. }
            | Self::Unsubscribed { .. }
            | Self::Announce { .. }
            | Self::Forget
            | Self::Past { .. }
            | Self::Detach { .. }
            | Self::Resume { .. }
            | Self::Hide { .. } => return None,
        };
        Some(Pending::Command {
            to: caller.place,
            name,
            id: id.clone(),
            joining,
        })
    }
}

impl ServiceCall {
    /// The answer that is due.
    #[must_use]
    pub fn pending(&self) -> Option<Pending> {
        match self {
            Self::Call(request) => match &request.origin {
                Origin::Session { caller, id } => Some(Pending::Command {
                    to: caller.place,
                    name: "call",
                    id: id.clone(),
                    joining: None,
                }),
                Origin::Server(requester) => Some(Pending::Question(*requester)),
            },
            Self::Inspect { requester } => Some(Pending::Question(*requester)),
            _ => None,
        }
    }
}

impl Call {
    /// The answer that is due.
    #[must_use]
    pub fn pending(&self) -> Option<Pending> {
        match self {
            Self::Avatar(_, call) => call.pending(),
            Self::Room(room, call) => call.pending(room),
            Self::Channel(channel, call) => call.pending(channel),
            Self::Service(_, call) => call.pending(),
            Self::Channels { requester, .. } | Self::Rooms { requester, .. } => {
                Some(Pending::Question(*requester))
            }
            Self::Below { .. }
            | Self::RoomLost { .. }
            | Self::ForgetHistories
            | Self::PastBelow { .. } => None,
            #[cfg(debug_assertions)]
            Self::Fail(_) => None,
        }
    }
}
