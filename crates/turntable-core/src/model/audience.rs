//! Who may do something: a list in the configuration of users, realms and roles.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{UserId, is_realm};
use crate::model::permission::Who;

/// Who may do something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Audience {
    /// Every identified user.
    #[default]
    Everyone,
    /// No client.
    Nobody,
    /// These users, by their ids, those of these realms, and those with these roles.
    Users(Vec<Named>),
}

/// An element of a list of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// `REALM:*`.
    Realm(Box<str>),
    /// A user's id.
    User(UserId),
    /// `@ROLE`: users with a role of `[roles]`.
    Role(Box<str>),
}

impl Audience {
    /// What is accepted in a configuration.
    pub const ACCEPTED: &str = "accepted is \"everyone\", \"nobody\", or a list of users, realms \
                                and roles, like [\"1:12345\", \"staff:*\", \"@editor\"]";

    /// Whether it includes a session of a user.
    #[must_use]
    pub fn includes(&self, who: Who<'_>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Nobody => false,
            Self::Users(users) => users.iter().any(|named| match named {
                Named::Realm(realm) => **realm == *who.user().realm(),
                Named::User(known) => known == who.user(),
                Named::Role(role) => who.has_role(role),
            }),
        }
    }

    /// Includes those that another one includes, too.
    pub(crate) fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Everyone, _) | (_, Self::Nobody) => {}
            (_, Self::Everyone) | (Self::Nobody, _) => *self = other.clone(),
            (Self::Users(users), Self::Users(others)) => {
                for named in others {
                    if !users.contains(named) {
                        users.push(named.clone());
                    }
                }
            }
        }
    }

    /// The roles that it names.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        let users = match self {
            Self::Users(users) => users.as_slice(),
            Self::Everyone | Self::Nobody => &[],
        };
        users.iter().filter_map(|named| match named {
            Named::Role(role) => Some(&**role),
            Named::Realm(_) | Named::User(_) => None,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    List(Vec<String>),
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = |named: &Named| match named {
            Named::Realm(realm) => format!("{realm}:*"),
            Named::User(user) => user.as_str().to_owned(),
            Named::Role(role) => format!("@{role}"),
        };
        match self {
            Self::Everyone => Written::Word("everyone".to_owned()),
            Self::Nobody => Written::Word("nobody".to_owned()),
            Self::Users(users) => Written::List(users.iter().map(name).collect()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = |text: String| match (text.strip_suffix(":*"), text.strip_prefix('@')) {
            (Some(realm), _) if is_realm(realm) => Some(Named::Realm(realm.into())),
            (_, Some(role)) if is_realm(role) => Some(Named::Role(role.into())),
            _ => UserId::parse(&text).ok().map(Named::User),
        };
        let audience = match Written::deserialize(deserializer) {
            Ok(Written::Word(word)) if word == "everyone" => Some(Self::Everyone),
            Ok(Written::Word(word)) if word == "nobody" => Some(Self::Nobody),
            Ok(Written::List(list)) => {
                let users: Option<Vec<Named>> = list.into_iter().map(named).collect();
                users.map(Self::Users)
            }
            _ => None,
        };
        audience.ok_or_else(|| D::Error::custom(Self::ACCEPTED))
    }
}
