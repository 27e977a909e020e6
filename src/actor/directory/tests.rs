//! Fences and deadlines, with gateways that do what a test wants.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::Addr;
use turntable_core::key::{GatewayId, NodeId, WorkerId};
use turntable_core::model::game::Games;
use turntable_core::packet::Presence;

use super::*;
use crate::actor::{ActorSettings, Surroundings};
use crate::cluster::bus::Bus;
use crate::cluster::local::LocalOwners;
use crate::metric::Metrics;
use crate::watched::Watched;

fn gateway(worker: u16) -> GatewayId {
    GatewayId {
        node: NodeId(0),
        boot: 1,
        worker: WorkerId(worker),
    }
}

/// A bus to two gateways that only note what they get.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<(GatewayId, Delivery)>>);

impl Bus for Notes {
    fn send(&self, to: GatewayId, delivery: Delivery) {
        self.0.lock().unwrap().push((to, delivery));
    }

    fn gateways(&self) -> Vec<GatewayId> {
        vec![gateway(0), gateway(1)]
    }
}

impl Notes {
    /// The first delivery of a kind; waits for it.
    async fn first<T>(&self, what: impl Fn(&Delivery) -> Option<T>) -> T {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(found) = self.find(&what) {
                return found;
            }
            assert!(Instant::now() < until, "{:?}", self.0);
            actix_rt::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn find<T>(&self, what: impl Fn(&Delivery) -> Option<T>) -> Option<T> {
        let notes = self.0.lock().unwrap();
        notes.iter().find_map(|(_, delivery)| what(delivery))
    }

    async fn found(&self, of: u64) -> LookupEntry {
        self.first(|delivery| match delivery {
            Delivery::Found { ticket, entry, .. } if *ticket == of => Some(entry.clone()),
            _ => None,
        })
        .await
    }
}

fn start() -> (Arc<Notes>, Addr<Directory>) {
    let notes = Arc::new(Notes::default());
    let settings = ActorSettings {
        presence: Default::default(),
        room: Arc::default(),
        channel: Default::default(),
        games: Games::new([]),
        sessions_per_user_max: 8,
    };
    let surroundings = Surroundings::new(
        WorkerId(0),
        notes.clone(),
        Arc::new(LocalOwners::new(1)),
        Arc::new(Watched::new(settings)),
        Arc::new(Metrics::default()),
    );
    (notes, Directory::new(Rc::new(surroundings)).start())
}

fn user() -> UserId {
    UserId::parse("1:1").unwrap()
}

fn call(directory: &Addr<Directory>, generation: u64, call: Call) {
    directory.do_send(Mail(Stamped {
        generation: Generation(generation),
        call,
    }));
}

fn lookup(directory: &Addr<Directory>, generation: u64, ticket: u64) {
    let lookup = AvatarCall::Lookup {
        gateway: gateway(0),
        ticket,
    };
    call(directory, generation, Call::Avatar(user(), lookup));
}

fn announce(directory: &Addr<Directory>, worker: u16, generation: u64) {
    let announcement = AvatarCall::Announce {
        gateway: gateway(worker),
        generation: Generation(generation),
        is_watching: true,
        sessions: Vec::new(),
    };
    call(directory, generation, Call::Avatar(user(), announcement));
}

/// Has an avatar that is watched fail.
async fn lose(notes: &Notes, directory: &Addr<Directory>) {
    let watch = AvatarCall::Watch {
        gateway: gateway(0),
    };
    call(directory, 0, Call::Avatar(user(), watch));
    let seen = |delivery: &Delivery| matches!(delivery, Delivery::Presence { .. }).then_some(());
    notes.first(seen).await;
    call(directory, 0, Call::Fail(OwnerId::Avatar(user())));
    lookup(directory, 0, 1);
    let refused =
        |delivery: &Delivery| (*delivery == Delivery::LookupFailed { ticket: 1 }).then_some(());
    notes.first(refused).await;
    let lost = |delivery: &Delivery| match delivery {
        Delivery::OwnerLost { generation, .. } => Some(*generation),
        _ => None,
    };
    assert_eq!(notes.first(lost).await, Generation(1));
}

#[actix_rt::test]
async fn a_directory_that_was_superseded_refuses() {
    let (notes, directory) = start();
    lookup(&directory, 7, 1);
    let refused =
        |delivery: &Delivery| (*delivery == Delivery::LookupFailed { ticket: 1 }).then_some(());
    notes.first(refused).await;
    lookup(&directory, 0, 2);
    assert_eq!(notes.found(2).await.state, Presence::Offline);
}

#[actix_rt::test]
async fn calls_wait_for_all_gateways_and_announcements_of_an_older_loss_do_not_count() {
    let (notes, directory) = start();
    lose(&notes, &directory).await;
    let start = Instant::now();
    lookup(&directory, 0, 2);
    announce(&directory, 0, 1);
    announce(&directory, 1, 0);
    notes.found(2).await;
    assert!(start.elapsed() >= RECOVERY / 2, "the second was missing");
}

#[actix_rt::test]
async fn calls_wait_no_longer_than_the_announcements_take() {
    let (notes, directory) = start();
    lose(&notes, &directory).await;
    let start = Instant::now();
    lookup(&directory, 0, 2);
    announce(&directory, 0, 1);
    announce(&directory, 1, 1);
    notes.found(2).await;
    assert!(start.elapsed() < RECOVERY, "both have announced");
}
