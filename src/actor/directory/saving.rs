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

fn those<K, T>(answers: Vec<(K, Option<T>)>) -> Vec<(K, T)> {
    let answers = answers.into_iter();
    answers
        .filter_map(|(id, saved)| Some((id, saved?)))
        .collect()
}

impl Handler<SaveRooms> for Directory {
    type Result = ResponseFuture<SavedOwners>;

    fn handle(&mut self, _: SaveRooms, _: &mut Context<Self>) -> Self::Result {
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
        let avatars = self.avatars.ask_all::<Save<SavedAvatar>>();
        let channels = self.channels.ask_all::<Save<SavedChannel>>();
        Box::pin(async move {
            SavedOwners {
                avatars: those(avatars.await),
                channels: those(channels.await),
                ..SavedOwners::default()
            }
        })
    }
}

impl Handler<RestoreOwners> for Directory {
    type Result = ();

    fn handle(&mut self, RestoreOwners(owners): RestoreOwners, _: &mut Context<Self>) {
        let shared = self.shared.clone();
        for (id, saved) in owners.channels {
            let make = || Channel::restore(&shared, id.clone(), saved);
            self.channels.put(id.clone(), make);
            self.note_path(id);
        }
        for (user, saved) in owners.avatars {
            let make = || Avatar::restore(&shared, user.clone(), saved);
            self.avatars.put(user.clone(), make);
        }
        for (id, saved) in owners.rooms {
            let make = || Room::restore(&shared, id.clone(), saved);
            self.rooms.put(id.clone(), make);
        }
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
