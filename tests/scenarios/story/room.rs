//! Game rooms: who is in, who hears what, in which order.

use serde_json::{Value, json};

use crate::client::Client;
use crate::door::Door;
use crate::support::Server;

/// The next message must tell this change of this member, and no other.
pub async fn changed<D: Door>(client: &mut Client<D>, user: &str, change: &str) {
    let told = client.expect("memberchange").await;
    assert_eq!(told["members"], json!({user: change}));
}

/// Two in a room, with nothing unread.
async fn pair<D: Door>(server: &Server) -> [Client<D>; 2] {
    let mut mel = Client::<D>::user(server, "1:1").await;
    let mut pomke = Client::<D>::user(server, "1:2").await;
    mel.join_room("r", "1:1").await;
    pomke.join_room("r", "1:2").await;
    changed(&mut mel, "1:2", "joined").await;
    [mel, pomke]
}

pub async fn members_hear_who_comes_and_goes<D: Door>() {
    let server = Server::start();
    let mut mel = Client::<D>::user(&server, "1:1").await;
    let joined = mel.join_room("CStrike", "1:1").await;
    assert_eq!(joined["channel"], "CStrike");
    assert_eq!(joined["self"], "1:1");
    assert_eq!(joined["members"], json!({"1:1": {"state": "joined"}}));
    assert!(joined["time"].as_f64().unwrap() > 1.7e12);
    let mut pomke = Client::<D>::user(&server, "1:2").await;
    let joined = pomke.join_room("CStrike", "1:2").await;
    let both = json!({"1:1": {"state": "joined"}, "1:2": {"state": "joined"}});
    assert_eq!(joined["members"], both);
    changed(&mut mel, "1:2", "joined").await;
    pomke.ask("leavegame", json!({"channel": "CStrike"})).await;
    changed(&mut mel, "1:2", "left").await;
    mel.settle().await;
    pomke.settle().await;
}

pub async fn all_members_see_one_order_the_sender_too<D: Door>() {
    const EACH: usize = 15;
    let server = Server::start();
    let [mut mel, mut pomke] = pair::<D>(&server).await;
    for n in 0..EACH {
        mel.act("r", "1:1", json!(["mel", n, null, {"force": 1.5}]))
            .await;
        pomke.act("r", "1:2", json!(["pomke", n])).await;
    }
    let mut seen: [Vec<Value>; 2] = Default::default();
    for (member, seen) in [&mut mel, &mut pomke].into_iter().zip(&mut seen) {
        while seen.len() < 2 * EACH {
            seen.extend(member.said().await);
        }
    }
    assert_eq!(seen[0], seen[1], "one order for all");
    for name in ["mel", "pomke"] {
        let own = seen[0].iter().filter(|data| data[0] == name);
        let own: Vec<u64> = own.map(|data| data[1].as_u64().unwrap()).collect();
        assert_eq!(own, (0..EACH as u64).collect::<Vec<_>>(), "{name}");
    }
    let told = seen[0].iter().find(|data| data[0] == "mel").unwrap();
    assert_eq!(told, &json!(["mel", 0, null, {"force": 1.5}]));
    mel.settle().await;
    pomke.settle().await;
}

pub async fn what_is_refused_is_seen_by_nobody<D: Door>() {
    let server = Server::start();
    let [mut mel, mut pomke] = pair::<D>(&server).await;
    let mut stranger = Client::<D>::user(&server, "1:3").await;
    let action = |from: &str| json!({"timestamp": 1, "from": from, "data": "hidden"});
    let game = |actions: &[Value]| json!({"channel": "r", "actions": actions});
    stranger
        .refused("game", game(&[action("1:3")]), "not_member")
        .await;
    let both = game(&[action("1:1"), action("1:2")]);
    let error = mel.refused("game", both, "forbidden").await;
    assert_eq!(error["details"]["index"], 1);
    let as_mel = json!({"channel": "r", "self": "1:1"});
    stranger.refused("joingame", as_mel, "forbidden").await;
    let nowhere = json!({"channel": "nowhere"});
    stranger.refused("leavegame", nowhere, "not_found").await;
    mel.act("r", "1:1", json!("seen")).await;
    assert_eq!(mel.said().await, ["seen"]);
    assert_eq!(pomke.said().await, ["seen"]);
    stranger.settle().await;
}

pub async fn an_invite_reaches_who_is_invited<D: Door>() {
    let server = Server::start();
    let mut mel = Client::<D>::user(&server, "1:1").await;
    let mut pomke = Client::<D>::user(&server, "1:2").await;
    let mut tom = Client::<D>::user(&server, "1:3").await;
    let data = json!({"channel": "r", "self": "1:1", "invite": ["1:2"]});
    mel.ask("joingame", data).await;
    let invite = json!({"channel": "r", "from": "1:1"});
    assert_eq!(pomke.expect("invite").await, invite);
    pomke.ask("declineinvite", json!({"channel": "r"})).await;
    let reply = json!({"channel": "r", "user": "1:2", "accepted": false});
    assert_eq!(mel.expect("invitereply").await, reply);
    tom.settle().await;
}
