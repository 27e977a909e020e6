//! Friends come and go.

use serde_json::json;

use crate::client::Client;
use crate::door::Door;
use crate::door::ws::Ws;
use crate::support::Server;

/// The next change, which must be this one alone.
async fn told<D: Door>(client: &mut Client<D>, user: &str, state: &str) {
    assert_eq!(client.expect("userchange").await, json!({ user: state }));
}

pub async fn who_watches_is_told_the_state_and_then_the_changes<D: Door>() {
    let server = Server::start();
    let mut watcher = Client::<D>::user(&server, "2:1").await;
    let snapshot = watcher.subscribe(&["1:1", "1:2", "2:1"]).await;
    let states = json!({"1:1": "offline", "1:2": "offline", "2:1": "online"});
    assert_eq!(snapshot, states);
    let mut friend = Client::<D>::user(&server, "1:1").await;
    told(&mut watcher, "1:1", "online").await;
    friend.ask("status", json!("busy")).await;
    told(&mut watcher, "1:1", "busy").await;
    let note = json!({"state": "idle", "note": {"at": "lunch"}});
    friend.ask("status", note).await;
    told(&mut watcher, "1:1", "idle").await;
    let seen = watcher.ask("lookup", json!(["1:1"])).await;
    assert_eq!(seen["1:1"]["note"], json!({"at": "lunch"}));
    friend.ask("status", json!("invisible")).await;
    told(&mut watcher, "1:1", "offline").await;
    friend.ask("status", json!("online")).await;
    told(&mut watcher, "1:1", "online").await;
    friend.bye().await;
    told(&mut watcher, "1:1", "offline").await;
    watcher.settle().await;
}

pub async fn who_watches_no_more_is_told_nothing<D: Door>() {
    let server = Server::start();
    let mut former = Client::<D>::user(&server, "2:1").await;
    let mut watcher = Client::<D>::user(&server, "2:2").await;
    former.subscribe(&["1:1", "1:2"]).await;
    watcher.subscribe(&["1:1"]).await;
    former.ask("unsubscribe", json!(["1:1"])).await;
    let _friend = Client::<D>::user(&server, "1:1").await;
    told(&mut watcher, "1:1", "online").await;
    // Had it been told of the first, that would have come before.
    let _other = Client::<D>::user(&server, "1:2").await;
    told(&mut former, "1:2", "online").await;
    former.settle().await;
}

pub async fn a_dropped_friend_is_offline_when_the_grace_is_over<D: Door>() {
    let Some(keys) = D::SOON_MISSED else { return };
    let server = Server::with(&[&[("presence.grace_ms", "200")], keys].concat());
    let mut watcher = Client::<Ws>::user(&server, "2:1").await;
    watcher.subscribe(&["1:1"]).await;
    let friend = Client::<D>::user(&server, "1:1").await;
    told(&mut watcher, "1:1", "online").await;
    let start = std::time::Instant::now();
    let cut = friend.cut();
    told(&mut watcher, "1:1", "offline").await;
    assert!(start.elapsed().as_millis() >= 200, "{:?}", start.elapsed());
    // The session is there all the same, and brings its user back.
    let _back = Client::<D>::resume(&server, &cut).await;
    told(&mut watcher, "1:1", "online").await;
}

pub async fn a_return_within_the_grace_is_never_seen<D: Door>() {
    let server = Server::with(&[("presence.grace_ms", "1500")]);
    let mut watcher = Client::<Ws>::user(&server, "2:1").await;
    watcher.subscribe(&["1:1", "1:2"]).await;
    let friend = Client::<D>::user(&server, "1:1").await;
    told(&mut watcher, "1:1", "online").await;
    let mut friend = Client::<D>::resume(&server, &friend.cut()).await;
    friend.settle().await;
    // Somebody else drops later, and is missed for as long.
    let other = Client::<Ws>::user(&server, "1:2").await;
    told(&mut watcher, "1:2", "online").await;
    other.cut();
    told(&mut watcher, "1:2", "offline").await;
    watcher.settle().await;
    friend.settle().await;
}
