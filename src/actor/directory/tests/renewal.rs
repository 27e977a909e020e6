//! Sessions that renew their credentials.

use super::*;

#[actix_rt::test]
async fn session_that_is_here_stays_when_what_its_renewal_brings_is_refused() {
    let (notes, directory) = start();
    let (_, first) = attach(1);
    call(&directory, 0, Call::Avatar(user(), first));
    let (_, mut again) = attach(1);
    if let AvatarCall::Attach { attributes, .. } = &mut again {
        let long = format!("\"{}\"", "x".repeat(1_000_000));
        attributes.push(("long".into(), Payload::from_json(&long)));
    }
    call(&directory, 0, Call::Avatar(user(), again));
    lookup(&directory, 0, 1);
    let entry = notes.found(1).await;
    let refused =
        |delivery: &Delivery| matches!(delivery, Delivery::NotAttached { .. }).then_some(());
    assert!(notes.find(refused).is_some());
    assert_eq!((entry.state, entry.devices), (Presence::Online, 1));
}
