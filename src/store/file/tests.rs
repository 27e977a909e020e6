//! A store in a file: what it keeps, what it counts, files of versions before.

use super::*;
use turntable_core::payload::Payload;

#[test]
fn users_seen_longest_ago_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::open_bounded(&folder.path().join("store"), 2).unwrap();
    let seen = |n: u64, at_ms| (format!("1:{n}"), at_ms);
    file.write_all(&[], &[], &HashMap::new(), &[seen(1, 10), seen(2, 20)])
        .unwrap();
    file.write_all(&[], &[], &HashMap::new(), &[seen(1, 30), seen(3, 40)])
        .unwrap();
    assert_eq!(file.all_seen().unwrap(), [seen(1, 30), seen(3, 40)]);
    assert_eq!(file.read("1:1").unwrap(), (None, Some(30)));
    assert_eq!(file.read("1:2").unwrap(), (None, None));
}

#[test]
fn file_of_the_version_before_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let record = br#"{"attributes":{"n":1}}"#;
    {
        let database = Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let mut users = transaction.open_table(USERS).unwrap();
        users.insert("1:1", record.as_slice()).unwrap();
        drop(users);
        transaction.commit().unwrap();
    }
    let mut file = File::open_bounded(&path, 9).unwrap();
    assert_eq!(file.read("1:1").unwrap(), (Some(record.to_vec()), None));
    file.write_all(&[], &[], &HashMap::new(), &[("1:1".to_owned(), 7)])
        .unwrap();
    assert_eq!(file.read("1:1").unwrap(), (Some(record.to_vec()), Some(7)));
}

#[test]
fn save_that_does_not_fit_the_queue_is_counted_and_logged() {
    let folder = tempfile::tempdir().unwrap();
    let settings = StoreSettings {
        path: folder.path().join("store").to_str().unwrap().to_owned(),
        queue_max: 2,
        ..StoreSettings::default()
    };
    let failures = Counter::default();
    let store = FileStore::open(&settings, 9, failures.clone()).unwrap();
    let user = |number: u32| UserId::parse(&format!("1:{number}")).unwrap();
    let attributes: Attributes = [(Box::from("a"), Payload::from_json("1"))].into();
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
        store.save(&user(number), attributes.clone(), None);
    }
    assert_eq!(failures.get(), 0);
    store.save(&user(4), attributes.clone(), None);
    assert_eq!(failures.get(), 1);
    let (refused, is_refused) = channel();
    let saved = move |saved| refused.send(saved).unwrap();
    store.save(&user(5), attributes.clone(), Some(Box::new(saved)));
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
