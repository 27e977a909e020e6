//! Effects of the session: written, handed to functions, or reported to the handles.

use std::time::Duration;

use turntable_core::id::UserId;
use turntable_core::payload::Payload;

use super::{Driver, End, Move};
use crate::client::State;
use crate::connection::closed;
use crate::error::{Disconnection, Ended};
use crate::event::Event;
use crate::service::Caller;
use crate::session::{Claim, Effect};

impl Driver {
    /// Carries out what the session wants.
    pub(super) async fn apply(&mut self) -> Result<(), End> {
        loop {
            let effects = self.session.take_effects();
            if effects.is_empty() {
                return Ok(());
            }
            for effect in effects {
                let is_refused = matches!(effect, Effect::End(Ended::Refused(_)));
                let is_new = is_refused && self.identity.forget_guest();
                if !matches!(effect, Effect::Identify) && !is_new {
                    self.carry_out(effect)?;
                    continue;
                }
                match self.ask().await? {
                    Ok((claim, credentials)) => self.session.identify(&claim, credentials),
                    Err(why) => self.session.no_credentials(&why),
                }
            }
        }
    }

    /// The connection is gone. What was received on it counts and is carried out; what was
    /// to be sent is repeated by the session, and calls are the server's to answer.
    pub(super) fn leave(&mut self) {
        for effect in self.session.take_effects() {
            match effect {
                Effect::Event(_)
                | Effect::Services(_)
                | Effect::Online(_)
                | Effect::Authenticated(_)
                | Effect::GoAway { .. }
                | Effect::Call { id: None, .. } => {
                    // None of these ends a connection.
                    let _ = self.carry_out(effect);
                }
                _ => {}
            }
        }
        self.unsent.clear();
        self.delayed_answer = None;
        self.services.cancel_all();
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), End> {
        match effect {
            Effect::Write(frame) => self.unsent.push(frame),
            // Done where it can be waited for.
            Effect::Identify => {}
            Effect::Renew => {
                self.identity.renew(self.renewed.clone());
            }
            Effect::Call {
                f,
                args,
                user,
                key,
                id,
            } => {
                let user = user.and_then(|user| UserId::parse(&user).ok());
                self.called(&f, args, Caller { user, key }, id);
            }
            Effect::Cancel(call) => self.services.cancel(call),
            Effect::Event(event) => self.tell(event),
            Effect::Online(online) => {
                if let Some(delayed) = self.delayed.take_if(|_| !online.resumed) {
                    self.session.requeue(delayed.command);
                }
                let spread = Duration::from_millis(online.reconnect_ms);
                self.backoff.welcomed(spread);
                self.user.clone_from(&online.user);
                if let Some(token) = &online.token {
                    self.line.token.send_replace(Some(token.clone()));
                }
                self.identity.welcomed(&online);
                self.line.state.send_replace(State::of(&online));
                self.line.services.send_replace(online.services);
            }
            Effect::Authenticated(credentials) => {
                self.identity.authenticated(self.user.clone(), &credentials);
            }
            Effect::Become => self.services.cancel_all(),
            Effect::Services(changes) => self.services_changed(&changes),
            Effect::GoAway { wait_ms, url } => self.moved = Some(Move { wait_ms, url }),
            Effect::Drop { text, wait_ms } => {
                return Err(End::Dropped(Disconnection::lost(text), wait_ms));
            }
            Effect::End(why) => return Err(End::Over(why)),
        }
        Ok(())
    }

    /// The credentials now. The server waits for them.
    async fn ask(&mut self) -> Result<Result<(Claim, Option<Payload>), String>, End> {
        tokio::select! {
            claimed = self.identity.claim() => Ok(claimed),
            () = closed(&mut self.line.closing) => Err(End::Over(Ended::Closed)),
        }
    }

    fn called(
        &mut self,
        f: &str,
        args: Option<Box<serde_json::value::RawValue>>,
        caller: Caller,
        id: Option<u64>,
    ) {
        if id.is_none() && !self.services.knows(f) {
            let args = args.and_then(|args| serde_json::from_str(args.get()).ok());
            return self.tell(Event::Call {
                f: f.to_owned(),
                args: args.unwrap_or_default(),
            });
        }
        let session = self.session.number();
        self.services.call(f, args, caller, session, id);
    }

    fn services_changed(&mut self, changes: &str) {
        if let Ok(Event::Services(changes)) =
            Event::read("service", changes).map(|event| event.unwrap_or(Event::Missed(0)))
        {
            self.line.services.send_modify(|all| all.extend(changes));
        }
    }
}
