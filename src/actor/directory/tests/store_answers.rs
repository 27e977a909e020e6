//! Answers of the store that avatars wait for.

use super::*;

#[actix_rt::test]
async fn store_that_failed_is_asked_again_by_the_next_session() {
    let store = Arc::new(Slow::default());
    let (notes, directory, _) = start_with(store.clone());
    // It outlives the session that was refused.
    play(&directory, true);
    let (_, begin) = attach(1);
    call(&directory, 0, Call::Avatar(user(), begin));
    store.answer(Err(Unavailable)).await;
    let refused = |delivery: &Delivery| match delivery {
        Delivery::NotAttached { error, .. } => Some(error.code),
        _ => None,
    };
    assert_eq!(notes.first(refused).await, ErrorCode::Unavailable);
    let (_, begin) = attach(2);
    call(&directory, 0, Call::Avatar(user(), begin));
    let stored: Attributes = [(Box::from("name"), Payload::from_json("1"))].into();
    let found = Stored {
        record: stored.clone().into(),
        last_seen_ms: None,
    };
    store.answer(Ok(found)).await;
    let attached = |delivery: &Delivery| match delivery {
        Delivery::Attached { attributes, .. } => Some(attributes.clone()),
        _ => None,
    };
    assert_eq!(notes.first(attached).await, stored.to_vec());
}

#[actix_rt::test]
async fn avatar_that_waits_for_the_store_is_counted() {
    let store = Arc::new(Slow::default());
    let (notes, directory, _) = start_with(store.clone());
    let awaited = || notes.1.get().unwrap().awaited();
    play(&directory, true);
    let (_, begin) = attach(1);
    call(&directory, 0, Call::Avatar(user(), begin));
    eventually("it waits", || awaited() == 1).await;
    store.answer(Ok(Stored::default())).await;
    eventually("it does not wait any more", || awaited() == 0).await;
}
