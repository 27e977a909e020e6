//! Lost rooms: members, teams, actions, play.

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Load, Operator, await_losses, server, within_a_second};
use turntable_testkit::Client;

const TEAMS: &str = "[games.ctf]\nteams = [\"red\", \"blue\"]\ntick_ms = 10\n";

fn join(client: &mut Client, user: &str, team: &str) {
    let join = json!({"channel": "r", "self": user, "game": "ctf", "team": team});
    client.command("joingame", join);
    client.await_command("joined");
}

fn act(client: &mut Client, user: &str, n: usize) {
    let action = json!({"timestamp": 1, "from": user, "data": n});
    client.command("game", json!({"channel": "r", "actions": [action]}));
}

/// The last action of a member's part.
const LAST: usize = 1_000_000;

/// What a member saw: every action in its order, every `joined`, and how often
/// it was refused.
#[derive(Default)]
struct Seen {
    actions: Vec<(String, u64, u64)>,
    joined: Vec<Value>,
    refused: usize,
}

impl Seen {
    fn note(&mut self, message: &Value) {
        let data = &message["data"];
        match message["command"].as_str().unwrap() {
            "game" => {
                for action in data["actions"].as_array().unwrap() {
                    let number = |name: &str| action[name].as_u64().unwrap();
                    let from = action["from"].as_str().unwrap().to_owned();
                    self.actions
                        .push((from, number("data"), number("timestamp")));
                }
            }
            "joined" => self.joined.push(data.clone()),
            "error" => {
                assert_eq!(data["code"], "unavailable", "{message}");
                self.refused += 1;
            }
            "memberchange" => {}
            _ => panic!("{message}"),
        }
    }

    fn last_ones(&self) -> usize {
        let is_last = |(_, n, _): &&(String, u64, u64)| *n == LAST as u64;
        self.actions.iter().filter(is_last).count()
    }
}

/// Acts until the load ends, reads meanwhile, and goes on reading until
/// `members` have said that they are done.
fn play(
    mut client: Client,
    user: &'static str,
    members: usize,
    load: &Load,
) -> JoinHandle<(Client, Seen)> {
    let load = load.clone();
    std::thread::spawn(move || {
        let mut seen = Seen::default();
        for n in (0..LAST).take_while(|_| load.goes_on()) {
            act(&mut client, user, n);
            if n % 3 == 0 {
                client.command("time", json!({"t0": n}));
                loop {
                    let message = client.next();
                    if message["command"] == "time" {
                        break;
                    }
                    seen.note(&message);
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        act(&mut client, user, LAST);
        while seen.last_ones() < members {
            seen.note(&client.next());
        }
        (client, seen)
    })
}

#[test]
fn members_stay_members_with_their_teams_while_the_room_is_lost() {
    let server = server(TEAMS, &[]);
    let mut operator = Operator::on(&server);
    let users = ["1:1", "1:2", "1:3", "1:4"];
    let teams = ["red", "blue", "red", "blue"];
    let mut clients = Vec::new();
    for (user, team) in users.into_iter().zip(teams) {
        let mut client = server.user(user);
        join(&mut client, user, team);
        clients.push(client);
    }
    let mut watcher = server.user("1:90");
    let busy = json!({"1:1": "busy", "1:2": "busy", "1:3": "busy", "1:4": "busy"});
    assert_eq!(watcher.subscribe(&users), busy);

    let load = Load::begin();
    let threads: Vec<_> = clients
        .into_iter()
        .zip(users)
        .map(|(client, user)| play(client, user, users.len(), &load))
        .collect();
    for count in [1.0, 2.0, 3.0] {
        operator.arm("room", "r");
        await_losses(&server, count);
    }
    load.end();
    let played: Vec<(Client, Seen)> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();

    let refused: usize = played.iter().map(|(_, seen)| seen.refused).sum();
    assert!(refused <= 3, "{refused}");
    let (_, first) = &played[0];
    for (_, seen) in &played {
        assert_eq!(seen.actions, first.actions, "one order for all");
        assert_eq!(seen.joined.len(), 3, "the room as it is after each loss");
        for joined in &seen.joined {
            for (user, team) in users.into_iter().zip(teams) {
                let expected = json!({"team": team, "state": "joined"});
                assert_eq!(joined["members"][user], expected, "{joined}");
            }
            let own = joined["self"].as_str().unwrap();
            assert_eq!(joined["team"], joined["members"][own]["team"]);
        }
    }
    let mut before: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (from, n, timestamp) in &first.actions {
        let (last_n, last_timestamp) = before.insert(from, (*n, *timestamp)).unwrap_or_default();
        assert!(*n >= last_n && *timestamp >= last_timestamp, "{from} {n}");
    }
    watcher.expect_nothing_pending();
    for ((mut client, _), user) in played.into_iter().zip(users) {
        client.command("leavegame", json!({"channel": "r"}));
        assert_eq!(watcher.expect("userchange"), json!({user: "online"}));
    }
}

#[test]
fn a_member_that_is_away_comes_back_to_the_replaced_room() {
    let server = server(TEAMS, &[]);
    let mut operator = Operator::on(&server);
    let mut mel = server.connect();
    let session = mel.identify("1:1")["session"].clone();
    join(&mut mel, "1:1", "red");
    let mut pomke = server.user("1:2");
    join(&mut pomke, "1:2", "blue");
    mel.expect("memberchange");
    mel.drop_connection();
    assert_eq!(
        pomke.expect("memberchange")["members"],
        json!({"1:1": "away"})
    );

    operator.arm("room", "r");
    act(&mut pomke, "1:2", 1);
    pomke.expect_error("unavailable");
    let joined = pomke.expect("joined");
    let members = json!({
        "1:1": {"team": "red", "state": "away"},
        "1:2": {"team": "blue", "state": "joined"},
    });
    assert_eq!(joined["members"], members);
    // Got so far: joined, memberchange.
    let mut mel = server.connect();
    mel.command("resume", json!({"session": session, "received": 2}));
    assert_eq!(mel.expect("welcome")["resumed"], true);
    assert_eq!(mel.await_command("joined")["team"], "red");
    assert_eq!(
        pomke.expect("memberchange")["members"],
        json!({"1:1": "back"})
    );
    act(&mut mel, "1:1", 2);
    for member in [&mut mel, &mut pomke] {
        assert_eq!(member.await_command("game")["actions"][0]["data"], 2);
    }
}

#[test]
fn a_member_that_leaves_as_the_room_is_lost_is_out_and_not_busy() {
    let server = server(TEAMS, &[]);
    let mut operator = Operator::on(&server);
    let [mut mel, mut pomke] = ["1:1", "1:2"].map(|id| server.user(id));
    join(&mut mel, "1:1", "red");
    join(&mut pomke, "1:2", "blue");
    mel.expect("memberchange");
    operator.arm("room", "r");
    mel.send(json!({"command": "leavegame", "data": {"channel": "r"}, "id": 1}));
    assert_eq!(mel.expect_error("unavailable")["id"], 1);
    let joined = pomke.expect("joined");
    assert_eq!(
        joined["members"],
        json!({"1:2": {"team": "blue", "state": "joined"}})
    );
    within_a_second("who left is not busy", || {
        let states = operator.0.request("lookup", json!(["1:1", "1:2"]));
        states["1:1"]["state"] == "online" && states["1:2"]["state"] == "busy"
    });
    act(&mut pomke, "1:2", 7);
    pomke.expect("game");
    mel.expect_nothing_pending();
    // Coming back is to join, and leaving a room that one is not in is done.
    join(&mut mel, "1:1", "red");
    assert_eq!(
        pomke.expect("memberchange")["members"],
        json!({"1:1": "joined"})
    );
}

#[test]
fn a_join_that_is_lost_with_the_room_is_refused_and_can_be_repeated() {
    let server = server(TEAMS, &[]);
    let mut operator = Operator::on(&server);
    let [mut mel, mut pomke] = ["1:1", "1:2"].map(|id| server.user(id));
    join(&mut mel, "1:1", "red");
    operator.arm("room", "r");
    let data = json!({"channel": "r", "self": "1:2"});
    pomke.send(json!({"command": "joingame", "data": data, "id": 1}));
    assert_eq!(pomke.expect_error("unavailable")["id"], 1);
    mel.expect("joined");
    // It is a member of the same game: there are teams.
    let joined = pomke.request("joingame", data);
    assert_eq!(joined["team"], "blue");
    assert_eq!(
        mel.expect("memberchange")["members"],
        json!({"1:2": "joined"})
    );
}
