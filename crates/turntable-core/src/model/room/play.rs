//! What members do: `game` messages are checked as a whole, stamped with the
//! server's time, gathered for the tick and sent in one order for all.

use super::{Effect, Member, Outcome, Room, not_member, stored_state};
use crate::id::UserId;
use crate::key::SessionKey;
use crate::limit::Limit;
use crate::model::rule::{Inspection, Refusal, RoomView, check_keys};
use crate::model::timestamp::SenderClock;
use crate::packet::{Action, ErrorBody, ServerPacket};
use crate::reason::ErrorCode;

impl Room {
    /// `game`: all actions are passed on, or none.
    ///
    /// `clock` is what is known of the session's clock and path; the message itself
    /// should have fed it before.
    /// A session acts in its seat also while it has no connection.
    ///
    /// # Errors
    /// `not_member`, `too_many` actions, `forbidden` (another's `from`, another
    /// team), or what a rule of the game says; `details.index` is the action.
    /// `rate_limited` where the members would get more than `room.bytes`, or the backend
    /// more results than `room.results`; `too_large` for a long result.
    pub fn act(
        &mut self,
        session: SessionKey,
        user: &UserId,
        mut actions: Vec<Action>,
        clock: &SenderClock,
        now_ms: u64,
    ) -> Outcome {
        if let Some(member) = self.members.get_mut(user)
            && member.has(session)
        {
            // Rules may look at it.
            member.lag = Some(clock.lag);
        }
        self.check(session, user, &actions, now_ms)?;
        if actions.is_empty() {
            return Ok(Vec::new());
        }
        let results = self.find_results(&actions)?;
        self.take_results(user, &results, now_ms)?;
        if let Err(error) = self.take_actions(&actions, now_ms) {
            self.give_back_results(&results);
            return Err(error.of("game"));
        }
        for rule in &mut self.rules {
            rule.accepted(user, actions.len(), now_ms);
        }
        let limit_ms = clock.limit_ms(now_ms, self.settings.max_lag_ms);
        if let Some(member) = self.members.get_mut(user) {
            for action in &mut actions {
                let client_ms = action.timestamp_ms;
                let offset_ms = clock.offset_ms;
                let corrected_ms =
                    (member.corrector).correct(client_ms, offset_ms, now_ms, limit_ms);
                action.timestamp_ms = corrected_ms as f64;
            }
        }
        let report = self.report(user, results, &actions, now_ms);
        let tick_ms = self.game.settings().tick_ms;
        self.tick.push(actions, now_ms.saturating_add(tick_ms));
        if tick_ms == 0 || self.tick.bytes() >= self.settings.tick_bytes_max {
            let mut effects = self.flush();
            effects.extend(report);
            return Ok(effects);
        }
        Ok(report.into_iter().collect())
    }

    /// How long the state is that these actions of a member's session leave, where the game
    /// keeps one and they change it. One of the same tick may still come behind it.
    #[must_use]
    pub fn next_state_bytes(
        &self,
        session: SessionKey,
        user: &UserId,
        actions: &[Action],
    ) -> Option<usize> {
        let member = self.members.get(user.as_str());
        if !self.game.settings().keep_state || !member.is_some_and(|member| member.has(session)) {
            return None;
        }
        stored_state::bytes(actions)
    }

    /// How long the state is; `None` while actions wait that may change it.
    #[must_use]
    pub fn settled_state_bytes(&self) -> Option<usize> {
        let bytes = self.state.as_ref().map_or(0, |state| state.as_json().len());
        self.tick.ends_ms().is_none().then_some(bytes)
    }

    /// Checks a whole message.
    fn check(
        &mut self,
        session: SessionKey,
        user: &UserId,
        actions: &[Action],
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let member = self
            .members
            .get(user.as_str())
            .filter(|member| member.has(session))
            .ok_or_else(|| not_member("game"))?;
        let actions_max = self.settings.actions_max;
        if actions.len() > actions_max {
            return Err(ErrorBody::new(
                ErrorCode::TooMany,
                format!("one game message has at most {actions_max} actions"),
            )
            .of("game")
            .with("max", actions_max as u64)
            .by(Limit::RoomActions));
        }
        let room = RoomView::new(&self.members);
        let settings = self.game.settings();
        // What is read here has to be the same to members and backend.
        let is_read = settings.keep_state || settings.report_result;
        for (index, action) in actions.iter().enumerate() {
            let inspection = Inspection::new(action, index).of(actions.len());
            check_sender(user, member, action)
                .and_then(|()| match is_read {
                    true => check_keys(action.data.as_json()),
                    false => Ok(()),
                })
                .and_then(|()| {
                    self.rules
                        .iter_mut()
                        .try_for_each(|rule| rule.check(&room, &inspection, now_ms))
                })
                .map_err(|refusal| refuse_action(refusal, index))?;
        }
        Ok(())
    }

    /// Sends what waits for the tick.
    pub(super) fn flush(&mut self) -> Vec<Effect> {
        let actions = self.tick.take();
        if actions.is_empty() {
            return Vec::new();
        }
        if self.game.settings().keep_state {
            stored_state::apply(&actions, &mut self.state);
        }
        vec![Effect::Broadcast(ServerPacket::Game {
            channel: self.channel.clone(),
            actions,
        })]
    }
}

/// The error for a message whose action at `index` is refused.
fn refuse_action(refusal: Refusal, index: usize) -> ErrorBody {
    // Two rules are limits, with codes of their own.
    let limit = match refusal.code {
        ErrorCode::RateLimited | ErrorCode::TooMany => Some(Limit::ActionRate),
        ErrorCode::TooLarge => Some(Limit::ActionBytes),
        _ => None,
    };
    let error = ErrorBody::new(refusal.code, refusal.message)
        .of("game")
        .with("index", index as u64);
    let error = match refusal.detail {
        Some((name, value)) => error.with(name, value),
        None => error,
    };
    ErrorBody { limit, ..error }
}

/// Whether an action is the member's own, and of its team.
fn check_sender(user: &UserId, member: &Member, action: &Action) -> Result<(), Refusal> {
    if action.from != *user {
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            format!("from must be the self that this session joined with, {user}"),
        ));
    }
    match (action.team.as_deref(), member.team()) {
        (Some(claimed), team) if Some(claimed) != team => Err(Refusal::new(
            ErrorCode::Forbidden,
            match team {
                Some(team) => format!("team must be the one you have, {team}"),
                None => "you have no team in this room; leave team out".to_owned(),
            },
        )),
        _ => Ok(()),
    }
}
