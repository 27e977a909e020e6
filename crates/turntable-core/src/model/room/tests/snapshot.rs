//! A room that is restored from its value, at another time, behaves like the one
//! that was saved.

use proptest::prelude::*;

use super::*;
use crate::rate::BucketSettings;

/// Sessions; each user has two.
const SESSIONS: u32 = 8;
const USERS: u32 = 4;

#[derive(Debug, Clone)]
enum Input {
    Join {
        slot: u32,
        team: Option<u32>,
        invite: u32,
    },
    Leave(u32),
    Act {
        slot: u32,
        stamps: Vec<i32>,
        state: Option<u32>,
        result: bool,
    },
    Decline(u32),
    Detach(u32),
    Attach(u32),
    End(u32),
    Kick(u32),
    Announced {
        slot: u32,
        dropped_ms: Option<u64>,
    },
    Wait(u64),
}

fn input() -> impl Strategy<Value = Input> {
    let slot = 0..SESSIONS;
    let team = prop::option::of(0..2u32);
    let stamps = prop::collection::vec(-1_500..1_500i32, 0..4);
    let state = prop::option::of(0..9u32);
    let dropped_ms = prop::option::of(0..400u64);
    prop_oneof![
        5 => (slot.clone(), team, 0..USERS)
            .prop_map(|(slot, team, invite)| Input::Join { slot, team, invite }),
        1 => slot.clone().prop_map(Input::Leave),
        8 => (slot.clone(), stamps, state, any::<bool>())
            .prop_map(|(slot, stamps, state, result)| Input::Act { slot, stamps, state, result }),
        1 => (0..USERS).prop_map(Input::Decline),
        2 => slot.clone().prop_map(Input::Detach),
        2 => slot.clone().prop_map(Input::Attach),
        1 => slot.clone().prop_map(Input::End),
        1 => (0..USERS).prop_map(Input::Kick),
        1 => (slot, dropped_ms)
            .prop_map(|(slot, dropped_ms)| Input::Announced { slot, dropped_ms }),
        4 => (1..300u64).prop_map(Input::Wait),
    ]
}

fn game(tick_ms: u64) -> Arc<Game> {
    let settings = GameSettings {
        members_max: Some(3),
        teams: vec!["red".into(), "blue".into()],
        team_members_max: 2,
        tick_ms,
        seat_ms: Some(300),
        keep_state: true,
        report_result: true,
        actions_per_second: 5,
        ..GameSettings::default()
    };
    Arc::new(Game::new("strike", settings, None).unwrap())
}

fn settings() -> Arc<RoomSettings> {
    Arc::new(RoomSettings {
        empty_ms: 500,
        invites_waiting_max: 3,
        invite_ttl_ms: 400,
        tick_bytes_max: 1_024,
        // A dozen messages.
        bytes: BucketSettings::new(500, 2_000),
        results: BucketSettings::new(2, 2),
        ..RoomSettings::default()
    })
}

/// A room and a clock that began at `begin_ms`.
struct World {
    room: Room,
    begin_ms: u64,
    now_ms: u64,
}

/// What an input leads to; times count from the beginning.
#[derive(Debug, PartialEq)]
struct Seen {
    outcome: Outcome,
    members: Vec<RoomMember>,
    state: Option<Payload>,
    deadline_ms: Option<u64>,
    has_ended: bool,
}

impl World {
    fn step(&mut self, input: &Input) -> Seen {
        let now_ms = match input {
            Input::Wait(ms) => self.now_ms + ms,
            _ => self.now_ms,
        };
        self.now_ms = now_ms;
        let room = &mut self.room;
        let player = |slot: u32| user(&format!("1:{}", slot % USERS));
        let outcome = match input {
            Input::Join { slot, team, invite } => {
                let team = team.and_then(|team| ["red", "blue"].get(team as usize));
                let join = JoinGame {
                    invite: vec![player(*invite)],
                    team: team.map(|team| (*team).into()),
                    ..joining(player(*slot).as_str())
                };
                let user = player(*slot);
                room.join(session(*slot), &user, &join, true, request("1"), now_ms)
            }
            Input::Leave(slot) => room.leave(session(*slot), &player(*slot), request("1"), now_ms),
            Input::Act {
                slot,
                stamps,
                state,
                result,
            } => {
                let data = match state {
                    _ if *result => r#"{"result":1}"#.to_owned(),
                    Some(0) => r#"{"state":null}"#.to_owned(),
                    Some(state) => format!(r#"{{"state":{state}}}"#),
                    None => "1".to_owned(),
                };
                let actions = stamps.iter().map(|stamp_ms| Action {
                    timestamp_ms: f64::from(*stamp_ms),
                    ..action(player(*slot).as_str(), &data)
                });
                // The client's clock began with the test's.
                let clock = SenderClock::trusted(Some(self.begin_ms as f64));
                room.act(
                    session(*slot),
                    &player(*slot),
                    actions.collect(),
                    &clock,
                    now_ms,
                )
            }
            Input::Decline(index) => room.decline(&player(*index), now_ms),
            Input::Detach(slot) => {
                Ok(room.session_detached(session(*slot), &player(*slot), now_ms))
            }
            Input::Attach(slot) => {
                Ok(room.session_attached(session(*slot), &player(*slot), now_ms))
            }
            Input::End(slot) => {
                let is_bye = slot % 2 == 0;
                Ok(room.session_ended(session(*slot), &player(*slot), is_bye, now_ms))
            }
            Input::Kick(index) => room.kick(&player(*index), None, now_ms),
            Input::Announced { slot, dropped_ms } => {
                let team = Some("red".into());
                Ok(room.announced(session(*slot), &player(*slot), team, *dropped_ms, now_ms))
            }
            Input::Wait(_) => Ok(room.advance(now_ms)),
        };
        let begin_ms = self.begin_ms;
        Seen {
            outcome: outcome.map(|effects| {
                let effects = effects.into_iter();
                effects.map(|effect| relative(effect, begin_ms)).collect()
            }),
            members: room.members().snapshot(),
            state: room.state().cloned(),
            // What is due is due, be it long since or just now.
            deadline_ms: room.next_deadline().map(|ms| ms.max(now_ms) - begin_ms),
            has_ended: room.is_ended(),
        }
    }
}

/// An effect whose times count from the beginning.
fn relative(effect: Effect, begin_ms: u64) -> Effect {
    match effect {
        Effect::Broadcast(Packet::Game {
            channel,
            mut actions,
        }) => {
            for action in &mut actions {
                action.timestamp_ms -= begin_ms as f64;
            }
            Effect::Broadcast(Packet::Game { channel, actions })
        }
        Effect::Report(mut report) => {
            // It may lie before the beginning.
            for claim in &mut report.claims {
                claim.timestamp_ms = claim.timestamp_ms.wrapping_sub(begin_ms);
            }
            Effect::Report(report)
        }
        Effect::Send {
            session,
            id,
            packet: Packet::RoomJoined(mut joined),
        } => {
            joined.time_ms -= begin_ms;
            Effect::Send {
                session,
                id,
                packet: Packet::RoomJoined(joined),
            }
        }
        effect => effect,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_restored_room_behaves_alike(
        tick_ms in prop::sample::select(vec![0u64, 20, 500]),
        before in prop::collection::vec(input(), 0..60),
        after in prop::collection::vec(input(), 1..60),
        shift_ms in 0..1_000_000_000_000u64,
    ) {
        let (game, settings) = (game(tick_ms), settings());
        let mut saved = World {
            room: Room::new(channel(), game.clone(), settings.clone(), NOW),
            begin_ms: NOW,
            now_ms: NOW,
        };
        for input in &before {
            saved.step(input);
        }
        let snapshot = saved.room.save(saved.now_ms);
        let text = serde_json::to_string(&snapshot).unwrap();
        let read: RoomSnapshot = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &snapshot);
        prop_assert_eq!(read.game(), "strike");
        let now_ms = saved.now_ms - shift_ms;
        let mut restored = World {
            room: Room::restore(channel(), game, settings, read, now_ms),
            begin_ms: NOW - shift_ms,
            now_ms,
        };
        for input in &after {
            prop_assert_eq!(saved.step(input), restored.step(input), "{:?}", input);
        }
    }
}
