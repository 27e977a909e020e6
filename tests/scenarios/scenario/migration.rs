//! One session that moves between transports while another client publishes: its
//! messages are counted over all of them.

use std::any::Any;

use serde_json::json;

use turntable_testkit::{Random, Server};

use super::BoxFuture;
use crate::client::Client;
use crate::transport::ws::Ws;
use crate::transport::{Position, Transport};

const PATH: &str = "migration";

/// A session that moves.
pub struct Migration<'s> {
    server: &'s Server,
    publisher: Client<Ws>,
    position: Position,
    /// The previous connection, if it was left open.
    previous: Option<Box<dyn Any>>,
    published: u64,
    read: u64,
}

/// One stay at the transport that the function is instantiated for.
pub type Hop = for<'a> fn(&'a mut Migration<'_>, Step) -> BoxFuture<'a, ()>;

/// What happens during one stay.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Messages published before it begins.
    before: u64,
    /// Messages published while it lasts.
    during: u64,
    /// How many messages are read, at most.
    read: u64,
    /// Whether the received messages are acknowledged.
    acknowledge: bool,
    /// Whether the connection breaks; else it stays open until another replaces it.
    cut: bool,
}

impl Step {
    /// Some of everything.
    const FULL: Self = Self {
        before: 2,
        during: 2,
        read: 3,
        acknowledge: true,
        cut: true,
    };
}

impl<'s> Migration<'s> {
    /// A session that begins on this transport.
    async fn begin<T: Transport>(server: &'s Server) -> Self {
        let mut client = Client::<T>::user(server, "1:1").await;
        client.join(PATH).await;
        Self {
            server,
            publisher: Client::user(server, "1:9").await,
            position: client.cut(),
            previous: None,
            published: 0,
            read: 0,
        }
    }

    async fn publish(&mut self, count: u64) {
        for _ in 0..count {
            self.publisher.publish(PATH, json!(self.published)).await;
            self.published += 1;
        }
    }

    async fn read<T: Transport>(&mut self, client: &mut Client<T>, count: u64) {
        let until = self.read + count;
        while self.read < until {
            let message = client.next().await;
            // A break decides whether answers to `time` were sent.
            if message.command != "time" {
                assert_eq!(message.command, "message", "{message:?} by {}", T::NAME);
                assert_eq!(message.data["data"], self.read, "by {}", T::NAME);
                self.read += 1;
            }
        }
    }

    /// Resumes over this transport, reads some messages, and leaves.
    async fn stay<T: Transport + 'static>(&mut self, step: Step) {
        self.publish(step.before).await;
        let mut client = Client::<T>::resume(self.server, &self.position).await;
        self.previous = None;
        self.publish(step.during).await;
        let count = step.read.min(self.published - self.read);
        self.read(&mut client, count).await;
        self.position = client.position();
        if step.acknowledge {
            let acknowledgement = json!({"t0": 1, "received": self.position.received});
            client.command("time", acknowledgement).await;
        }
        if !step.cut {
            self.previous = Some(Box::new(client.transport));
        }
    }

    /// Reads all remaining messages; no other may follow.
    async fn end<T: Transport>(mut self) {
        let mut client = Client::<T>::resume(self.server, &self.position).await;
        let remaining = self.published - self.read;
        self.read(&mut client, remaining).await;
        let id = client.start_request("time", json!({"t0": 2})).await;
        loop {
            let message = client.next().await;
            assert_eq!(message.command, "time", "{message:?}");
            if message.id.as_ref() == Some(&id) {
                return;
            }
        }
    }
}

/// [`Migration::stay`] as a [`Hop`].
pub fn hop<'a, T: Transport + 'static>(
    migration: &'a mut Migration<'_>,
    step: Step,
) -> BoxFuture<'a, ()> {
    Box::pin(migration.stay::<T>(step))
}

/// From this transport to every transport, and back from each.
pub async fn session_moves_to_every_transport_and_back<T: Transport + 'static>(hops: &[Hop]) {
    let server = Server::start();
    let mut migration = Migration::begin::<T>(&server).await;
    for hop in hops {
        hop(&mut migration, Step::FULL).await;
        migration.stay::<T>(Step::FULL).await;
    }
    migration.end::<T>().await;
}

/// Through these transports in random order.
pub async fn session_moves_at_random_and_loses_nothing(hops: &[Hop]) {
    let server = Server::start();
    for seed in [0x5eed, 0xfeed, 0xbeef] {
        println!("seed {seed:x}");
        let mut random = Random::new(seed);
        let mut migration = Migration::begin::<Ws>(&server).await;
        for _ in 0..40 {
            let step = Step {
                before: random.below(4),
                during: random.below(4),
                read: random.below(8),
                acknowledge: random.below(4) == 0,
                cut: random.below(3) > 0,
            };
            let hop = hops[random.index(hops.len())];
            hop(&mut migration, step).await;
        }
        migration.end::<Ws>().await;
    }
}
