//! The queue to the file: what does not fit is refused.

use super::*;
use turntable_core::backup::Attributes;
use turntable_core::payload::Payload;

#[test]
fn save_that_does_not_fit_the_queue_is_counted_and_logged() {
    let folder = tempfile::tempdir().unwrap();
    let settings = StoreSettings {
        path: folder.path().join("store").to_str().unwrap().to_owned(),
        queue_max: 2,
        ..StoreSettings::default()
    };
    let metrics = Metrics::default();
    let failures = metrics.store_failures.clone();
    let store = FileStore::open(&settings, 9, &metrics).unwrap();
    let user = |number: u32| UserId::parse(&format!("1:{number}")).unwrap();
    let attributes: Attributes = [(Box::from("a"), Payload::from_json("1"))].into();
    let record = Record::from(attributes);
    // The thread of the store is busy.
    let (begun, is_busy) = channel();
    let (release, released) = channel::<()>();
    store.load(
        &user(1),
        Box::new(move |_| {
            begun.send(()).unwrap();
            released.recv().unwrap();
        }),
    );
    is_busy.recv().unwrap();
    for number in 2..4 {
        store.save(&user(number), record.clone(), None);
    }
    assert_eq!(failures.get(), 0);
    store.save(&user(4), record.clone(), None);
    assert_eq!(failures.get(), 1);
    let (refused, is_refused) = channel();
    let saved = move |saved| refused.send(saved).unwrap();
    store.save(&user(5), record.clone(), Some(Box::new(saved)));
    assert_eq!(is_refused.recv().unwrap(), Err(Unavailable));
    assert_eq!(failures.get(), 2);
    // Once, with the number of the others in the next line.
    assert!(FULL.admit(clock::now_ms()).is_none());
    release.send(()).unwrap();
    store.stop();
    let users = File::open(Path::new(&settings.path))
        .unwrap()
        .all()
        .unwrap();
    assert_eq!(users.len(), 2);
}

#[test]
fn bytes_that_wait_are_bounded_and_users_are_loaded_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let settings = StoreSettings {
        path: folder.path().join("store").to_str().unwrap().to_owned(),
        queue_bytes_max: 1_000,
        ..StoreSettings::default()
    };
    let store = FileStore::open(&settings, 9, &Metrics::default()).unwrap();
    let user = |number: u32| UserId::parse(&format!("1:{number}")).unwrap();
    // The thread of the store is busy.
    let (begun, is_busy) = channel();
    let (release, released) = channel::<()>();
    store.load(
        &user(1),
        Box::new(move |_| {
            begun.send(()).unwrap();
            released.recv().unwrap();
        }),
    );
    is_busy.recv().unwrap();
    let (answer, answers) = channel();
    let write = |number: u32| {
        let text = format!("\"{}\"", "x".repeat(598));
        let answer = answer.clone();
        let saved = move |saved: Result<(), _>| answer.send((number, saved)).unwrap();
        store.set_fact(
            Fact::Blocked,
            &user(number),
            Some(text.into()),
            Box::new(saved),
        );
    };
    write(2);
    write(3);
    assert_eq!(answers.recv().unwrap(), (3, Err(Unavailable)));
    let (load, loaded) = channel();
    store.load(
        &user(4),
        Box::new(move |found| load.send(found.is_ok()).unwrap()),
    );
    release.send(()).unwrap();
    assert_eq!(answers.recv().unwrap(), (2, Ok(())));
    assert!(loaded.recv().unwrap());
    // What is written waits no more.
    write(3);
    assert_eq!(answers.recv().unwrap(), (3, Ok(())));
    store.stop();
}
