//! The beginning of an avatar: its factory runs before its first session is admitted, and
//! what is called meanwhile waits.

use actix::{AsyncContext, Context, Handler, Message};

use crate::actor::avatar::Avatar;
use crate::actor::avatar::attributes::unavailable;
use crate::clock;
use crate::cluster::mailbox::Awaited;
use crate::log_limit::LogLimit;
use crate::portal::factory::{AvatarPlan, NewAvatar};
use turntable_core::call::AvatarCall;
use turntable_core::delivery::Delivery;
use turntable_core::packet::ErrorBody;

/// Each plan may be too large.
static NOT_SET: LogLimit = LogLimit::new();

/// The factory has planned the avatar; `None` where it may not begin.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Made(Option<AvatarPlan>, Awaited);

impl Avatar {
    /// Carries out a call that needs not wait for the store: the one that begins the
    /// avatar's life waits for its factory.
    pub(super) fn proceed(&mut self, call: AvatarCall, ctx: &mut Context<Self>) {
        let AvatarCall::Attach { roles, .. } = &call else {
            return self.step(call, ctx);
        };
        let is_first = self.model.sessions().next().is_none();
        if self.is_unloaded || (self.is_made && !is_first) {
            return self.step(call, ctx);
        }
        let attributes = self.model.attributes();
        if let Some(plan) = self.shared.factory.plan_at_once(attributes) {
            self.begin(plan);
            return self.step(call, ctx);
        }
        let avatar = NewAvatar {
            user: self.user.clone(),
            roles: roles.clone(),
            attributes: attributes.to_vec(),
        };
        self.wait_with(call);
        let address = ctx.address();
        let awaited = self.shared.mailboxes.await_answer();
        let then = move |plan| address.do_send(Made(plan, awaited));
        self.shared.factory.plan(avatar, then);
    }

    /// The avatar begins with this.
    fn begin(&mut self, plan: AvatarPlan) {
        self.is_made = true;
        self.added = plan.services.into();
        if plan.attributes.is_empty() {
            return;
        }
        if let Err(error) = self.set_own(plan.attributes)
            && let Some(more) = NOT_SET.admit(clock::now_ms())
        {
            let why = error.message;
            log::warn!("the attributes of a new avatar are not set: {why}{more}");
        }
    }
}

impl Handler<Made> for Avatar {
    type Result = ();

    fn handle(&mut self, Made(plan, _awaited): Made, ctx: &mut Self::Context) {
        let mut deferred = self.take_deferred();
        let Some(first) = deferred.pop_front() else {
            return;
        };
        match (plan, first) {
            (Some(plan), first) => {
                self.begin(plan);
                self.step(first, ctx);
            }
            (None, AvatarCall::Attach { caller, id, .. }) => {
                let to = caller.place;
                let error: ErrorBody = unavailable("the avatar cannot begin now; try again later");
                let refused = Delivery::NotAttached {
                    to,
                    error: Box::new(error.of("idme")),
                    id,
                };
                self.shared.bus.send(to.gateway, refused);
            }
            (None, first) => self.step(first, ctx),
        }
        self.resume_deferred(deferred, ctx);
        self.settle(ctx);
    }
}
