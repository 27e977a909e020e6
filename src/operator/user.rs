//! Users: what they are sent, what they have, and the end of their sessions.

use std::sync::Arc;

use crate::gateway::Shared;
use crate::gateway::question::unexpected;
use crate::gateway::session::ending::Ending;
use crate::portal::operator_call::OperatorCall;
use crate::portal::{NotSet, SESSION_ID_BYTES_MAX};
use turntable_core::call::{AvatarCall, Call, Requester};
use turntable_core::delivery::Answer;
use turntable_core::id::UserId;
use turntable_core::model::avatar::AttributeChanges;
use turntable_core::packet::{ErrorBody, LookupEntry};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

impl Shared {
    /// Sends `user:message` to all sessions of a user. Returns how many there are.
    ///
    /// # Errors
    /// `unavailable` where the avatar does not answer in time.
    pub(crate) async fn publish_to(
        &self,
        user: &UserId,
        message: Payload,
    ) -> Result<u64, ErrorBody> {
        let user = user.clone();
        let call = |requester| Call::Avatar(user, AvatarCall::Publish { requester, message });
        match self.ask(call).await? {
            Answer::Count(sessions) => Ok(sessions),
            _ => Err(unexpected()),
        }
    }

    /// What a `lookup` of a user shows.
    ///
    /// # Errors
    /// `unavailable` where that is not known in time.
    pub(crate) async fn presence_of(&self, user: &UserId) -> Result<LookupEntry, ErrorBody> {
        let user = user.clone();
        let call = |requester: Requester| {
            let Requester { gateway, ticket } = requester;
            Call::Avatar(user, AvatarCall::Lookup { gateway, ticket })
        };
        match self.ask(call).await? {
            Answer::Seen(entry) => Ok(*entry),
            _ => Err(unexpected()),
        }
    }

    /// The attributes of a user.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be read.
    pub(crate) async fn attributes_of(
        &self,
        user: &UserId,
    ) -> Result<Vec<(Box<str>, Payload)>, ErrorBody> {
        let user = user.clone();
        let call = |requester| Call::Avatar(user, AvatarCall::Attributes { requester });
        match self.ask(call).await? {
            Answer::Attributes(attributes) => Ok(attributes),
            _ => Err(unexpected()),
        }
    }

    /// Sets and removes attributes of a user.
    ///
    /// # Errors
    /// `refused` by a rule or a validator, `too_large`, `unavailable` where the store
    /// cannot be written.
    pub(crate) async fn change_attributes(
        &self,
        user: &UserId,
        changes: AttributeChanges,
    ) -> Result<(), ErrorBody> {
        let user = user.clone();
        let call = |requester| Call::Avatar(user, AvatarCall::Change { requester, changes });
        match self.ask(call).await? {
            Answer::Done => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// Ends all sessions of a user, whose clients do not come back by themselves. Returns
    /// how many there were.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub(crate) async fn kick(&self, user: &UserId, call: OperatorCall) -> Result<usize, ErrorBody> {
        let ending = Ending::Kicked(call.reason.clone());
        self.end_user(user, ending, Arc::new(call)).await
    }

    /// Ends all sessions of a user, whose clients may identify again. Returns how many
    /// there were.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub(crate) async fn remove_user(
        &self,
        user: &UserId,
        call: OperatorCall,
    ) -> Result<usize, ErrorBody> {
        self.end_user(user, Ending::Removed, Arc::new(call)).await
    }

    /// From now on the client that has this session of your own site is the user.
    ///
    /// # Errors
    /// `bad_message` for an empty or a long one, `too_many`, `conflict` where it is that of another user, `unavailable` where the
    /// store cannot be written.
    pub(crate) async fn set_session(
        &self,
        user: &UserId,
        session_id: &str,
        call: OperatorCall,
    ) -> Result<(), ErrorBody> {
        if !(1..=SESSION_ID_BYTES_MAX).contains(&session_id.len()) {
            let message = format!("a sessionId has 1 to {SESSION_ID_BYTES_MAX} bytes");
            return Err(ErrorBody::new(ErrorCode::BadMessage, message));
        }
        let set = self.portal.set_session(user.clone(), session_id);
        let was_free = set.map_err(|error| match error {
            NotSet::Full => ErrorBody::new(
                ErrorCode::TooMany,
                "as many users have a session as may (portal.sessions_max)",
            ),
            NotSet::Taken => ErrorBody::new(ErrorCode::Conflict, "another user has this sessionId"),
        })?;
        let ended = match was_free {
            true => {
                self.end_provisional(user, Ending::Revoked, Arc::new(call))
                    .await
            }
            false => Ok(0),
        };
        self.portal.keep_session(user).await?;
        ended.map(|_| ())
    }

    /// The user has no session of your own site any more. Returns whether it had one: then
    /// its sessions end.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub(crate) async fn remove_session(
        &self,
        user: &UserId,
        call: OperatorCall,
    ) -> Result<bool, ErrorBody> {
        let was_there = self.portal.remove_session(user);
        let ended = match was_there {
            true => self.end_user(user, Ending::Revoked, Arc::new(call)).await,
            false => Ok(0),
        };
        // Also behind a removal that could not be written.
        self.portal.keep_session(user).await?;
        ended.map(|_| was_there)
    }

    /// Removes the password of a user. Returns whether there was one: then its sessions end.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub(crate) async fn remove_password(
        &self,
        user: &UserId,
        call: OperatorCall,
    ) -> Result<bool, ErrorBody> {
        let (was_there, stored) = self.portal.remove_password(user);
        let ended = match was_there {
            true => self.end_user(user, Ending::Revoked, Arc::new(call)).await,
            false => Ok(0),
        };
        // Also behind a removal that could not be written.
        stored.await?;
        ended.map(|_| was_there)
    }
}
