//! A store in a file: what it keeps, what it counts, files of versions before.

use super::*;

const fn bounded(users_max: u64, seen_max: u64, check_bytes_max: u64) -> Bounds {
    Bounds {
        users_max,
        seen_max,
        check_bytes_max,
    }
}

fn put_seen(file: &mut File, seen: &[Seen]) {
    let none = Batch::default();
    file.write_batch(Batch { seen, ..none }).unwrap();
}

#[test]
fn users_seen_longest_ago_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut file =
        File::open_bounded(&folder.path().join("store"), bounded(u64::MAX, 2, 0)).unwrap();
    let seen = |n: u64, at_ms| (format!("1:{n}"), at_ms);
    put_seen(&mut file, &[seen(1, 10), seen(2, 20)]);
    put_seen(&mut file, &[seen(1, 30), seen(3, 40)]);
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
    let mut file = File::open_bounded(&path, bounded(u64::MAX, 9, 0)).unwrap();
    assert_eq!(file.read("1:1").unwrap(), (Some(record.to_vec()), None));
    put_seen(&mut file, &[("1:1".to_owned(), 7)]);
    assert_eq!(file.read("1:1").unwrap(), (Some(record.to_vec()), Some(7)));
}

/// As large as this is a page of a file.
const PAGE: usize = 4_096;

/// Users with a record each, some to a page.
fn filled(path: &Path) -> Vec<Entry> {
    let record = |n: usize| {
        let text = format!(
            r#"{{"attributes":{{"n":{n},"x":"{}"}}}}"#,
            "y".repeat(1_000)
        );
        (format!("1:{n:03}"), text.into_bytes())
    };
    let entries: Vec<Entry> = (0..300).map(record).collect();
    File::open(path).unwrap().write(&entries, &[], &[]).unwrap();
    entries
}

/// Overwrites the page that has the record of user 150.
fn damage(path: &Path, with: u8) {
    let (good, text) = (std::fs::read(path).unwrap(), b"{\"n\":150,");
    let windows = good.windows(text.len()).enumerate();
    let places = windows.filter(|(_, window)| window == text);
    // Some pages have the text from a life before.
    let is_it = places.map(|(at, _)| at / PAGE * PAGE).any(|page| {
        let mut bytes = good.clone();
        bytes[page..page + PAGE].fill(with);
        std::fs::write(path, bytes).unwrap();
        let file = File::open(path);
        file.is_ok_and(|mut file| file.read("1:150").is_err())
    });
    assert!(is_it);
}

#[test]
fn damaged_page_costs_what_is_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    for with in [0xff, 0x07, 0] {
        let _ = std::fs::remove_file(&path);
        let entries = filled(&path);
        damage(&path, with);
        let mut file = File::open(&path).unwrap();
        assert!(file.read("1:150").is_err(), "{with}");
        let is_sound = |entry: &&Entry| {
            let known = file.read(&entry.0).ok().and_then(|(record, _)| record);
            known.as_ref() == Some(&entry.1)
        };
        let sound = entries.iter().filter(is_sound).count();
        assert!((290..300).contains(&sound), "{sound} of {with}");
        // The same for what is written.
        let changed: Vec<Entry> = entries
            .iter()
            .map(|(user, _)| (user.clone(), br#"{"attributes":{}}"#.to_vec()))
            .collect();
        let facts = [(Fact::Ban, "1:7".to_owned(), Some("{}".into()))];
        let batch = Batch {
            entries: &changed,
            facts: &facts,
            seen: &[("1:7".to_owned(), 7)],
            ..Batch::default()
        };
        assert!(file.write_batch(batch).is_err());
        let lost = file.write_around(batch).unwrap();
        let lost_users = entries.iter().filter(|(user, _)| lost.has_user(user));
        assert!(lost.has_user("1:150"));
        assert_eq!(lost_users.count(), 300 - sound);
        assert!(!lost.has_fact(Fact::Ban, "1:7"));
        assert_eq!(file.read("1:000").unwrap().0.as_ref(), Some(&changed[0].1));
        assert_eq!(file.read("1:007").unwrap().1, None);
        assert_eq!(file.all_seen().unwrap(), [("1:7".to_owned(), 7)]);
        let error = file.check().unwrap_err();
        assert!(error.contains("damaged"), "{error}");
    }
}

#[test]
fn damage_is_found_at_the_start_where_the_file_is_looked_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    filled(&path);
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(File::open_bounded(&path, bounded(u64::MAX, 9, bytes)).is_ok());
    damage(&path, 0xff);
    let error = File::open_bounded(&path, bounded(u64::MAX, 9, bytes)).unwrap_err();
    assert!(
        error.contains("cannot be opened") && error.contains("damaged"),
        "{error}"
    );
    assert!(File::open_bounded(&path, bounded(u64::MAX, 9, bytes / 2)).is_ok());
}

#[test]
fn every_damage_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let entries = filled(&path);
    let good = std::fs::read(&path).unwrap();
    // A generator of its own, so that every run has the same damage.
    let mut state = 7_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize
    };
    let mut refused = 0;
    for round in 0..60 {
        let mut bytes = good.clone();
        let length = [1, 64, PAGE][round % 3];
        for _ in 0..[50, 200, 10][round % 3] {
            // The header is left alone in half of the rounds.
            let first = if round % 2 == 0 { PAGE } else { 0 };
            let at = (first + random() % (bytes.len() - first)) / length * length;
            bytes
                .iter_mut()
                .skip(at)
                .take(length)
                .for_each(|byte| *byte = random() as u8);
        }
        std::fs::write(&path, bytes).unwrap();
        let Ok(mut file) = File::open(&path) else {
            refused += 1;
            continue;
        };
        for (user, _) in entries.iter().step_by(7) {
            let _ = file.read(user);
        }
        let _ = file.write(&entries[..9], &[], &[]);
        let _ = file.facts(Fact::Ban);
        let _ = file.check();
    }
    assert!((1..60).contains(&refused), "{refused}");
}

#[test]
fn empty_file_is_refused_and_a_file_that_is_gone_is_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    std::fs::write(&path, b"").unwrap();
    let error = File::open(&path).unwrap_err();
    assert!(error.contains("the file is empty"), "{error}");
    std::fs::remove_file(&path).unwrap();
    let mut file = File::open(&path).unwrap();
    file.drop_database();
    std::fs::remove_file(&path).unwrap();
    assert!(file.read("1:1").is_err());
    assert!(file.again().is_some() && file.is_closed() && !path.exists());
}

#[test]
fn file_opens_again_when_the_time_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let entries = filled(&path);
    let good = std::fs::read(&path).unwrap();
    let mut file = File::open(&path).unwrap();
    file.drop_database();
    std::fs::write(&path, b"").unwrap();
    assert!(file.read("1:000").unwrap_err().contains("empty"));
    std::fs::write(&path, good).unwrap();
    // Not before its time, with the reason of the last attempt.
    assert!(file.read("1:000").unwrap_err().contains("empty"));
    file.again.as_mut().unwrap().at = Instant::now();
    assert_eq!(file.read("1:000").unwrap().0.as_ref(), Some(&entries[0].1));
    assert!(file.again().is_none());
}

fn user(n: usize) -> String {
    format!("1:{n:05}")
}

fn put(file: &mut File, n: usize) {
    let entry = (user(n), br#"{"attributes":{"a":1}}"#.to_vec());
    file.write(&[entry], &[], &[]).unwrap();
    // Users that are touched in one ms are in the order of their ids.
}

fn users(file: &mut File) -> Vec<String> {
    let all = file.all().unwrap();
    all.into_iter().map(|(user, _)| user).collect()
}

#[test]
fn users_touched_longest_ago_go_first_and_those_with_a_password_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut file = File::open_bounded(&path, bounded(5, 9, 0)).unwrap();
    put(&mut file, 0);
    let password = |text: Option<&str>| (Fact::Password, user(0), text.map(Into::into));
    file.write(&[], &[password(Some("hash"))], &[]).unwrap();
    for n in 1..=200 {
        put(&mut file, n);
    }
    let last: Vec<_> = std::iter::once(0).chain(196..=200).map(user).collect();
    assert_eq!(users(&mut file), last);
    // Without a password it is one of the others, and has just been touched.
    file.write(&[], &[password(None)], &[]).unwrap();
    let last: Vec<_> = std::iter::once(0).chain(197..=200).map(user).collect();
    assert_eq!(users(&mut file), last);
    // One that is removed leaves its place.
    file.write(&[(user(0), Vec::new())], &[], &[]).unwrap();
    put(&mut file, 201);
    assert_eq!(users(&mut file), (197..=201).map(user).collect::<Vec<_>>());
}

#[test]
fn users_of_an_earlier_version_are_known_and_go_in_the_order_of_their_last_presence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    {
        let database = Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut users = transaction.open_table(USERS).unwrap();
            let mut seen = transaction.open_table(SEEN).unwrap();
            for n in 1..=4 {
                users.insert(user(n).as_str(), b"{}".as_slice()).unwrap();
                seen.insert(user(n).as_str(), 10 - n as u64).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    let mut file = File::open_bounded(&path, bounded(3, 9, 0)).unwrap();
    put(&mut file, 9);
    assert_eq!(users(&mut file), [user(1), user(2), user(9)]);
}
