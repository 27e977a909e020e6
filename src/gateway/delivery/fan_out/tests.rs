use super::*;
use crate::gateway::delivery::frame::Message;
use crate::gateway::session::SessionEntry;
use crate::gateway::testing::{path, user};
use turntable_core::id::{MessageId, SessionId};
use turntable_core::key::{GatewayId, NodeId, SessionKey, SlotKey as _, WorkerId};
use turntable_core::session::Session;
use turntable_wire::frame::text_frame;

/// Bytes that may wait for a session.
const WAITING_MAX: usize = 1_000;

/// The tables of a worker without sockets.
struct World {
    sessions: Sessions,
    subscriptions: Subscriptions,
    dirty: Vec<ConnKey>,
    deliveries: u64,
}

impl World {
    fn new() -> Self {
        let gateway = GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(0),
        };
        Self {
            sessions: Sessions::new(gateway),
            subscriptions: Subscriptions::new(gateway, 1, Default::default()),
            dirty: Vec::new(),
            deliveries: 0,
        }
    }

    /// A session on these topics.
    fn begin(&mut self, topics: &[Topic]) -> SessionSlot {
        let number = self.sessions.next_key().index() + 1;
        let id = SessionId::from_bits([number as u8; 16]);
        let key = SessionKey::from_number(u64::from(number));
        let session = Session::new(key, id, user("1:1"), connection(number), 0);
        let slot = self
            .sessions
            .insert(SessionEntry::new(session, WAITING_MAX));
        for topic in topics {
            self.subscriptions.topics.enter(topic.clone(), slot.into());
        }
        slot
    }

    fn entry(&mut self, slot: SessionSlot) -> &mut SessionEntry {
        self.sessions.get_mut(slot).unwrap()
    }

    /// Publishes a message of so many bytes.
    fn publish(&mut self, topic: &Topic, bytes: usize, meta: Meta) -> Remainder {
        let text = "x".repeat(bytes);
        let v1 = text_frame(|out| out.extend_from_slice(text.as_bytes()));
        let fan_out = FanOut {
            sessions: &mut self.sessions,
            subscriptions: &mut self.subscriptions,
            dirty: &mut self.dirty,
            deliveries: &mut self.deliveries,
        };
        fan_out.publish(topic, SharedFrame::new(v1, MessageId::nil()), meta)
    }

    /// The messages that wait for a session, as the places of their texts in memory.
    fn waiting(&mut self, slot: SessionSlot) -> Vec<*const Message> {
        let waiting = self.entry(slot).session.outbox.waiting();
        waiting
            .map(|frame| std::ptr::from_ref(frame.as_message().unwrap()))
            .collect()
    }
}

/// The connection of the session with this number.
fn connection(number: u32) -> ConnKey {
    ConnKey::new(number, 0)
}

fn channel(text: &str) -> Topic {
    Topic::Channel(path(text))
}

fn below(text: &str) -> Topic {
    Topic::Below(path(text))
}

const ALL: Meta = Meta {
    offset: None,
    is_exact: false,
};

#[test]
fn each_receiver_has_it_once_whatever_covers_the_path() {
    let mut world = World::new();
    let exact = world.begin(&[channel("a/b")]);
    let twice = world.begin(&[channel("a/b"), below("a"), below("a/b")]);
    let above = world.begin(&[below("a")]);
    let beside = world.begin(&[channel("a"), below("a/c")]);
    let nothing = world.publish(&channel("a/b"), 10, ALL);
    assert_eq!(nothing, Remainder::default());
    for (session, count) in [(exact, 1), (twice, 1), (above, 1), (beside, 0)] {
        assert_eq!(world.waiting(session).len(), count, "{session:?}");
    }
    assert_eq!(world.deliveries, 3);
    // What a path above has to say to its own subscribers alone.
    let only = Meta {
        is_exact: true,
        ..ALL
    };
    world.publish(&channel("a/b"), 10, only);
    assert_eq!(world.waiting(above).len(), 1);
    assert_eq!((world.waiting(twice).len(), world.deliveries), (2, 5));
    // A connection is written to once, however much there is.
    assert_eq!(world.dirty, [1, 2, 3].map(connection));
    world.publish(&channel("nobody"), 10, ALL);
    assert_eq!(world.deliveries, 5);
}

#[test]
fn receivers_share_one_frame_but_those_that_read_it_alone() {
    let mut world = World::new();
    let topic = Topic::Room(path("four/1"));
    let sessions: Vec<_> = (0..3)
        .map(|_| world.begin(std::slice::from_ref(&topic)))
        .collect();
    world.entry(sessions[1]).is_read_alone = true;
    world.publish(&topic, 10, ALL);
    let first = world.waiting(sessions[0]);
    assert_ne!(world.waiting(sessions[1]), first);
    assert_eq!(world.waiting(sessions[2]), first);
}

#[test]
fn session_over_its_limit_is_reported_with_its_connection() {
    let mut world = World::new();
    let topic = channel("a");
    let session = world.begin(std::slice::from_ref(&topic));
    // One alone may be longer than what may wait; a second may not wait behind it.
    assert_eq!(
        world.publish(&topic, 2 * WAITING_MAX, ALL),
        Remainder::default()
    );
    let remainder = world.publish(&topic, 10, ALL);
    assert_eq!(remainder.overflowed, [(session, Some(connection(1)))]);
    assert!(remainder.left_out.is_empty());
}

#[test]
fn session_above_is_left_out_and_notified_once_until_it_has_caught_up() {
    let mut world = World::new();
    let above = world.begin(&[below("a")]);
    let named = world.begin(&[below("a/b")]);
    let topic = channel("a/b");
    let mut left_out = Vec::new();
    for _ in 0..4 {
        let remainder = world.publish(&topic, 400, ALL);
        left_out.extend(remainder.left_out);
        assert!(
            !remainder
                .overflowed
                .iter()
                .any(|(session, _)| *session == above)
        );
    }
    assert_eq!(left_out, [above]);
    // Half of what may wait is for the channels that the client named.
    assert_eq!(
        (world.waiting(above).len(), world.waiting(named).len()),
        (2, 4)
    );
    // Its client has read everything.
    world.entry(above).session.outbox.written(2, 0);
    assert_eq!(world.publish(&topic, 400, ALL).left_out, []);
    assert_eq!(world.publish(&topic, 400, ALL).left_out, []);
    assert_eq!(world.publish(&topic, 400, ALL).left_out, [above]);
}
