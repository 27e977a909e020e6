//! Rooms and channels whose members come through different doors.

use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::Told;
use crate::client::Client;
use crate::door::Door;
use crate::support::Server;

/// What each says.
const EACH: usize = 10;

/// One table, as all who sit at it know it.
pub struct Table {
    server: Server,
    seats: usize,
    seated: Barrier,
}

/// One at the table, by the door that it was made of.
pub type Player = for<'a> fn(&'a Table, usize) -> Told<'a, Vec<Value>>;

/// Publishes by this door and returns what it heard.
pub fn speaker<D: Door + 'static>(table: &Table, seat: usize) -> Told<'_, Vec<Value>> {
    Box::pin(async move {
        let user = format!("1:{seat}");
        let mut client = Client::<D>::user(&table.server, &user).await;
        client.join("c").await;
        table.seated.wait().await;
        for n in 0..EACH {
            let data = json!({"channel": "c", "data": [user, n]});
            client.command("publish", data).await;
        }
        let mut heard = Vec::new();
        for _ in 0..table.seats * EACH {
            let message = client.expect("message").await;
            heard.push(json!([message["id"], message["data"]]));
        }
        client.settle().await;
        table.seated.wait().await;
        heard
    })
}

/// Plays by this door and returns what it saw.
pub fn player<D: Door + 'static>(table: &Table, seat: usize) -> Told<'_, Vec<Value>> {
    Box::pin(async move {
        let user = format!("1:{seat}");
        let mut client = Client::<D>::user(&table.server, &user).await;
        client.join_room("r", &user).await;
        table.seated.wait().await;
        for n in 0..EACH {
            client.act("r", &user, json!([D::NAME, n])).await;
        }
        let mut seen = Vec::new();
        while seen.len() < table.seats * EACH {
            let message = client.next().await;
            match message.command.as_str() {
                // The others, as they came.
                "memberchange" => {}
                "game" => seen.extend(actions(&message.data)),
                other => panic!("{other} by {}", D::NAME),
            }
        }
        client.settle().await;
        // Nobody leaves while another reads.
        table.seated.wait().await;
        seen
    })
}

/// What all see of each action: who, what and when.
fn actions(game: &Value) -> Vec<Value> {
    assert_eq!(game["channel"], "r");
    game["actions"].as_array().unwrap().clone()
}

/// What each of those at one table has seen.
async fn all(players: &[Player]) -> Vec<Vec<Value>> {
    let table = Table {
        server: Server::start(),
        seats: players.len(),
        seated: Barrier::new(players.len()),
    };
    let plays = players.iter().zip(1..);
    let plays = plays.map(|(player, seat)| player(&table, seat));
    let seen = futures_util::future::join_all(plays).await;
    for other in &seen[1..] {
        assert_eq!(other, &seen[0], "one order for all");
    }
    seen
}

/// All members see the same actions, stamped the same, in the same order.
pub async fn members_of_all_doors_see_one_order(players: &[Player]) {
    let seen = all(players).await;
    for seat in 1..=players.len() {
        let user = format!("1:{seat}");
        let own = seen[0].iter().filter(|action| action["from"] == *user);
        let own: Vec<&Value> = own.map(|action| &action["data"][1]).collect();
        assert_eq!(own, (0..EACH).collect::<Vec<_>>(), "{user}");
    }
}

/// All who listen hear the same messages in the same order.
pub async fn listeners_of_all_doors_hear_one_order(speakers: &[Player]) {
    let heard = all(speakers).await;
    for seat in 1..=speakers.len() {
        let user = format!("1:{seat}");
        let own = heard[0].iter().filter(|message| message[1][0] == *user);
        let own: Vec<&Value> = own.map(|message| &message[1][1]).collect();
        assert_eq!(own, (0..EACH).collect::<Vec<_>>(), "{user}");
    }
}
