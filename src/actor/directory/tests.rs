//! Fences and deadlines, with gateways that do what a test wants.

mod renewal;
mod saving;
mod store_answers;

use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use actix::Addr;
use turntable_core::key::{
    Caller, GatewayId, NodeId, Place, SessionKey, SessionSlot, SlotKey as _, WorkerId,
};
use turntable_core::model::game::Games;
use turntable_core::packet::Presence;

use super::*;
use crate::actor::totals::Totals;
use crate::actor::{ActorSettings, Surroundings};
use crate::cluster::bus::Bus;
use crate::cluster::local::LocalOwners;
use crate::cluster::mailbox::Mailboxes;
use crate::metric::Metrics;
use crate::portal::Portal;
use crate::portal::factory::Factory;
use crate::portal::settings::{AvatarSettings, PortalSettings, SessionPolicy};
use crate::store::memory::MemoryStore;
use crate::store::{Fact, Load, Loaded, Record, Saved, Store, Stored, Unavailable};
use crate::watched::Watched;
use crate::webhook::Webhooks;
use crate::webhook::settings::WebhookSettings;
use turntable_core::backup::Attributes;
use turntable_core::model::settings::AttributeSettings;
use turntable_core::packet::{LookupEntry, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

fn gateway(worker: u16) -> GatewayId {
    GatewayId {
        node: NodeId(0),
        boot: 1,
        worker: WorkerId(worker),
    }
}

/// A bus to two gateways that only note what they get.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<(GatewayId, Delivery)>>, OnceLock<Arc<Mailboxes>>);

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
    let (notes, directory, _) = start_counted();
    (notes, directory)
}

/// Waits until something is so.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
}

fn start_counted() -> (Arc<Notes>, Addr<Directory>, Arc<Metrics>) {
    start_with(Arc::new(MemoryStore::new(10)))
}

fn start_with(store: Arc<dyn Store>) -> (Arc<Notes>, Addr<Directory>, Arc<Metrics>) {
    let notes = Arc::new(Notes::default());
    let settings = ActorSettings {
        channels: turntable_core::model::namespace::Namespaces::default(),
        presence: Default::default(),
        attributes: AttributeSettings {
            durable: vec!["durable".into()],
            ..AttributeSettings::default()
        },
        attribute_rules: Default::default(),
        validators: Default::default(),
        room: Arc::default(),
        channel: Default::default(),
        games: Games::new([]),
        services: Default::default(),
        functions: Default::default(),
        local_services: Default::default(),
        sessions_per_user_max: 8,
        sessions: SessionPolicy::All,
    };
    let metrics = Arc::new(Metrics::default());
    let mailboxes = Arc::new(Mailboxes::new(1, &metrics));
    let _ = notes.1.set(mailboxes.clone());
    let portal = Portal::new(PortalSettings::default(), Vec::new(), store.clone()).unwrap();
    let portal = Arc::new(portal);
    let factory = Factory::new(AvatarSettings::default(), None, portal, metrics.clone());
    let surroundings = Surroundings::new(
        WorkerId(0),
        notes.clone(),
        Arc::new(LocalOwners::new(mailboxes.clone())),
        Arc::new(Watched::new(settings)),
        metrics.clone(),
        mailboxes,
        Arc::new(Totals::new(metrics.clone(), Arc::default())),
        store,
        Arc::new(factory),
        Webhooks::new(WebhookSettings::default(), metrics.clone()),
    );
    let directory = Directory::new(Rc::new(surroundings)).start();
    (notes, directory, metrics)
}

fn user() -> UserId {
    UserId::parse("1:1").unwrap()
}

fn call(directory: &Addr<Directory>, generation: u64, call: Call) {
    directory.do_send(Envelope(Stamped {
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

fn lookup_absent(directory: &Addr<Directory>, ticket: u64) {
    let absent = UserId::parse("1:2").unwrap();
    let lookup = AvatarCall::Lookup {
        gateway: gateway(0),
        ticket,
    };
    call(directory, 0, Call::Avatar(absent, lookup));
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

fn watch(directory: &Addr<Directory>, worker: u16) {
    let watch = AvatarCall::Watch {
        gateway: gateway(worker),
    };
    call(directory, 0, Call::Avatar(user(), watch));
}

/// A session of the user, which its avatar has to admit.
fn attach(number: u32) -> (Caller, AvatarCall) {
    let caller = Caller {
        key: SessionKey::from_number(number.into()),
        place: Place {
            gateway: gateway(0),
            slot: SessionSlot::new(number, 0),
        },
    };
    let attach = AvatarCall::Attach {
        is_known: false,
        roles: Vec::new(),
        caller,
        attributes: Vec::new(),
        status: None,
        id: None,
    };
    (caller, attach)
}

/// Has the user play in a room, or not any more: its avatar has to remember that.
fn play(directory: &Addr<Directory>, playing: bool) {
    let playing = AvatarCall::Playing {
        channel: ChannelId::parse("r").unwrap(),
        playing,
    };
    call(directory, 0, Call::Avatar(user(), playing));
}

/// Has an avatar that is watched fail.
async fn lose(notes: &Notes, directory: &Addr<Directory>) {
    play(directory, true);
    watch(directory, 0);
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
    // From here on time passes only while nothing can be done.
    tokio::time::pause();
    let start = tokio::time::Instant::now();
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
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    lookup(&directory, 0, 2);
    announce(&directory, 0, 1);
    announce(&directory, 1, 1);
    notes.found(2).await;
    assert!(start.elapsed() < RECOVERY, "both have announced");
}

#[actix_rt::test]
async fn watchers_of_absent_users_need_no_avatar_and_see_the_user_come_and_go() {
    let (notes, directory, metrics) = start_counted();
    let avatars = metrics.actors("avatar");
    for worker in [0, 1, 1] {
        watch(&directory, worker);
    }
    let at = |worker, presence| {
        let seen = Delivery::Presence {
            user: user(),
            presence,
        };
        let notes = notes.0.lock().unwrap();
        let to_it = notes.iter().filter(|(to, _)| *to == gateway(worker));
        to_it.filter(|(_, delivery)| *delivery == seen).count()
    };
    eventually("both know that it is offline", || {
        at(0, Presence::Offline) == 1 && at(1, Presence::Offline) == 2
    })
    .await;
    assert_eq!((avatars.get(), metrics.absent_watched.get()), (0, 1));

    let (caller, attach) = attach(7);
    for round in 1..3 {
        call(&directory, 0, Call::Avatar(user(), attach.clone()));
        eventually("both see it online", || {
            [0, 1].map(|worker| at(worker, Presence::Online)) == [round, round]
        })
        .await;
        assert_eq!((avatars.get(), metrics.absent_watched.get()), (1, 0));
        let remove = AvatarCall::Remove { caller };
        call(&directory, 0, Call::Avatar(user(), remove));
        eventually("its avatar ends and its watchers stay", || {
            (avatars.get(), metrics.absent_watched.get()) == (0, 1)
        })
        .await;
        assert_eq!(at(0, Presence::Offline), round + 1);
    }
    lookup(&directory, 0, 9);
    assert!(notes.found(9).await.last_seen_ms.is_some());
    for worker in [0, 1] {
        let unwatch = AvatarCall::Unwatch {
            gateway: gateway(worker),
        };
        call(&directory, 0, Call::Avatar(user(), unwatch));
    }
    eventually("nothing is left", || metrics.absent_watched.get() == 0).await;
}

#[actix_rt::test]
async fn watchers_outlive_the_loss_of_an_avatar_and_its_end() {
    let (notes, directory, metrics) = start_counted();
    lose(&notes, &directory).await;
    // The replacement ends once it knows its watchers.
    play(&directory, false);
    announce(&directory, 0, 1);
    announce(&directory, 1, 1);
    let avatars = metrics.actors("avatar");
    eventually("the replacement ends", || avatars.get() == 0).await;
    assert_eq!(metrics.absent_watched.get(), 1);
    // One that comes later counts as well.
    announce(&directory, 1, 1);
    lookup(&directory, 0, 2);
    notes.found(2).await;
    assert_eq!((avatars.get(), metrics.absent_watched.get()), (0, 1));
}

/// A store that answers when a test wants it to.
#[derive(Default)]
struct Slow {
    loads: Mutex<Vec<(UserId, Load)>>,
    saves: Mutex<Vec<Saved>>,
}

impl std::fmt::Debug for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slow")
    }
}

impl Store for Slow {
    fn get(&self, _: &UserId) -> Option<Stored> {
        None
    }

    fn load(&self, user: &UserId, load: Load) {
        self.loads.lock().unwrap().push((user.clone(), load));
    }

    fn save(&self, _: &UserId, _: Record, saved: Option<Saved>) {
        self.saves.lock().unwrap().extend(saved);
    }

    fn seen(&self, _: &UserId, _: u64) {}

    fn facts(&self, _: Fact) -> Result<Vec<(UserId, Box<str>)>, String> {
        Ok(Vec::new())
    }

    fn set_fact(&self, _: Fact, _: &UserId, _: Option<Box<str>>, saved: Saved) {
        self.saves.lock().unwrap().push(saved);
    }

    fn stop(&self) {}
}

impl Slow {
    /// Answers the next load of the user, which has to come.
    async fn answer(&self, loaded: Loaded) {
        let of_user = || {
            let loads = self.loads.lock().unwrap();
            loads.iter().position(|(of, _)| *of == user())
        };
        eventually("the store is asked", || of_user().is_some()).await;
        let at = of_user().unwrap();
        let (_, load) = self.loads.lock().unwrap().remove(at);
        load(loaded);
    }
}

#[actix_rt::test]
async fn calls_that_waited_for_the_store_outlive_the_loss_of_their_avatar() {
    let store = Arc::new(Slow::default());
    let (notes, directory, _) = start_with(store.clone());
    let (_, first) = attach(1);
    call(&directory, 0, Call::Avatar(user(), first));
    for ticket in 1..4 {
        lookup(&directory, 0, ticket);
    }
    // Answered behind them, by another owner on the same thread.
    lookup_absent(&directory, 9);
    eventually("all of them wait", || {
        store.loads.lock().unwrap().len() == 2
    })
    .await;
    call(&directory, 0, Call::Fail(OwnerId::Avatar(user())));
    store.answer(Ok(Stored::default())).await;
    // The call in hand is answered at once, the others by the replacement.
    let refused = |delivery: &Delivery| match delivery {
        Delivery::NotAttached { error, .. } => Some(error.code),
        _ => None,
    };
    assert_eq!(notes.first(refused).await, ErrorCode::Unavailable);
    announce(&directory, 0, 1);
    announce(&directory, 1, 1);
    store.answer(Ok(Stored::default())).await;
    notes.found(3).await;
    let tickets = notes.0.lock().unwrap();
    let tickets = tickets.iter().filter_map(|(_, delivery)| match delivery {
        Delivery::Found { ticket, .. } if *ticket < 9 => Some(*ticket),
        _ => None,
    });
    assert_eq!(tickets.collect::<Vec<_>>(), [1, 2, 3]);
}

#[actix_rt::test]
async fn end_of_a_session_does_not_overtake_its_beginning_behind_a_durable_set() {
    let store = Arc::new(Slow::default());
    let (notes, directory, metrics) = start_with(store.clone());
    let (first, begin) = attach(1);
    call(&directory, 0, Call::Avatar(user(), begin));
    store.answer(Ok(Stored::default())).await;
    let changes = |name: &str| vec![(name.into(), Some(Payload::from_json("1")))];
    let set = AvatarCall::Set {
        caller: first,
        changes: changes("durable"),
        id: Some(RequestId("set".into())),
    };
    call(&directory, 0, Call::Avatar(user(), set));
    eventually("it is stored", || store.saves.lock().unwrap().len() == 1).await;
    // A session that begins waits, and its end with it.
    let (second, begin) = attach(2);
    call(&directory, 0, Call::Avatar(user(), begin));
    for caller in [second, first] {
        let end = AvatarCall::Remove { caller };
        call(&directory, 0, Call::Avatar(user(), end));
    }
    // The avatar has them once the directory sends this on.
    lookup_absent(&directory, 9);
    eventually("they are there", || !store.loads.lock().unwrap().is_empty()).await;
    let saved = store.saves.lock().unwrap().remove(0);
    saved(Ok(()));
    let avatars = metrics.actors("avatar");
    let order = |delivery: &Delivery| match delivery {
        Delivery::Send { id: Some(_), .. } => Some("set"),
        Delivery::Attached { to, .. } if *to == second.place => Some("attached"),
        _ => None,
    };
    let (_, load) = store.loads.lock().unwrap().remove(0);
    load(Ok(Stored::default()));
    eventually("nobody is left", || avatars.get() == 0).await;
    let order: Vec<_> = {
        let notes = notes.0.lock().unwrap();
        let order = notes.iter().filter_map(|(_, delivery)| order(delivery));
        order.collect()
    };
    assert_eq!(order, ["set", "attached"]);
}
