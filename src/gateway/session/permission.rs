//! What the permissions of a session let through, and what they change when they are
//! computed anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::life::Attributes;
use turntable_core::frame::SharedFrame;
use turntable_core::id::ChannelId;
use turntable_core::key::SessionSlot;
use turntable_core::model::namespace::{Access, ChannelPermissions};
use turntable_core::model::pattern::Pattern;
use turntable_core::model::permission::{Need, SharedPermissions, Who};
use turntable_core::model::service::{ServiceSettings, ServiceState};
use turntable_core::packet::{ErrorBody, ServerPacket};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// The beginning of a message with attributes.
const ATTRIBUTES: &str = "{\"command\":\"attributes\",";

#[derive(Deserialize)]
struct Changed<'a> {
    #[serde(borrow)]
    data: BTreeMap<String, &'a RawValue>,
}

/// An `attributes` for a session that does not get all of them; `None` where none of
/// these is for it.
fn seen(who: Who<'_>, text: &str) -> Option<Frame> {
    // The server has written it.
    let changed: Changed<'_> = serde_json::from_str(text).ok()?;
    let changed = changed.data.into_iter();
    let seen = changed.filter(|(name, _)| who.sees_attribute(name));
    let value = |value: &RawValue| (value.get() != "null").then(|| Payload::from_json(value.get()));
    let changes: Vec<_> = seen
        .map(|(name, raw)| (name.into_boxed_str(), value(raw)))
        .collect();
    (!changes.is_empty()).then(|| Frame::message(&ServerPacket::Attributes(changes), None))
}

impl Gateway {
    /// A message of an owner as a session gets it; `None` where it does not.
    pub(crate) fn seen_by(&self, session: SessionSlot, frame: &SharedFrame) -> Option<Frame> {
        let entry = self.sessions.get(session)?;
        let who = entry.session.who();
        match who.sees_all_attributes() || !frame.text().starts_with(ATTRIBUTES) {
            true => Some(Frame::sent(frame)),
            false => seen(who, frame.text()),
        }
    }

    /// The attributes that a session gets with its `welcome`.
    pub(crate) fn seen_attributes(
        &self,
        session: SessionSlot,
        attributes: Attributes,
    ) -> Attributes {
        let Some(entry) = self.sessions.get(session) else {
            return attributes;
        };
        let who = entry.session.who();
        if who.sees_all_attributes() {
            return attributes;
        }
        let seen = attributes.into_iter();
        seen.filter(|(name, _)| who.sees_attribute(name)).collect()
    }

    /// A session has these roles from now on, and the functions that were added to those
    /// of its roles before: when its client identifies, and when it renews its credentials.
    pub(crate) fn grant(&mut self, session: SessionSlot, roles: &[Box<str>]) {
        let entry = self.sessions.get(session);
        let before = entry.and_then(|entry| entry.session.permissions.as_deref());
        let added = before.map_or_else(Vec::new, |all| all.added().to_vec());
        let permissions = self.settings.permissions.of(roles, &added);
        self.put_permissions(session, permissions);
    }

    /// The permissions of a session are these from now on. It leaves the channels that it
    /// may not be on any more, unless the operator subscribed its user.
    fn put_permissions(&mut self, session: SessionSlot, permissions: SharedPermissions) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.session.permissions = permissions;
        let who = entry.session.who();
        let (by_operator, user) = (&self.shared.by_operator, &entry.session.user);
        let channels = entry.session.channels().iter();
        let refused = channels.filter_map(|membership| {
            let access = match membership.subpaths {
                true => Access::JoinBelow,
                false => Access::Join,
            };
            let channel = &membership.channel;
            let refused = may_do(&self.settings.channels, who, channel, access).err()?;
            if !membership.subpaths && by_operator.has(user, channel) {
                return None;
            }
            Some((channel.clone(), refused))
        });
        let refused: Vec<_> = refused.collect();
        let has_left = !refused.is_empty();
        for (channel, error) in refused {
            self.leave_channel(session, &channel);
            self.send_error(session, error.of("joinchannel"), None);
        }
        if has_left {
            // It may have been on one of them with the paths below, which it may not.
            self.join_by_operator(session);
        }
        self.look_again(session);
    }

    /// A session's user may call these functions beside those of its roles.
    pub(crate) fn add_functions(&mut self, session: SessionSlot, functions: &[Box<str>]) {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let before = entry.session.permissions.as_deref();
        if functions.is_empty() && before.is_none_or(|all| all.added().is_empty()) {
            return;
        }
        let roles = before.map(|all| all.roles().to_vec()).unwrap_or_default();
        let patterns = functions.iter();
        let patterns = patterns.filter_map(|text| Pattern::of_functions(text).ok());
        let added: Vec<Pattern> = patterns.collect();
        let permissions = self.settings.permissions.of(&roles, &added);
        self.put_permissions(session, permissions);
    }
}

/// Whether a session may do something with a channel: by its roles, and by the
/// channel's namespace.
///
/// # Errors
/// `forbidden`, with what is not allowed.
pub(crate) fn may_do(
    channels: &Arc<dyn ChannelPermissions>,
    who: Who<'_>,
    channel: &ChannelId,
    access: Access,
) -> Result<(), ErrorBody> {
    let need = Need::Channel(channel, access);
    who.check(need)?;
    match channels.allow(who, channel, access) {
        true => Ok(()),
        false => Err(ErrorBody::new(
            ErrorCode::Forbidden,
            format!("this user may not {need}"),
        )),
    }
}

/// Whether a session may set these attributes.
///
/// # Errors
/// `forbidden`, with the first that it may not.
pub(crate) fn may_set<'a>(
    who: Who<'_>,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), ErrorBody> {
    names
        .into_iter()
        .try_for_each(|name| who.check(Need::Set(name)))
}

/// Whether a session may call some function of a service.
pub(crate) fn may_call(service: &ServiceSettings, name: &str, who: Who<'_>) -> bool {
    service.may_call(who) && who.sees_service(name)
}

/// The state of a service with the functions that a session may call.
pub(crate) fn seen_service(name: &str, mut state: ServiceState, who: Who<'_>) -> ServiceState {
    if !who.is_free() {
        state.functions.retain(|function| {
            who.may(Need::Call {
                service: name,
                function,
            })
        });
    }
    state
}
