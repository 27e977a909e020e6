//! Rooms and channels whose members use different transports.

use serde_json::{Value, json};
use tokio::sync::Barrier;

use turntable_testkit::Server;

use super::BoxFuture;
use crate::client::Client;
use crate::transport::Transport;

/// How many messages each client sends.
const EACH: usize = 10;

/// Clients on one server.
pub struct Group {
    server: Server,
    size: usize,
    /// Passed when all have joined, and again when all have read everything.
    barrier: Barrier,
}

/// A client of the group, over the transport that the function is instantiated for;
/// returns what it received.
pub type Participant = for<'a> fn(&'a Group, usize) -> BoxFuture<'a, Vec<Value>>;

/// Publishes on a channel and returns all messages of the channel.
pub fn subscriber<T: Transport + 'static>(
    group: &Group,
    number: usize,
) -> BoxFuture<'_, Vec<Value>> {
    Box::pin(async move {
        let user = format!("1:{number}");
        let mut client = Client::<T>::user(&group.server, &user).await;
        client.join("c").await;
        group.barrier.wait().await;
        for n in 0..EACH {
            let data = json!({"channel": "c", "data": [user, n]});
            client.command("publish", data).await;
        }
        let mut received = Vec::new();
        for _ in 0..group.size * EACH {
            let message = client.expect("message").await;
            received.push(json!([message["id"], message["data"]]));
        }
        client.expect_nothing_pending().await;
        group.barrier.wait().await;
        received
    })
}

/// Acts in a room and returns all actions of the room.
pub fn member<T: Transport + 'static>(group: &Group, number: usize) -> BoxFuture<'_, Vec<Value>> {
    Box::pin(async move {
        let user = format!("1:{number}");
        let mut client = Client::<T>::user(&group.server, &user).await;
        client.join_room("r", &user).await;
        group.barrier.wait().await;
        for n in 0..EACH {
            client.act("r", &user, json!([T::NAME, n])).await;
        }
        let mut seen = Vec::new();
        while seen.len() < group.size * EACH {
            let message = client.next().await;
            match message.command.as_str() {
                // Others joined.
                "memberchange" => {}
                "game" => seen.extend(actions(&message.data)),
                other => panic!("{other} by {}", T::NAME),
            }
        }
        client.expect_nothing_pending().await;
        // No client leaves while another one reads.
        group.barrier.wait().await;
        seen
    })
}

/// The actions of a message.
fn actions(game: &Value) -> Vec<Value> {
    assert_eq!(game["channel"], "r");
    game["actions"].as_array().unwrap().clone()
}

/// What each client of a group received, which must be the same.
async fn run(participants: &[Participant]) -> Vec<Vec<Value>> {
    let group = Group {
        server: Server::start(),
        size: participants.len(),
        barrier: Barrier::new(participants.len()),
    };
    let numbered = participants.iter().zip(1..);
    let running = numbered.map(|(participant, number)| participant(&group, number));
    let received = futures_util::future::join_all(running).await;
    for other in &received[1..] {
        assert_eq!(other, &received[0], "one order for all");
    }
    received
}

/// All members receive the same actions with the same timestamps in the same order.
pub async fn members_of_all_transports_see_one_order(members: &[Participant]) {
    let seen = run(members).await;
    for number in 1..=members.len() {
        let user = format!("1:{number}");
        let own = seen[0].iter().filter(|action| action["from"] == *user);
        let own: Vec<&Value> = own.map(|action| &action["data"][1]).collect();
        assert_eq!(own, (0..EACH).collect::<Vec<_>>(), "{user}");
    }
}

/// All subscribers receive the same messages in the same order.
pub async fn subscribers_of_all_transports_see_one_order(subscribers: &[Participant]) {
    let received = run(subscribers).await;
    for number in 1..=subscribers.len() {
        let user = format!("1:{number}");
        let own = received[0].iter().filter(|message| message[1][0] == *user);
        let own: Vec<&Value> = own.map(|message| &message[1][1]).collect();
        assert_eq!(own, (0..EACH).collect::<Vec<_>>(), "{user}");
    }
}
