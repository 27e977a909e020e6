//! One session that goes from door to door while somebody publishes: what it
//! gets is counted over all of them.

use std::any::Any;

use serde_json::json;

use super::Told;
use crate::client::Client;
use crate::door::ws::Ws;
use crate::door::{Cut, Door};
use crate::support::Server;

const PATH: &str = "journey";

/// The way of one session.
pub struct Journey<'s> {
    server: &'s Server,
    publisher: Client<Ws>,
    place: Cut,
    /// The line before, where it was left standing.
    left: Option<Box<dyn Any>>,
    published: u64,
    got: u64,
}

/// A part of a journey: by the door that it was made of.
pub type Leg = for<'a> fn(&'a mut Journey<'_>, Step) -> Told<'a, ()>;

/// What happens on one leg.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Published before it begins.
    before: u64,
    /// Published while it lasts.
    during: u64,
    /// How many are read, at most.
    read: u64,
    /// Whether what was got is acknowledged.
    acknowledge: bool,
    /// Whether the line breaks; else it stands until another takes its place.
    cut: bool,
}

impl Step {
    /// A bit of everything.
    const FULL: Self = Self {
        before: 2,
        during: 2,
        read: 3,
        acknowledge: true,
        cut: true,
    };
}

impl<'s> Journey<'s> {
    /// A session that begins at this door.
    async fn begin<D: Door>(server: &'s Server) -> Self {
        let mut client = Client::<D>::user(server, "1:1").await;
        client.join(PATH).await;
        Self {
            server,
            publisher: Client::user(server, "1:9").await,
            place: client.cut(),
            left: None,
            published: 0,
            got: 0,
        }
    }

    async fn publish(&mut self, count: u64) {
        for _ in 0..count {
            self.publisher.publish(PATH, json!(self.published)).await;
            self.published += 1;
        }
    }

    async fn read<D: Door>(&mut self, client: &mut Client<D>, count: u64) {
        let until = self.got + count;
        while self.got < until {
            let message = client.next().await;
            // A break decides whether answers to `time` were made.
            if message.command != "time" {
                assert_eq!(message.command, "message", "{message:?} by {}", D::NAME);
                assert_eq!(message.data["data"], self.got, "by {}", D::NAME);
                self.got += 1;
            }
        }
    }

    /// Comes back by this door, reads some, and leaves it.
    async fn by<D: Door + 'static>(&mut self, step: Step) {
        self.publish(step.before).await;
        let mut client = Client::<D>::resume(self.server, &self.place).await;
        self.left = None;
        self.publish(step.during).await;
        let count = step.read.min(self.published - self.got);
        self.read(&mut client, count).await;
        self.place = client.place();
        if step.acknowledge {
            let told = json!({"t0": 1, "received": self.place.received});
            client.command("time", told).await;
        }
        if !step.cut {
            self.left = Some(Box::new(client.door));
        }
    }

    /// Reads everything that is left, and sees that it was everything.
    async fn end<D: Door>(mut self) {
        let mut client = Client::<D>::resume(self.server, &self.place).await;
        let left = self.published - self.got;
        self.read(&mut client, left).await;
        let id = client.question("time", json!({"t0": 2})).await;
        loop {
            let message = client.next().await;
            assert_eq!(message.command, "time", "{message:?}");
            if message.id.as_ref() == Some(&id) {
                return;
            }
        }
    }
}

/// [`Journey::by`] as a [`Leg`].
pub fn leg<'a, D: Door + 'static>(journey: &'a mut Journey<'_>, step: Step) -> Told<'a, ()> {
    Box::pin(journey.by::<D>(step))
}

/// From this door to every door, and back from each.
pub async fn a_session_goes_from_here_to_every_door_and_back<D: Door + 'static>(legs: &[Leg]) {
    let server = Server::start();
    let mut journey = Journey::begin::<D>(&server).await;
    for leg in legs {
        leg(&mut journey, Step::FULL).await;
        journey.by::<D>(Step::FULL).await;
    }
    journey.end::<D>().await;
}

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Through these doors in any order.
pub async fn a_session_wanders_and_loses_nothing(legs: &[Leg]) {
    let server = Server::start();
    for seed in [0x5eed, 0xfeed, 0xbeef] {
        println!("seed {seed:x}");
        let mut dice = Dice(seed);
        let mut journey = Journey::begin::<Ws>(&server).await;
        for _ in 0..40 {
            let step = Step {
                before: dice.below(4),
                during: dice.below(4),
                read: dice.below(8),
                acknowledge: dice.below(4) == 0,
                cut: dice.below(3) > 0,
            };
            let at = dice.below(legs.len() as u64) as usize;
            legs[at](&mut journey, step).await;
        }
        journey.end::<Ws>().await;
    }
}
