//! The owners of a directory as values, and the owners of values (`actor::saving`).

use actix::{Context, Handler, ResponseFuture};

use super::Directory;
use crate::actor::avatar::Avatar;
use crate::actor::channel::Channel;
use crate::actor::room::Room;
use crate::actor::saving::{
    RestoreOwners, Restored, Save, SaveOthers, SaveRooms, SavedAvatar, SavedChannel, SavedOwners,
    SavedRoom,
};
use crate::clock;
use turntable_core::call::Call;
use turntable_core::id::UserId;
use turntable_core::model::avatar::{Avatar as Model, StoredInvites};
use turntable_core::packet::ErrorBody;
use turntable_core::pending::Pending;
use turntable_core::reason::ErrorCode;

/// Which owners of a directory are values: calls to them are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Saved {
    /// None.
    #[default]
    None,
    /// Rooms.
    Rooms,
    /// All.
    All,
}

impl Saved {
    /// Whether a call comes too late.
    pub(super) fn refuses(self, call: &Call) -> bool {
        match self {
            Self::None => false,
            Self::Rooms => matches!(call, Call::Room(..)),
            Self::All => true,
        }
    }
}

fn those<K, T>(answers: Vec<(K, Option<T>)>) -> Vec<(K, T)> {
    let answers = answers.into_iter();
    answers
        .filter_map(|(id, saved)| Some((id, saved?)))
        .collect()
}

impl Directory {
    /// A call is refused whose owner is a value of the next process.
    pub(super) fn refuse_saved(&self, pending: Option<Pending>) {
        let error = ErrorBody::new(
            ErrorCode::Unavailable,
            "the server is restarting; try again",
        );
        self.refuse(pending, error);
    }

    /// Users that have invites and no avatar are saved as avatars that have nothing else.
    fn invited_as_avatars(&self) -> Vec<(UserId, SavedAvatar)> {
        let (invites, last_seen) = (&self.shared.absent_invites, &self.shared.last_seen);
        let (invites, last_seen) = (invites.borrow(), last_seen.borrow());
        let save = |(user, invites): (&UserId, &StoredInvites)| {
            let mut model = Model::new(last_seen.get(user));
            model.put_invites(invites.clone());
            let saved = SavedAvatar::of_absent(model.save(clock::now_ms()));
            (user.clone(), saved)
        };
        invites.iter().map(save).collect()
    }
}

impl Handler<SaveRooms> for Directory {
    type Result = ResponseFuture<SavedOwners>;

    fn handle(&mut self, _: SaveRooms, _: &mut Context<Self>) -> Self::Result {
        self.saved = Saved::Rooms;
        let rooms = self.rooms.ask_all::<Save<SavedRoom>>();
        Box::pin(async move {
            SavedOwners {
                rooms: those(rooms.await),
                ..SavedOwners::default()
            }
        })
    }
}

impl Handler<SaveOthers> for Directory {
    type Result = ResponseFuture<SavedOwners>;

    fn handle(&mut self, _: SaveOthers, _: &mut Context<Self>) -> Self::Result {
        self.saved = Saved::All;
        let avatars = self.avatars.ask_all::<Save<SavedAvatar>>();
        let channels = self.channels.ask_all::<Save<SavedChannel>>();
        let invited = self.invited_as_avatars();
        Box::pin(async move {
            let mut avatars = those(avatars.await);
            avatars.extend(invited);
            SavedOwners {
                avatars,
                channels: those(channels.await),
                ..SavedOwners::default()
            }
        })
    }
}

impl Handler<RestoreOwners> for Directory {
    type Result = usize;

    fn handle(&mut self, RestoreOwners(owners): RestoreOwners, _: &mut Context<Self>) -> usize {
        let shared = self.shared.clone();
        let wanted = owners.len();
        let mut put = 0;
        for (id, saved) in owners.channels {
            let make = || Channel::restore(&shared, id.clone(), saved);
            put += usize::from(self.channels.put(id.clone(), make));
            self.note_path(id);
        }
        for (user, saved) in owners.avatars {
            if let Some(invites) = saved.model.invites_alone(clock::now_ms()) {
                shared.absent_invites.borrow_mut().put(user, invites);
                put += 1;
                continue;
            }
            let make = || Avatar::restore(&shared, user.clone(), saved);
            put += usize::from(self.avatars.put(user.clone(), make));
        }
        for (id, saved) in owners.rooms {
            let make = || Room::restore(&shared, id.clone(), saved);
            put += usize::from(self.rooms.put(id.clone(), make));
        }
        if put < wanted {
            let lost = wanted - put;
            log::error!("{lost} users, rooms and channels began before they were restored");
        }
        put
    }
}

impl Handler<Restored> for Directory {
    type Result = ();

    fn handle(&mut self, _: Restored, _: &mut Context<Self>) {
        // Behind the announcements, which are in the mailboxes of the actors.
        self.rooms.all_restored();
        self.avatars.all_restored();
        self.channels.all_restored();
    }
}
