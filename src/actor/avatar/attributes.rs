//! Attributes of an avatar and the store: loaded before anything else is done, saved
//! at each change. A `set` of a durable attribute is carried out when it is stored, and
//! those behind it wait, so that all sessions see one order.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use actix::{AsyncContext, Context, Handler, Message};
use smallvec::SmallVec;
use thin_vec::ThinVec;

use crate::actor::avatar::Avatar;
use crate::actor::owner_call::Due;
use crate::actor::validator::{self, Setter as By};
use crate::cluster::mailbox::Awaited;
use crate::store::{self, Record, Stored, Unavailable};
use turntable_core::backup::Attributes;
use turntable_core::call::{AvatarCall, Requester};
use turntable_core::delivery::Answer;
use turntable_core::key::{Caller, SessionKey};
use turntable_core::model::avatar::AttributeChanges;
use turntable_core::packet::{ErrorBody, RequestId, ServerPacket};
use turntable_core::reason::ErrorCode;

/// What waits for the store.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The `set` that is being stored; without one the avatar is loading.
    set: Option<Set>,
    /// Calls behind it.
    deferred: VecDeque<AvatarCall>,
    /// Whether the gateways have announced what they have, while it was loading.
    is_recovered: bool,
}

/// A `set` of a durable attribute.
#[derive(Debug)]
struct Set {
    setter: Setter,
    changed: AttributeChanges,
    attributes: Attributes,
}

/// Who sets attributes, and is answered.
#[derive(Debug)]
pub(super) enum Setter {
    /// A session, with the `id` of its command.
    Session(Caller, Option<RequestId>),
    /// The operator, or a program that embeds the server.
    Outside(Requester),
}

impl Setter {
    /// The session that needs no message about its own changes.
    const fn session(&self) -> Option<SessionKey> {
        match self {
            Self::Session(caller, _) => Some(caller.key),
            Self::Outside(_) => None,
        }
    }

    const fn by(&self) -> By {
        match self {
            Self::Session(..) => By::Client,
            Self::Outside(_) => By::Server,
        }
    }
}

/// The store has the attributes of the user.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Loaded(store::Loaded, Awaited);

/// A durable `set` is stored, or could not be.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Written(Result<(), Unavailable>, Awaited);

/// Whether a call cannot be carried out without the user's attributes.
pub(super) const fn needs_attributes(call: &AvatarCall) -> bool {
    matches!(
        call,
        AvatarCall::Attach { .. }
            | AvatarCall::Set { .. }
            | AvatarCall::Attributes { .. }
            | AvatarCall::Erase { .. }
            | AvatarCall::Change { .. }
    )
}

/// Whether a call has to wait for a `set` that is being stored: it changes attributes,
/// or begins a session, which is sent them and whose factory may set some.
const fn is_behind_set(call: &AvatarCall) -> bool {
    matches!(
        call,
        AvatarCall::Attach { .. }
            | AvatarCall::Set { .. }
            | AvatarCall::Erase { .. }
            | AvatarCall::Change { .. }
    )
}

pub(super) fn unavailable(message: &'static str) -> ErrorBody {
    ErrorBody::new(ErrorCode::Unavailable, message)
}

impl Avatar {
    /// Loads the user's attributes.
    pub(super) fn load(&mut self, ctx: &mut Context<Self>) {
        let store = self.shared.store.clone();
        if let Some(stored) = store.get(&self.user) {
            return self.take_loaded(stored);
        }
        self.stored = Some(Box::default());
        let address = ctx.address();
        let awaited = self.shared.mailboxes.await_answer();
        let load = Box::new(move |loaded| address.do_send(Loaded(loaded, awaited)));
        store.load(&self.user, load);
    }

    fn take_loaded(&mut self, stored: Stored) {
        let Stored {
            record,
            last_seen_ms,
        } = stored;
        self.model.restore_last_seen(last_seen_ms);
        self.saved_seen_ms = self.model.last_seen_ms().and_then(NonZeroU64::new);
        if record.is_empty() {
            return;
        }
        let Record {
            attributes,
            profile,
            ..
        } = record;
        self.model.put_attributes(attributes);
        let settings = self.shared.settings();
        let public = &settings.attributes;
        self.model.restore_profile(profile.as_ref(), public);
        self.saved_apart = profile;
        if !self.is_recovering {
            // It is what they have, unless the names of public ones have changed. One that
            // watched while the user was absent may not have been sent it yet.
            self.show_profile();
        }
    }

    /// What is to be stored with these attributes.
    fn record(&mut self, attributes: Attributes) -> Record {
        let settings = self.shared.settings();
        let profile = self.model.profile_apart(&attributes, &settings.attributes);
        self.saved_apart.clone_from(&profile);
        Record {
            attributes,
            profile,
            is_known: self.is_known,
        }
    }

    /// What others see may have come to differ from the attributes, or not any more.
    pub(super) fn save_apart(&mut self) {
        // Behind a durable `set` all is looked at again.
        if self.is_unloaded || self.stored.is_some() {
            return;
        }
        let settings = self.shared.settings();
        let attributes = self.model.attributes();
        let apart = self.model.profile_apart(attributes, &settings.attributes);
        if apart != self.saved_apart {
            let record = self.record(self.model.shared_attributes());
            self.shared.store.save(&self.user, record, None);
        }
    }

    /// Whether its attributes are not there yet.
    pub(super) fn is_loading(&self) -> bool {
        let waiting = self.stored.as_ref();
        waiting.is_some_and(|waiting| waiting.set.is_none())
    }

    /// The gateways have announced what they have; it is shown once all is loaded.
    pub(super) fn note_recovered(&mut self) {
        if let Some(waiting) = &mut self.stored {
            waiting.is_recovered = true;
        }
    }

    /// Without its attributes nothing may be set: all others would be lost.
    pub(super) fn check_loaded(&self) -> Result<(), ErrorBody> {
        match self.is_unloaded {
            true => Err(unavailable("the store cannot be read now; try again later")),
            false => Ok(()),
        }
    }

    /// Holds a call back that has to wait for the store, and what comes behind it: the
    /// end of a session may not overtake its beginning.
    pub(super) fn hold(&mut self, call: AvatarCall) -> Option<AvatarCall> {
        match &mut self.stored {
            Some(waiting)
                if waiting.set.is_none()
                    || is_behind_set(&call)
                    || !waiting.deferred.is_empty() =>
            {
                waiting.deferred.push_back(call);
                None
            }
            _ => Some(call),
        }
    }

    /// Carries out what was deferred, in its order. What is left of it when one of the calls
    /// ends in a panic is the replacement's.
    fn release(&mut self, deferred: VecDeque<AvatarCall>, ctx: &mut Context<Self>) {
        self.released = deferred.into_iter().rev().collect();
        while let Some(call) = self.released.pop() {
            let Some(call) = self.hold(call) else {
                continue;
            };
            let _due = Due::new(&self.shared, call.pending());
            #[cfg(debug_assertions)]
            self.shared
                .fail_if_requested(&turntable_core::owner::OwnerId::Avatar(self.user.clone()));
            self.proceed(call, ctx);
        }
        self.released = ThinVec::new();
    }

    /// The calls that the avatar has taken and not carried out, in their order.
    pub(super) fn unread(&mut self) -> impl Iterator<Item = AvatarCall> {
        let released = std::mem::take(&mut self.released);
        let deferred = self.stored.take().map(|waiting| waiting.deferred);
        // A call that was released and has to wait again was before the others.
        let deferred = deferred.into_iter().flatten();
        deferred.chain(released.into_iter().rev())
    }

    /// Waits for the factory, and what is called meanwhile behind this call.
    pub(super) fn wait_with(&mut self, call: AvatarCall) {
        let waiting = self.stored.get_or_insert_default();
        waiting.deferred.push_back(call);
    }

    /// The calls that waited for the factory.
    pub(super) fn take_deferred(&mut self) -> VecDeque<AvatarCall> {
        let waiting = self.stored.take();
        let waiting = waiting.unwrap_or_default();
        if waiting.is_recovered {
            self.show_recovered();
        }
        waiting.deferred
    }

    /// Goes on with those behind the first.
    pub(super) fn resume_deferred(
        &mut self,
        deferred: VecDeque<AvatarCall>,
        ctx: &mut Context<Self>,
    ) {
        self.release(deferred, ctx);
    }

    /// Sets attributes that no session sets; all sessions are sent them.
    pub(super) fn set_own(&mut self, changes: AttributeChanges) -> Result<(), ErrorBody> {
        let (changed, attributes) = self.plan(changes, By::Server)?;
        if !changed.is_empty() {
            let record = self.record(attributes.clone());
            self.shared.store.save(&self.user, record, None);
            let (settings, before) = (self.shared.settings(), self.model.attributes());
            validator::changed(&settings, &self.user, before, &changed, By::Server);
            self.model.put_attributes(attributes);
            self.back_up(self.model.sessions());
        }
        Ok(())
    }

    /// What would change, and all attributes after it, where all changes may be made.
    fn plan(
        &self,
        changes: AttributeChanges,
        by: By,
    ) -> Result<(AttributeChanges, Attributes), ErrorBody> {
        let settings = self.shared.settings();
        let max = settings.presence.attributes_bytes_max;
        let (changed, attributes) = self.model.with_changes(changes, max)?;
        let before = self.model.attributes();
        validator::check(&settings, &self.user, before, &changed, by)?;
        Ok((changed, attributes))
    }

    /// Sets attributes, which are stored soon.
    pub(super) fn set(
        &mut self,
        session: Option<SessionKey>,
        changes: AttributeChanges,
        by: By,
    ) -> Result<(), ErrorBody> {
        let (changed, attributes) = self.plan(changes, by)?;
        if !changed.is_empty() {
            let record = self.record(attributes.clone());
            self.shared.store.save(&self.user, record, None);
            self.apply(session, changed, attributes, by);
        }
        Ok(())
    }

    /// Puts attributes in force and sends what changed to the user's other sessions.
    fn apply(
        &mut self,
        session: Option<SessionKey>,
        changed: AttributeChanges,
        attributes: Attributes,
        by: By,
    ) {
        let settings = self.shared.settings();
        validator::changed(&settings, &self.user, self.model.attributes(), &changed, by);
        if matches!(by, By::Client) {
            self.shared.webhooks.emit_attributes(&self.user, &changed);
        }
        self.model.put_attributes(attributes);
        self.back_up(self.model.sessions());
        let others = self
            .model
            .sessions()
            .filter(|other| Some(*other) != session);
        let others: SmallVec<[SessionKey; 4]> = others.collect();
        if !others.is_empty() {
            let packet = ServerPacket::Attributes(changed);
            self.send_all(others, &self.shared.frame(&packet, None));
        }
        if matches!(by, By::Server) && self.model.sessions().next().is_none() {
            // Not the user's doing: of one that is absent others see it at once.
            self.model.restore_profile(None, &settings.attributes);
            self.show_profile();
        }
    }

    /// Sends the whole profile to those who watch the user.
    pub(super) fn show_profile(&self) {
        for gateway in self.model.watchers.gateways() {
            self.shared.bus.send(*gateway, self.whole_profile());
        }
    }

    fn answer_setter(&self, setter: Setter, outcome: Result<(), ErrorBody>) {
        match setter {
            Setter::Session(caller, id) => self.answer(caller, outcome, "set", id),
            Setter::Outside(requester) => self
                .shared
                .answer(requester, outcome.map(|()| Answer::Done)),
        }
    }

    /// `set`.
    pub(super) fn set_and_answer(
        &mut self,
        setter: Setter,
        changes: AttributeChanges,
        ctx: &mut Context<Self>,
    ) {
        let settings = self.shared.settings();
        let is_durable = |name: &str| settings.attributes.is_durable(name);
        let mut outcome = self.check_loaded();
        if let (Setter::Session(..), true) = (&setter, outcome.is_ok()) {
            let mut names = changes.iter().map(|(name, _)| name);
            let refused = names.find(|name| settings.attributes.is_server_only(name));
            outcome = refused.map_or(Ok(()), |name| Err(validator::server_only(name)));
        }
        if outcome.is_err() || !changes.iter().any(|(name, _)| is_durable(name)) {
            let set = outcome.and_then(|()| self.set(setter.session(), changes, setter.by()));
            return self.answer_setter(setter, set);
        }
        let (changed, attributes) = match self.plan(changes, setter.by()) {
            Ok(planned) if !planned.0.is_empty() => planned,
            outcome => return self.answer_setter(setter, outcome.map(|_| ())),
        };
        let address = ctx.address();
        let awaited = self.shared.mailboxes.await_answer();
        let saved = Box::new(move |saved| address.do_send(Written(saved, awaited)));
        let record = self.record(attributes.clone());
        self.shared.store.save(&self.user, record, Some(saved));
        self.stored = Some(Box::new(Waiting {
            set: Some(Set {
                setter,
                changed,
                attributes,
            }),
            ..Waiting::default()
        }));
    }
}

impl Handler<Loaded> for Avatar {
    type Result = ();

    fn handle(&mut self, Loaded(loaded, _awaited): Loaded, ctx: &mut Self::Context) {
        let waiting = self.stored.take().unwrap_or_default();
        match loaded {
            Ok(stored) => self.take_loaded(stored),
            Err(Unavailable) => self.is_unloaded = true,
        }
        self.release(waiting.deferred, ctx);
        if waiting.is_recovered {
            self.show_recovered();
        }
        self.settle(ctx);
    }
}

impl Handler<Written> for Avatar {
    type Result = ();

    fn handle(&mut self, Written(written, _awaited): Written, ctx: &mut Self::Context) {
        let Some(waiting) = self.stored.take() else {
            return;
        };
        if let Some(set) = waiting.set {
            let outcome = match written {
                Ok(()) => {
                    let (session, by) = (set.setter.session(), set.setter.by());
                    self.apply(session, set.changed, set.attributes, by);
                    Ok(())
                }
                Err(Unavailable) => Err(unavailable(
                    "the store cannot take it now; nothing was changed",
                )),
            };
            self.answer_setter(set.setter, outcome);
        }
        self.release(waiting.deferred, ctx);
        self.settle(ctx);
    }
}
