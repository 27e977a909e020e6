//! The actions of a room's members, and the state that the game retains of them for those
//! that join late, which is counted for who writes it.

use crate::actor::no_room;
use crate::actor::room::Room;
use turntable_core::address::Address;
use turntable_core::id::UserId;
use turntable_core::key::Caller;
use turntable_core::model::room::{Outcome, Room as Model};
use turntable_core::model::timestamp::SenderClock;
use turntable_core::packet::Action;

impl Room {
    /// `game` of a member at an address.
    pub(super) fn act(
        &mut self,
        (caller, address): (Caller, Option<Address>),
        user: &UserId,
        actions: Vec<Action>,
        clock: &SenderClock,
        now_ms: u64,
    ) -> Outcome {
        let Some(model) = &mut self.model else {
            return Err(no_room("game"));
        };
        let next = model.next_state_bytes(caller.key, user, &actions);
        // Most actions write no state; they read no settings, whose count of readers all
        // workers share.
        let before = next.map(|bytes| {
            let settings = self.shared.settings();
            let (room, metrics) = (&settings.room, &self.shared.metrics);
            let taken = self.state_bytes.take(bytes, address, room, metrics);
            taken.map_err(|error| error.of("game"))
        });
        let before = before.transpose()?;
        let acted = model.act(caller.key, user, actions, clock, now_ms);
        if acted.is_err()
            && let Some(before) = before
        {
            self.state_bytes.put_back(before);
        }
        acted
    }

    /// Counts the state that there is, once no action waits that may change it.
    pub(super) fn settle_state(&mut self) {
        let bytes = match &self.model {
            Some(model) => model.settled_state_bytes(),
            None => Some(0),
        };
        if let Some(bytes) = bytes {
            self.state_bytes.settle(bytes);
        }
    }

    pub(super) fn is_member(&self, user: &UserId) -> bool {
        let members = self.model.as_ref().map(Model::members);
        members.is_some_and(|members| members.get(user.as_str()).is_some())
    }
}
