//! Panics of the database: one is a fault, and a second one loses its thread alone.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Receiver;

use redb::{Database, TableDefinition};

use super::*;
use crate::store::file::{Bounds, File};
use crate::store::health::Health;
use crate::store::settings::StoreSettings;
use crate::store::{Fact, Record, Unavailable, open};
use turntable_core::backup::Attributes;
use turntable_core::id::UserId;
use turntable_core::payload::Payload;

#[test]
fn panic_is_a_fault_with_its_place() {
    let fault = guard(|| -> Result<(), Fault> { unreachable!("a page of garbage") });
    let fault = fault.unwrap_err();
    assert!(fault.is_damage && !fault.is_final);
    assert!(fault.text.contains("tests.rs:"), "{}", fault.text);
    assert_eq!(guard(|| Ok::<_, Fault>(7)), Ok(7));
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let failed = guard(|| Err::<(), _>(StorageError::Io(full)));
    assert!(!failed.unwrap_err().is_damage);
}

/// Runs a test of this name in a process of its own, which must not die: the hook of a lost
/// thread never returns, and the harness waits for it.
fn in_a_process(name: &str, test: fn()) {
    const CHILD: &str = "TURNTABLE_STORE_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        test();
        std::process::exit(0);
    }
    let name = format!("store::guard::tests::{name}");
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child
        .args(["--exact", &name, "--nocapture"])
        .env(CHILD, "1");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {text}", output.status);
}

/// Panics when it is dropped.
struct Second;

impl Drop for Second {
    fn drop(&mut self) {
        panic!("a lock is poisoned");
    }
}

fn panic_twice() -> Result<(), Fault> {
    guard(|| -> Result<(), Fault> {
        let _second = Second;
        panic!("a page of garbage")
    })
}

#[test]
fn second_panic_loses_its_thread_and_ends_no_process() {
    in_a_process("second_panic_loses_its_thread_and_ends_no_process", || {
        let fault = guard_apart(panic_twice).unwrap_err();
        assert!(fault.is_damage && fault.is_final);
        // Others work on.
        assert_eq!(guard_apart(|| guard(|| Ok::<_, Fault>(7))), Ok(7));
        let other = guard(|| -> Result<(), Fault> { unreachable!("garbage") });
        assert!(!other.unwrap_err().is_final);
    });
}

/// A file that was closed in order, with the same bytes at each run.
fn plain(path: &Path) -> Vec<u8> {
    let database = Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let users = TableDefinition::<&str, &[u8]>::new("users");
        let seen = TableDefinition::<&str, u64>::new("last_seen");
        let order = TableDefinition::<(u64, &str), ()>::new("last_seen_order");
        let mut users = transaction.open_table(users).unwrap();
        let mut seen = transaction.open_table(seen).unwrap();
        let mut order = transaction.open_table(order).unwrap();
        let record = format!(r#"{{"attributes":{{"x":"{}"}}}}"#, "y".repeat(200));
        for n in 1..=300_u64 {
            let user = format!("1:{n:05}");
            users.insert(user.as_str(), record.as_bytes()).unwrap();
            seen.insert(user.as_str(), n).unwrap();
            order.insert((n, user.as_str()), ()).unwrap();
        }
    }
    transaction.commit().unwrap();
    drop(database);
    std::fs::read(path).unwrap()
}

/// Single bytes that made a process end which opened the file of `plain` without looking
/// through it.
const DEADLY: [(usize, u8); 2] = [(106_716, 5), (122_885, 71)];

#[test]
fn damage_that_panics_twice_is_an_error_at_the_start() {
    in_a_process("damage_that_panics_twice_is_an_error_at_the_start", || {
        let folder = tempfile::tempdir().unwrap();
        let good = plain(&folder.path().join("good"));
        for (at, byte) in DEADLY {
            let mut bytes = good.clone();
            bytes[at] = byte;
            for check_bytes_max in [0, u64::MAX] {
                let path = folder.path().join(format!("{at}-{check_bytes_max}"));
                std::fs::write(&path, &bytes).unwrap();
                let bounds = Bounds {
                    check_bytes_max,
                    ..Bounds::NONE
                };
                let error = File::open_bounded(&path, bounds).unwrap_err();
                assert!(error.contains("cannot be opened: it is damaged"), "{error}");
            }
        }
    });
}

/// What a callback gets.
fn once<T: Send + 'static>(start: impl FnOnce(Box<dyn FnOnce(T) + Send>)) -> Receiver<T> {
    let (send, received) = channel();
    start(Box::new(move |value| send.send(value).unwrap()));
    received
}

#[test]
fn lost_store_refuses_everything_and_the_server_goes_on() {
    in_a_process(
        "lost_store_refuses_everything_and_the_server_goes_on",
        || {
            let folder = tempfile::tempdir().unwrap();
            let settings = StoreSettings {
                path: folder.path().join("store").to_str().unwrap().to_owned(),
                ..StoreSettings::default()
            };
            let store = open(&settings, 9, None, &std::sync::Arc::default()).unwrap();
            let user = UserId::parse("1:1").unwrap();
            let attributes: Attributes = [("a".into(), Payload::from_json("1"))].into();
            let save = || once(|saved| store.save(&user, attributes.clone().into(), Some(saved)));
            assert_eq!(save().recv().unwrap(), Ok(()));
            // The thread of the store is lost while others wait for it.
            let (begin, begun) = channel::<()>();
            let lose = move |_| {
                begun.recv().unwrap();
                let _ = panic_twice();
            };
            store.load(&user, Box::new(lose));
            let (saved, loaded) = (save(), once(|load| store.load(&user, load)));
            begin.send(()).unwrap();
            assert_eq!(saved.recv().unwrap(), Err(Unavailable));
            assert_eq!(loaded.recv().unwrap(), Err(Unavailable));
            assert_eq!(store.health(), Health::Closed);
            assert!(store.facts(Fact::Ban).is_err());
            store.save(&user, Record::default(), None);
            assert_eq!(save().recv().unwrap(), Err(Unavailable));
            store.stop();
            assert_eq!(save().recv().unwrap(), Err(Unavailable));
        },
    );
}
