//! Game rooms: members, and the order of actions.

use serde_json::{Value, json};

use turntable_testkit::Server;

use crate::client::Client;
use crate::transport::Transport;

/// The next message must report this change of this member, and no other.
pub async fn expect_change<T: Transport>(client: &mut Client<T>, user: &str, change: &str) {
    let changed = client.expect("memberchange").await;
    assert_eq!(changed["members"], json!({user: change}));
}

/// Two members of a room, with nothing unread.
async fn pair<T: Transport>(server: &Server) -> [Client<T>; 2] {
    let mut mel = Client::<T>::user(server, "1:1").await;
    let mut pomke = Client::<T>::user(server, "1:2").await;
    mel.join_room("r", "1:1").await;
    pomke.join_room("r", "1:2").await;
    expect_change(&mut mel, "1:2", "joined").await;
    [mel, pomke]
}

pub async fn joins_and_leaves_are_reported_to_members<T: Transport>() {
    let server = Server::start();
    let mut mel = Client::<T>::user(&server, "1:1").await;
    let joined = mel.join_room("CStrike", "1:1").await;
    assert_eq!(joined["channel"], "CStrike");
    assert_eq!(joined["self"], "1:1");
    assert_eq!(joined["members"], json!({"1:1": {"state": "joined"}}));
    assert!(joined["time"].as_f64().unwrap() > 1.7e12);
    let mut pomke = Client::<T>::user(&server, "1:2").await;
    let joined = pomke.join_room("CStrike", "1:2").await;
    let both = json!({"1:1": {"state": "joined"}, "1:2": {"state": "joined"}});
    assert_eq!(joined["members"], both);
    expect_change(&mut mel, "1:2", "joined").await;
    pomke
        .request("leavegame", json!({"channel": "CStrike"}))
        .await;
    expect_change(&mut mel, "1:2", "left").await;
    mel.expect_nothing_pending().await;
    pomke.expect_nothing_pending().await;
}

pub async fn all_members_including_sender_see_one_order<T: Transport>() {
    const EACH: usize = 15;
    let server = Server::start();
    let [mut mel, mut pomke] = pair::<T>(&server).await;
    for n in 0..EACH {
        mel.act("r", "1:1", json!(["mel", n, null, {"force": 1.5}]))
            .await;
        pomke.act("r", "1:2", json!(["pomke", n])).await;
    }
    let mut seen: [Vec<Value>; 2] = Default::default();
    for (member, seen) in [&mut mel, &mut pomke].into_iter().zip(&mut seen) {
        while seen.len() < 2 * EACH {
            seen.extend(member.action_data().await);
        }
    }
    assert_eq!(seen[0], seen[1], "one order for all");
    for name in ["mel", "pomke"] {
        let own = seen[0].iter().filter(|data| data[0] == name);
        let own: Vec<u64> = own.map(|data| data[1].as_u64().unwrap()).collect();
        assert_eq!(own, (0..EACH as u64).collect::<Vec<_>>(), "{name}");
    }
    let first = seen[0].iter().find(|data| data[0] == "mel").unwrap();
    assert_eq!(first, &json!(["mel", 0, null, {"force": 1.5}]));
    mel.expect_nothing_pending().await;
    pomke.expect_nothing_pending().await;
}

pub async fn refused_actions_are_not_delivered<T: Transport>() {
    let server = Server::start();
    let [mut mel, mut pomke] = pair::<T>(&server).await;
    let mut stranger = Client::<T>::user(&server, "1:3").await;
    let action = |from: &str| json!({"timestamp": 1, "from": from, "data": "hidden"});
    let game = |actions: &[Value]| json!({"channel": "r", "actions": actions});
    stranger
        .request_refused("game", game(&[action("1:3")]), "not_member")
        .await;
    let both = game(&[action("1:1"), action("1:2")]);
    let error = mel.request_refused("game", both, "forbidden").await;
    assert_eq!(error["details"]["index"], 1);
    let as_mel = json!({"channel": "r", "self": "1:1"});
    stranger
        .request_refused("joingame", as_mel, "forbidden")
        .await;
    let nowhere = json!({"channel": "nowhere"});
    stranger
        .request_refused("leavegame", nowhere, "not_found")
        .await;
    mel.act("r", "1:1", json!("seen")).await;
    assert_eq!(mel.action_data().await, ["seen"]);
    assert_eq!(pomke.action_data().await, ["seen"]);
    stranger.expect_nothing_pending().await;
}

pub async fn invite_reaches_invited_user<T: Transport>() {
    let server = Server::start();
    let mut mel = Client::<T>::user(&server, "1:1").await;
    let mut pomke = Client::<T>::user(&server, "1:2").await;
    let mut tom = Client::<T>::user(&server, "1:3").await;
    let data = json!({"channel": "r", "self": "1:1", "invite": ["1:2"]});
    mel.request("joingame", data).await;
    let invite = json!({"channel": "r", "from": "1:1"});
    assert_eq!(pomke.expect("invite").await, invite);
    pomke
        .request("declineinvite", json!({"channel": "r"}))
        .await;
    let reply = json!({"channel": "r", "user": "1:2", "accepted": false});
    assert_eq!(mel.expect("invitereply").await, reply);
    tom.expect_nothing_pending().await;
}
