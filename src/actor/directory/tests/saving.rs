//! Calls to owners that are saved: they are refused, and make no owners that nobody saves.

use super::*;
use crate::actor::saving::{RestoreOwners, RestoreWatched, SaveOthers, SaveRooms};
use turntable_core::call::Requester;

fn attributes(directory: &Addr<Directory>, user: UserId, ticket: u64) {
    let requester = Requester {
        gateway: gateway(0),
        ticket,
    };
    let attributes = AvatarCall::Attributes { requester };
    call(directory, 0, Call::Avatar(user, attributes));
}

async fn answered(notes: &Notes, of: u64) -> Result<(), ErrorCode> {
    let answer = |delivery: &Delivery| match delivery {
        Delivery::Answered { ticket, answer } if *ticket == of => {
            Some(answer.as_ref().map(|_| ()).map_err(|error| error.code))
        }
        _ => None,
    };
    notes.first(answer).await
}

#[actix_rt::test]
async fn call_to_a_saved_owner_is_refused() {
    let (notes, directory) = start();
    play(&directory, true);
    attributes(&directory, user(), 1);
    answered(&notes, 1).await.unwrap();
    directory.send(SaveRooms).await.unwrap();
    // What rooms have caused still comes.
    attributes(&directory, user(), 2);
    answered(&notes, 2).await.unwrap();
    let saved = directory.send(SaveOthers).await.unwrap();
    assert_eq!(saved.avatars.len(), 1);
    let other = UserId::parse("1:2").unwrap();
    for (ticket, user) in [(3, user()), (4, other)] {
        attributes(&directory, user, ticket);
        let refused = answered(&notes, ticket).await;
        assert_eq!(refused, Err(ErrorCode::Unavailable));
    }
}

#[actix_rt::test]
async fn owner_that_began_before_it_was_restored_is_not_counted() {
    let (notes, before) = start();
    play(&before, true);
    attributes(&before, user(), 1);
    answered(&notes, 1).await.unwrap();
    let saved = before.send(SaveOthers).await.unwrap();
    let (notes, after) = start();
    assert_eq!(after.send(RestoreOwners(saved.clone())).await.unwrap(), 1);
    attributes(&after, user(), 1);
    answered(&notes, 1).await.unwrap();
    assert_eq!(after.send(RestoreOwners(saved)).await.unwrap(), 0);
}

#[actix_rt::test]
async fn invites_of_absent_users_are_restored_without_avatars() {
    let (_, before) = start();
    let channel = ChannelId::parse("r").unwrap();
    let invite = AvatarCall::Invite {
        channel: channel.clone(),
        from: UserId::parse("1:2").unwrap(),
        until_ms: clock::now_ms() + 60_000,
    };
    call(&before, 0, Call::Avatar(user(), invite));
    let saved = before.send(SaveOthers).await.unwrap();
    assert_eq!(saved.avatars.len(), 1);
    let (notes, after, metrics) = start_counted();
    assert_eq!(after.send(RestoreOwners(saved)).await.unwrap(), 1);
    assert_eq!(metrics.actors("avatar").get(), 0);
    let (_, begin) = attach(1);
    call(&after, 0, Call::Avatar(user(), begin));
    let invited = |delivery: &Delivery| match delivery {
        Delivery::Send { frame, .. } => Some(String::from_utf8_lossy(frame.v1()).into_owned()),
        _ => None,
    };
    let invited = notes.first(invited).await;
    assert!(invited.contains("\"invite\""), "{invited}");
}

#[actix_rt::test]
async fn watched_users_are_restored_with_what_the_store_has_of_them() {
    let store = Arc::new(Slow::default());
    let (notes, directory, metrics) = start_with(store.clone());
    // It has an avatar, for the room.
    play(&directory, true);
    let id = |text: &str| UserId::parse(text).unwrap();
    let (named, unknown) = (id("2:named"), id("2:unknown"));
    let watched = RestoreWatched {
        gateway: gateway(1),
        users: vec![user(), named.clone(), unknown],
    };
    let restored = actix_rt::spawn(directory.send(watched));
    let of = |user: &UserId| user.as_str().starts_with("2:");
    let asked = || {
        let loads = store.loads.lock().unwrap();
        loads.iter().filter(|(user, _)| of(user)).count()
    };
    eventually("both are loaded", || asked() == 2).await;
    assert!(!restored.is_finished());
    assert_eq!(metrics.absent_watched.get(), 2);
    let loads = std::mem::take(&mut *store.loads.lock().unwrap());
    for (user, load) in loads {
        let name: Attributes = [(Box::from("name"), Payload::from_json("1"))].into();
        let record = match user == named {
            true => name.into(),
            false => Record::default(),
        };
        load(Ok(Stored {
            record,
            last_seen_ms: None,
        }));
    }
    restored.await.unwrap().unwrap();
    let profile = |delivery: &Delivery| match delivery {
        Delivery::Profile { user, .. } => Some(user.clone()),
        _ => None,
    };
    assert_eq!(notes.first(profile).await, named);
    // Its watchers know that an absent user is offline.
    let presence = |delivery: &Delivery| match delivery {
        Delivery::Presence { user, .. } => Some(user.clone()),
        _ => None,
    };
    assert_eq!(notes.first(presence).await, user());
    let notes = notes.0.lock().unwrap();
    let sent = notes.iter().filter(|(to, delivery)| {
        *to == gateway(1) && (profile(delivery).is_some() || presence(delivery).is_some())
    });
    assert_eq!(sent.count(), 2, "{notes:?}");
}
