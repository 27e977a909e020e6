//! Presence: what watchers receive.

use serde_json::json;

use turntable_testkit::Server;

use crate::client::Client;
use crate::transport::Transport;
use crate::transport::ws::Ws;

/// The next message must report this state of this user, and nothing else.
async fn expect_state<T: Transport>(client: &mut Client<T>, user: &str, state: &str) {
    assert_eq!(client.expect("userchange").await, json!({ user: state }));
}

pub async fn watcher_gets_state_and_then_changes<T: Transport>() {
    let server = Server::start();
    let mut watcher = Client::<T>::user(&server, "2:1").await;
    let snapshot = watcher.subscribe(&["1:1", "1:2", "2:1"]).await;
    let states = json!({"1:1": "offline", "1:2": "offline", "2:1": "online"});
    assert_eq!(snapshot, states);
    let mut friend = Client::<T>::user(&server, "1:1").await;
    expect_state(&mut watcher, "1:1", "online").await;
    friend.request("status", json!("busy")).await;
    expect_state(&mut watcher, "1:1", "busy").await;
    let note = json!({"state": "idle", "note": {"at": "lunch"}});
    friend.request("status", note).await;
    expect_state(&mut watcher, "1:1", "idle").await;
    let seen = watcher.request("lookup", json!(["1:1"])).await;
    assert_eq!(seen["1:1"]["note"], json!({"at": "lunch"}));
    friend.request("status", json!("invisible")).await;
    expect_state(&mut watcher, "1:1", "offline").await;
    friend.request("status", json!("online")).await;
    expect_state(&mut watcher, "1:1", "online").await;
    friend.bye().await;
    expect_state(&mut watcher, "1:1", "offline").await;
    watcher.expect_nothing_pending().await;
}

pub async fn commands_behind_one_of_many_users_are_carried_out_behind_it<T: Transport>() {
    let server = Server::start();
    let mut watcher = Client::<T>::user(&server, "2:1").await;
    let users: Vec<String> = (0..300).map(|number| format!("1:{number}")).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    // More than the server takes at once, and one answer.
    let states = watcher.subscribe(&names).await;
    assert_eq!(states.as_object().unwrap().len(), 300);
    watcher.command("unsubscribe", json!(names)).await;
    watcher.command("subscribe", json!(["1:299"])).await;
    expect_state(&mut watcher, "1:299", "offline").await;
    let unseen = Client::<Ws>::user(&server, "1:298").await;
    let seen = Client::<Ws>::user(&server, "1:299").await;
    expect_state(&mut watcher, "1:299", "online").await;
    unseen.bye().await;
    seen.bye().await;
    expect_state(&mut watcher, "1:299", "offline").await;
    watcher.expect_nothing_pending().await;
}

pub async fn status_of_an_identification_is_seen_from_the_first_moment<T: Transport>() {
    let keys = [("presence.grace_ms", "0"), ("presence.coalesce_ms", "0")];
    let server = Server::with(&keys);
    let mut watcher = Client::<Ws>::user(&server, "2:1").await;
    watcher.subscribe(&["1:1", "1:2"]).await;
    // A user that loads its page again and again is seen by nobody.
    let claim = json!({"user": "1:1", "status": "invisible"});
    for _ in 0..3 {
        let mut hidden = Client::<T>::open(&server).await;
        hidden.command("idme", claim.clone()).await;
        hidden.expect("welcome").await;
        hidden.request("lookup", json!([])).await;
        hidden.bye().await;
    }
    let status = json!({"state": "busy", "note": "in a call"});
    let mut busy = Client::<T>::open(&server).await;
    busy.command("idme", json!({"user": "1:2", "status": status}))
        .await;
    busy.expect("welcome").await;
    expect_state(&mut watcher, "1:2", "busy").await;
    let seen = watcher.request("lookup", json!(["1:1", "1:2"])).await;
    assert_eq!(seen["1:1"]["state"], "offline");
    assert_eq!(seen["1:2"]["note"], "in a call");
    busy.request("status", json!("online")).await;
    expect_state(&mut watcher, "1:2", "online").await;
    watcher.expect_nothing_pending().await;
}

pub async fn former_watcher_is_not_notified<T: Transport>() {
    let server = Server::start();
    let mut former = Client::<T>::user(&server, "2:1").await;
    let mut watcher = Client::<T>::user(&server, "2:2").await;
    former.subscribe(&["1:1", "1:2"]).await;
    watcher.subscribe(&["1:1"]).await;
    former.request("unsubscribe", json!(["1:1"])).await;
    let _friend = Client::<T>::user(&server, "1:1").await;
    expect_state(&mut watcher, "1:1", "online").await;
    // A report about the first user would precede this one.
    let _other = Client::<T>::user(&server, "1:2").await;
    expect_state(&mut former, "1:2", "online").await;
    former.expect_nothing_pending().await;
}

pub async fn dropped_friend_goes_offline_after_grace<T: Transport>() {
    let Some(keys) = T::QUICK_DISCONNECT else {
        return;
    };
    let server = Server::with(&[&[("presence.grace_ms", "200")], keys].concat());
    let mut watcher = Client::<Ws>::user(&server, "2:1").await;
    watcher.subscribe(&["1:1"]).await;
    let friend = Client::<T>::user(&server, "1:1").await;
    expect_state(&mut watcher, "1:1", "online").await;
    let start = std::time::Instant::now();
    let position = friend.cut();
    expect_state(&mut watcher, "1:1", "offline").await;
    assert!(start.elapsed().as_millis() >= 200, "{:?}", start.elapsed());
    // The session still exists; resuming it makes the user online again.
    let _back = Client::<T>::resume(&server, &position).await;
    expect_state(&mut watcher, "1:1", "online").await;
}

pub async fn return_within_grace_is_not_reported<T: Transport>() {
    let server = Server::with(&[("presence.grace_ms", "1500")]);
    let mut watcher = Client::<Ws>::user(&server, "2:1").await;
    watcher.subscribe(&["1:1", "1:2"]).await;
    let friend = Client::<T>::user(&server, "1:1").await;
    expect_state(&mut watcher, "1:1", "online").await;
    let mut friend = Client::<T>::resume(&server, &friend.cut()).await;
    friend.expect_nothing_pending().await;
    // Another user drops later; its report comes after the grace of the first.
    let other = Client::<Ws>::user(&server, "1:2").await;
    expect_state(&mut watcher, "1:2", "online").await;
    other.cut();
    expect_state(&mut watcher, "1:2", "offline").await;
    watcher.expect_nothing_pending().await;
    friend.expect_nothing_pending().await;
}

pub async fn watcher_gets_public_attributes<T: Transport>() {
    let server = Server::start();
    let mut friend = Client::<T>::user(&server, "1:1").await;
    let set = json!({"name": "Mel", "email": "a@b"});
    friend.request("set", set).await;
    let mut watcher = Client::<T>::user(&server, "2:1").await;
    watcher.command("subscribe", json!(["1:1"])).await;
    assert_eq!(watcher.expect("userchange").await, json!({"1:1": "online"}));
    let all = json!({"1:1": {"name": "Mel"}});
    assert_eq!(watcher.expect("profiles").await, all);
    friend
        .request("set", json!({"name": null, "score": 7}))
        .await;
    let changes = json!({"1:1": {"name": null, "score": 7}});
    assert_eq!(watcher.expect("profiles").await, changes);
    let seen = watcher.request("lookup", json!(["1:1"])).await;
    assert_eq!(seen["1:1"]["profile"], json!({"score": 7}));
    let mut second = Client::<T>::user(&server, "1:1").await;
    second.request("set", json!({"email": null})).await;
    assert_eq!(friend.expect("attributes").await, json!({"email": null}));
    watcher.expect_nothing_pending().await;
}

pub async fn users_see_each_other_while_both_watch<T: Transport>() {
    let server = Server::with(&[("presence.watch", "mutual")]);
    let mut mel = Client::<T>::user(&server, "1:1").await;
    let mut pomke = Client::<T>::user(&server, "1:2").await;
    let seen = mel.subscribe(&["1:2"]).await;
    assert_eq!(seen, json!({"1:2": "offline"}));
    mel.expect_nothing_pending().await;
    if pomke.subscribe(&["1:1"]).await == json!({"1:1": "offline"}) {
        expect_state(&mut pomke, "1:1", "online").await;
    }
    expect_state(&mut mel, "1:2", "online").await;
    pomke.request("unsubscribe", json!(["1:1"])).await;
    expect_state(&mut mel, "1:2", "offline").await;
}
