//! What a session may see and touch: the services, attributes, channels and games that
//! the roles of its user allow.
//!
//! Roles come from the portal's verdict, patterns from `[roles.NAME]`. The permissions
//! are computed at the identification and again when credentials are renewed, and shared
//! by all sessions with the same roles. An object may name who may touch it, too
//! ([`Audience`](crate::model::audience::Audience)): then both have to allow it.
//!
//! Patterns come from the configuration and from programs of the operator alone; nothing
//! of a user's id becomes part of one.

mod role;

use std::fmt;
use std::sync::Arc;

pub use role::{AttributeGrants, ChannelGrants, Grants, RoleSettings, Roles};

use crate::id::{ChannelId, UserId};
use crate::model::namespace::Access;
use crate::model::pattern::Pattern;
use crate::packet::ErrorBody;
use crate::reason::ErrorCode;

/// The permissions of a session; `None` where it may do everything that its objects
/// allow, and has no role.
pub type SharedPermissions = Option<Arc<Permissions>>;

/// What a session may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    roles: Box<[Box<str>]>,
    /// Functions that were added to those of the roles.
    added: Box<[Pattern]>,
    grants: RoleSettings,
}

impl Permissions {
    /// The roles, in the order of their names.
    #[must_use]
    pub fn roles(&self) -> &[Box<str>] {
        &self.roles
    }

    /// The functions that were added to those of the roles.
    #[must_use]
    pub fn added(&self) -> &[Pattern] {
        &self.added
    }
}

/// A session as permissions see it: its user and what it may do.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    user: &'a UserId,
    permissions: Option<&'a Permissions>,
}

/// Something that a session needs a permission for, as errors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// To call a function.
    Call {
        /// The service.
        service: &'a str,
        /// The function.
        function: &'a str,
    },
    /// To set an attribute.
    Set(&'a str),
    /// To do something with a channel.
    Channel(&'a ChannelId, Access),
    /// To play a game; the generic one has no name.
    Play(Option<&'a str>),
}

impl fmt::Display for Need<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { service, function } => write!(f, "call {service}:{function}"),
            Self::Set(name) => write!(f, "set the attribute {name}"),
            Self::Channel(channel, Access::Join) => write!(f, "join the channel {channel}"),
            Self::Channel(channel, Access::JoinBelow) => {
                write!(f, "join all channels below {channel}")
            }
            Self::Channel(channel, Access::Publish) => write!(f, "publish on {channel}"),
            Self::Play(Some(game)) => write!(f, "play {game}"),
            Self::Play(None) => f.write_str("play a game without a name"),
        }
    }
}

impl<'a> Who<'a> {
    /// A session with these permissions.
    #[must_use]
    pub fn new(user: &'a UserId, permissions: &'a SharedPermissions) -> Self {
        Self {
            user,
            permissions: permissions.as_deref(),
        }
    }

    /// A session that may do everything, without a role.
    #[must_use]
    pub const fn of(user: &'a UserId) -> Self {
        Self {
            user,
            permissions: None,
        }
    }

    /// The user.
    #[must_use]
    pub const fn user(self) -> &'a UserId {
        self.user
    }

    /// Whether it has a role.
    #[must_use]
    pub fn has_role(self, role: &str) -> bool {
        let mut roles = self.permissions.into_iter().flat_map(|all| &all.roles);
        roles.any(|known| **known == *role)
    }

    /// Whether it may do everything.
    #[must_use]
    pub const fn is_free(self) -> bool {
        self.permissions.is_none()
    }

    /// Whether it has a permission.
    #[must_use]
    pub fn may(self, need: Need<'_>) -> bool {
        let Some(Permissions { grants, .. }) = self.permissions else {
            return true;
        };
        let any = |patterns: &[Pattern], path: &str| {
            patterns.iter().any(|known| known.covers(path.split('/')))
        };
        match need {
            Need::Call { service, function } => {
                let path = || [service, function].into_iter();
                grants.services.iter().any(|known| known.covers(path()))
            }
            Need::Set(name) => any(&grants.attributes.set, name),
            Need::Channel(channel, Access::Join) => any(&grants.channels.join, channel.as_str()),
            Need::Channel(channel, Access::JoinBelow) => {
                let join = &grants.channels.join;
                join.iter().any(|known| known.covers_below(channel))
            }
            Need::Channel(channel, Access::Publish) => {
                any(&grants.channels.publish, channel.as_str())
            }
            Need::Play(Some(game)) => any(&grants.games, game),
            Need::Play(None) => {
                let games = &grants.games;
                games.iter().any(|known| known.covers(std::iter::empty()))
            }
        }
    }

    /// The same, as the answer to a command.
    ///
    /// # Errors
    /// `forbidden`, with what is not allowed.
    pub fn check(self, need: Need<'_>) -> Result<(), ErrorBody> {
        if self.may(need) {
            return Ok(());
        }
        let roles = self
            .permissions
            .map_or(&[][..], |all| &all.roles)
            .join(", ");
        let whose = match roles.is_empty() {
            true => "users without a role".to_owned(),
            false => format!("users with the role {roles}"),
        };
        let message = format!("{whose} may not {need}");
        Err(ErrorBody::new(ErrorCode::Forbidden, message))
    }

    /// Whether it sees a service: it may call some function of it.
    #[must_use]
    pub fn sees_service(self, service: &str) -> bool {
        self.permissions.is_none_or(|all| {
            let mut services = all.grants.services.iter();
            services.any(|known| known.reaches(service))
        })
    }

    /// Whether it gets an attribute of its user.
    #[must_use]
    pub fn sees_attribute(self, name: &str) -> bool {
        self.permissions.is_none_or(|all| {
            let mut get = all.grants.attributes.get.iter();
            get.any(|known| known.covers(name.split('/')))
        })
    }

    /// Whether it gets all attributes of its user.
    #[must_use]
    pub fn sees_all_attributes(self) -> bool {
        self.permissions.is_none_or(|all| {
            let mut get = all.grants.attributes.get.iter();
            get.any(Pattern::is_everything)
        })
    }

    /// Whether the rule lets it watch the presence of a user.
    #[must_use]
    pub fn may_watch(self, user: &UserId) -> bool {
        self.permissions
            .is_none_or(|all| all.grants.watch.includes(Who::of(user)))
    }

    /// What rooms have to know of it: the games that it may play, unless it may play all.
    #[must_use]
    pub fn games(self) -> Option<Grants> {
        let games = &self.permissions?.grants.games;
        let is_free = games.iter().any(Pattern::is_everything);
        (!is_free).then(|| games.clone())
    }
}

/// Whether patterns allow to play a game; the generic one has no name.
///
/// # Errors
/// `forbidden`, with the game.
pub fn check_game(games: &[Pattern], name: &str) -> Result<(), ErrorBody> {
    let segments = || name.split('/').filter(|_| !name.is_empty());
    if games.iter().any(|known| known.covers(segments())) {
        return Ok(());
    }
    let need = Need::Play(Some(name).filter(|name| !name.is_empty()));
    let message = format!("the roles of this user do not allow to {need}");
    Err(ErrorBody::new(ErrorCode::Forbidden, message))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
