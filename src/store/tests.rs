//! One list of properties for every store: in memory, in a file, and stores that fail. Those
//! of a file are looked at again in a copy of it, which is what a killed process leaves.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::*;
use turntable_core::frame::SharedFrame;
use turntable_core::id::MessageId;
use turntable_core::payload::Payload;
use turntable_wire::frame::text_frame;

const DEADLINE: Duration = Duration::from_secs(20);

/// A store, and how another one finds what it has.
struct Opened {
    store: Arc<dyn Store>,
    settings: StoreSettings,
    folder: tempfile::TempDir,
}

impl Opened {
    fn new(is_file: bool, write_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let settings = StoreSettings {
            path: if is_file {
                path("store")
            } else {
                String::new()
            },
            write_ms,
            users_max: 100,
            ..StoreSettings::default()
        };
        Self {
            store: open(&settings),
            settings,
            folder,
        }
    }

    fn has_file(&self) -> bool {
        self.store.path().is_some()
    }

    /// The store of the next process, behind an end in order.
    fn restarted(&mut self) -> &dyn Store {
        self.store.stop();
        self.store = open(&self.settings);
        &*self.store
    }

    /// The store of the next process, behind a kill at this moment.
    fn killed(&self) -> Arc<dyn Store> {
        let copy: PathBuf = self.folder.path().join("copy");
        std::fs::copy(&self.settings.path, &copy).unwrap();
        let path = copy.to_str().unwrap().to_owned();
        let settings = self.settings.clone();
        open(&StoreSettings { path, ..settings })
    }
}

fn open(settings: &StoreSettings) -> Arc<dyn Store> {
    super::open(settings, 100, None, &Arc::default()).unwrap()
}

fn user(number: u32) -> UserId {
    UserId::parse(&format!("1:{number}")).unwrap()
}

fn attributes(fields: &[(&str, &str)]) -> Attributes {
    let field = |&(name, json): &(&str, &str)| (Box::from(name), Payload::from_json(json));
    fields.iter().map(field).collect()
}

/// What a callback gets, which is called once.
fn once<T: Send + 'static>(start: impl FnOnce(Box<dyn FnOnce(T) + Send>)) -> Receiver<T> {
    let (send, received) = channel();
    start(Box::new(move |value| send.send(value).unwrap()));
    received
}

fn load(store: &dyn Store, user: &UserId) -> Loaded {
    let loaded = once(|load| store.load(user, load));
    loaded.recv_timeout(DEADLINE).unwrap()
}

fn loaded(store: &dyn Store, number: u32) -> Attributes {
    load(store, &user(number)).unwrap().record.attributes
}

/// Saves, and waits until it is durable.
fn save(store: &dyn Store, number: u32, attributes: Attributes) -> Result<(), Unavailable> {
    let saved = once(|saved| store.save(&user(number), attributes.into(), Some(saved)));
    saved.recv_timeout(DEADLINE).unwrap()
}

fn set_fact(
    store: &dyn Store,
    fact: Fact,
    number: u32,
    text: Option<&str>,
) -> Result<(), Unavailable> {
    let text = text.map(Box::from);
    let saved = once(|saved| store.set_fact(fact, &user(number), text, saved));
    saved.recv_timeout(DEADLINE).unwrap()
}

fn message(offset: u64) -> ChannelChange {
    let text = format!(r#"{{"command":"message","data":{{"n":{offset}}}}}"#);
    let frame = text_frame(|out| out.extend_from_slice(text.as_bytes()));
    ChannelChange::Message {
        epoch: "e".into(),
        offset,
        at_ms: offset,
        until_ms: u64::MAX >> 1,
        frame: SharedFrame::new(frame, MessageId::from(u128::from(offset))),
        first: 1,
    }
}

fn load_channel(store: &dyn Store, path: &str) -> LoadedChannel {
    let channel = ChannelId::parse(path).unwrap();
    let loaded = once(|load| store.load_channel(&channel, load));
    loaded.recv_timeout(DEADLINE).unwrap()
}

/// The same for a store in memory and one in a file.
fn each(test: impl Fn(Opened)) {
    for is_file in [false, true] {
        test(Opened::new(is_file, 0));
    }
}

#[test]
fn last_save_of_a_user_is_loaded_whole_and_as_it_was() {
    each(|opened| {
        let store = &*opened.store;
        assert_eq!(load(store, &user(1)), Ok(Stored::default()), "nobody");
        let odd = [
            ("a", "1.50"),
            ("b", "\"Grüße \\u0000 €\""),
            ("c", "[null,{\"d\":1e400}]"),
        ];
        assert_eq!(save(store, 1, attributes(&odd)), Ok(()));
        assert_eq!(loaded(store, 1), attributes(&odd));
        assert_eq!(loaded(store, 2), attributes(&[]), "another user");
        // All of them are replaced.
        assert_eq!(save(store, 1, attributes(&[("z", "1")])), Ok(()));
        assert_eq!(loaded(store, 1), attributes(&[("z", "1")]));
        assert_eq!(save(store, 1, attributes(&[])), Ok(()));
        assert_eq!(loaded(store, 1), attributes(&[]));
    });
}

#[test]
fn users_that_are_loaded_together_are_those_that_are_loaded_singly() {
    for opened in [
        Opened::new(false, 0),
        Opened::new(true, 0),
        // What it has is not written yet.
        Opened::new(true, 60_000),
    ] {
        let store = &*opened.store;
        for number in [1, 2, 4] {
            let value = attributes(&[("n", &number.to_string())]);
            store.save(&user(number), value.into(), None);
        }
        store.save(&user(4), attributes(&[]).into(), None);
        store.seen(&user(3), 7);
        let all: Vec<UserId> = (0..6).map(user).collect();
        let singly = all.iter().map(|user| (user.clone(), load(store, user)));
        let singly: Vec<_> = singly
            .map(|(user, stored)| (user, stored.unwrap()))
            .filter(|(_, stored)| *stored != Stored::default())
            .collect();
        let together = once(|load| store.load_all(all.clone(), load));
        assert_eq!(together.recv_timeout(DEADLINE).unwrap(), singly);
        assert_eq!(singly.len(), 2 + usize::from(opened.has_file()));
        store.stop();
        let stopped = once(|load| store.load_all(all, load));
        let stopped = stopped.recv_timeout(DEADLINE).unwrap();
        assert!(stopped.is_empty() || !opened.has_file());
    }
}

#[test]
fn saves_and_loads_of_one_user_take_effect_in_their_order() {
    // The second collects for longer than the test lasts.
    for mut opened in [Opened::new(false, 0), Opened::new(true, 60_000)] {
        let store = opened.store.clone();
        let (send, seen) = channel();
        for n in 0..200_u32 {
            store.save(&user(1), attributes(&[("n", &n.to_string())]).into(), None);
            let send = send.clone();
            let load = move |loaded: Loaded| send.send(loaded.unwrap().record.attributes).unwrap();
            store.load(&user(1), Box::new(load));
        }
        for n in 0..200_u32 {
            let found = seen.recv_timeout(DEADLINE).unwrap();
            assert_eq!(found, attributes(&[("n", &n.to_string())]));
        }
        drop(store);
        // What is written behind is written by an end in order.
        if opened.has_file() {
            assert_eq!(loaded(opened.restarted(), 1), attributes(&[("n", "199")]));
        }
    }
}

#[test]
fn durable_saves_are_answered_once_each_in_their_order() {
    each(|opened| {
        let (send, answers) = channel();
        for n in 0..500_u32 {
            let send = send.clone();
            let saved = move |saved| send.send((n, saved)).unwrap();
            let value = attributes(&[("n", &n.to_string())]);
            opened
                .store
                .save(&user(n % 7), value.into(), Some(Box::new(saved)));
        }
        drop(send);
        for n in 0..500 {
            assert_eq!(answers.recv_timeout(DEADLINE), Ok((n, Ok(()))));
        }
        assert!(answers.recv().is_err(), "an answer too many");
    });
}

#[test]
fn what_was_answered_is_there_behind_a_kill_at_any_moment() {
    let opened = Opened::new(true, 60_000);
    let store = &*opened.store;
    for n in 1..=20_u32 {
        let value = attributes(&[("n", &n.to_string())]);
        assert_eq!(save(store, n, value.clone()), Ok(()));
        assert_eq!(set_fact(store, Fact::Ban, n, Some("{}")), Ok(()));
        let next = opened.killed();
        for known in 1..=n {
            let value = attributes(&[("n", &known.to_string())]);
            assert_eq!(loaded(&*next, known), value, "{known} of {n}");
        }
        assert_eq!(next.facts(Fact::Ban).unwrap().len(), n as usize);
        next.stop();
    }
}

#[test]
fn times_of_presence_are_noted_and_forgotten() {
    let mut opened = Opened::new(true, 0);
    let seen = |store: &dyn Store| load(store, &user(1)).unwrap().last_seen_ms;
    assert_eq!(seen(&*opened.store), None);
    opened.store.seen(&user(1), 7);
    assert_eq!(seen(&*opened.store), Some(7));
    assert_eq!(seen(opened.restarted()), Some(7));
    opened.store.seen(&user(1), 0);
    assert_eq!(seen(&*opened.store), None);
    assert_eq!(seen(opened.restarted()), None);
    // In memory the directories have that.
    let memory = Opened::new(false, 0);
    memory.store.seen(&user(1), 7);
    assert_eq!(load(&*memory.store, &user(1)), Ok(Stored::default()));
}

#[test]
fn facts_are_set_replaced_removed_and_apart() {
    each(|mut opened| {
        for (number, fact) in (1..).zip(Fact::ALL) {
            let store = &*opened.store;
            assert_eq!(set_fact(store, fact, number, Some("\"before\"")), Ok(()));
            assert_eq!(set_fact(store, fact, number, Some("\"now\"")), Ok(()));
            assert_eq!(set_fact(store, fact, 99, Some("\"gone\"")), Ok(()));
            assert_eq!(set_fact(store, fact, 99, None), Ok(()));
            // They are no attributes.
            assert_eq!(loaded(store, number), attributes(&[]));
        }
        let has_file = opened.has_file();
        let store = opened.restarted();
        for (number, fact) in (1..).zip(Fact::ALL) {
            let found = store.facts(fact).unwrap();
            let stored = vec![(user(number), Box::from("\"now\""))];
            assert_eq!(
                found,
                if has_file { stored } else { Vec::new() },
                "{fact:?}"
            );
        }
    });
}

#[test]
fn channels_are_loaded_as_they_were_saved() {
    each(|mut opened| {
        let channel = ChannelId::parse("chat/lobby").unwrap();
        for offset in 1..=3 {
            opened.store.save_channel(&channel, message(offset));
        }
        let offsets = |store: &dyn Store| {
            let found = load_channel(store, "chat/lobby").unwrap();
            found.map(|found| {
                assert!(found.is_whole);
                let ids = found.messages.iter().map(|(_, frame)| frame.id().0);
                ids.collect::<Vec<_>>()
            })
        };
        let stored = opened.has_file().then(|| vec![1, 2, 3]);
        assert_eq!(offsets(&*opened.store), stored);
        assert_eq!(load_channel(&*opened.store, "chat"), Ok(None));
        assert_eq!(offsets(opened.restarted()), stored);
        let first = ChannelChange::Trim { first: 3 };
        opened.store.save_channel(&channel, first);
        let stored = stored.map(|_| vec![3]);
        assert_eq!(offsets(opened.restarted()), stored);
        opened.store.save_channel(&channel, ChannelChange::Begin);
        assert_eq!(offsets(opened.restarted()), None);
    });
}

#[test]
fn users_saved_longest_ago_go_first() {
    each(|opened| {
        let store = &*opened.store;
        for number in 0..101 {
            assert_eq!(save(store, number, attributes(&[("n", "1")])), Ok(()));
            // One in memory keeps those that are there.
            store.avatar_ended(&user(number));
        }
        assert_eq!(loaded(store, 0), attributes(&[]));
        assert_eq!(loaded(store, 100), attributes(&[("n", "1")]));
        let left = (0..101).filter(|number| !loaded(store, *number).is_empty());
        let left = left.count();
        assert!((90..=100).contains(&left), "{left} of 101");
        assert_eq!(store.health(), Health::Sound);
    });
}

#[test]
fn new_users_have_an_eighth_and_take_no_other_place() {
    each(|mut opened| {
        let put = |store: &dyn Store, number: u32, is_known| {
            let record = Record {
                is_known,
                ..attributes(&[("n", "1")]).into()
            };
            let saved = once(|saved| store.save(&user(number), record, Some(saved)));
            // One in memory keeps those that are there.
            store.avatar_ended(&user(number));
            saved.recv_timeout(DEADLINE).unwrap()
        };
        let has = |store: &dyn Store, number| !loaded(store, number).is_empty();
        let store = &*opened.store;
        for number in 0..60 {
            assert_eq!(put(store, number, true), Ok(()));
        }
        for number in 1_000..1_200 {
            assert_eq!(put(store, number, false), Ok(()));
        }
        assert!((0..60).all(|number| has(store, number)));
        assert!(has(store, 1_199) && !has(store, 1_000));
        // Where all have identified, new ones share an eighth of the places.
        for number in 60..100 {
            assert_eq!(put(store, number, true), Ok(()));
        }
        for number in 2_000..2_100 {
            assert_eq!(put(store, number, false), Ok(()));
            assert!(has(store, number));
        }
        let left = |store: &dyn Store, numbers: std::ops::Range<u32>| {
            numbers.filter(|number| has(store, *number)).count()
        };
        assert_eq!((left(store, 0..100), left(store, 2_000..2_100)), (88, 12));
        assert!((12..100).all(|number| has(store, number)));
        if opened.has_file() {
            let next = opened.restarted();
            assert_eq!(put(next, 3_000, false), Ok(()));
            assert_eq!((left(next, 0..100), left(next, 2_000..2_100)), (88, 11));
        }
    });
}

/// Every callback is called once, and says what is so.
fn refuses_everything(store: &dyn Store) {
    let value = || attributes(&[("n", "1")]);
    assert_eq!(save(store, 1, value()), Err(Unavailable));
    assert_eq!(load(store, &user(1)), Err(Unavailable));
    assert_eq!(set_fact(store, Fact::Ban, 1, Some("{}")), Err(Unavailable));
    assert!(store.facts(Fact::Ban).is_err());
    assert_eq!(load_channel(store, "c"), Err(Unavailable));
    // Nobody waits for these.
    store.save(&user(1), value().into(), None);
    store.seen(&user(1), 7);
    store.save_channel(&ChannelId::parse("c").unwrap(), message(1));
}

#[test]
fn store_that_has_ended_refuses_everything_and_keeps_what_it_had() {
    let mut opened = Opened::new(true, 60_000);
    opened
        .store
        .save(&user(1), attributes(&[("n", "7")]).into(), None);
    opened.store.stop();
    refuses_everything(&*opened.store);
    assert_eq!(opened.store.health(), Health::Closed);
    opened.store.stop();
    assert_eq!(loaded(opened.restarted(), 1), attributes(&[("n", "7")]));
}

#[test]
fn store_with_a_full_queue_refuses_everything_until_there_is_room() {
    let mut opened = Opened::new(true, 60_000);
    opened.settings.queue_max = 1;
    let store = opened.restarted();
    // Its thread is busy, and one more waits.
    let (release, released) = channel::<()>();
    let (begun, is_busy) = channel();
    let busy = move |_: Loaded| {
        begun.send(()).unwrap();
        released.recv().unwrap();
    };
    store.load(&user(9), Box::new(busy));
    is_busy.recv_timeout(DEADLINE).unwrap();
    store.save(&user(2), attributes(&[("n", "2")]).into(), None);
    refuses_everything(store);
    release.send(()).unwrap();
    // What was taken is there, what was refused is not.
    let begun = std::time::Instant::now();
    let found = loop {
        match load(store, &user(2)) {
            Ok(found) => break found,
            Err(Unavailable) => assert!(begun.elapsed() < DEADLINE),
        }
    };
    assert_eq!(found.record.attributes, attributes(&[("n", "2")]));
    assert_eq!(loaded(store, 1), attributes(&[]));
    assert_eq!(save(store, 1, attributes(&[("n", "1")])), Ok(()));
    assert_eq!(loaded(opened.restarted(), 1), attributes(&[("n", "1")]));
}

/// Saves from some threads until one is refused, and ends the store meanwhile. Returns how
/// many saves there were.
fn save_until_it_ends(store: &Arc<dyn Store>, send: &Sender<()>) -> usize {
    let saves = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..4_u32 {
            let (saves, send) = (&saves, send.clone());
            scope.spawn(move || {
                let is_refused = Arc::new(AtomicBool::new(false));
                while !is_refused.load(Ordering::Relaxed) {
                    saves.fetch_add(1, Ordering::Relaxed);
                    let (send, is_refused) = (send.clone(), is_refused.clone());
                    let saved = move |saved: Result<(), Unavailable>| {
                        is_refused.fetch_or(saved.is_err(), Ordering::Relaxed);
                        send.send(()).unwrap();
                    };
                    let value = attributes(&[("n", "1")]);
                    store.save(&user(writer), value.into(), Some(Box::new(saved)));
                }
            });
        }
        store.stop();
    });
    saves.load(Ordering::Relaxed)
}

#[test]
fn every_save_has_an_answer_when_the_store_ends_meanwhile() {
    for _ in 0..10 {
        let opened = Opened::new(true, 0);
        let (send, answers) = channel();
        let saves = save_until_it_ends(&opened.store, &send);
        drop(send);
        assert_eq!(answers.iter().count(), saves);
    }
}

#[test]
fn path_is_that_of_the_file() {
    each(|opened| {
        let path = opened.store.path();
        let is_memory = opened.settings.path.is_empty();
        assert_eq!(path, (!is_memory).then(|| Path::new(&opened.settings.path)));
    });
}
