//! Calls to owners that are saved: they are refused, and make no owners that nobody saves.

use super::*;
use crate::actor::saving::{RestoreOwners, SaveOthers, SaveRooms};
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
    invite(&directory);
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
    invite(&before);
    attributes(&before, user(), 1);
    answered(&notes, 1).await.unwrap();
    let saved = before.send(SaveOthers).await.unwrap();
    let (notes, after) = start();
    assert_eq!(after.send(RestoreOwners(saved.clone())).await.unwrap(), 1);
    attributes(&after, user(), 1);
    answered(&notes, 1).await.unwrap();
    assert_eq!(after.send(RestoreOwners(saved)).await.unwrap(), 0);
}
