use super::backup::{export, import};
use super::*;

const MESSAGE: &str = r#"{"command":"message","data":{"n":1}}"#;

fn database() -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::create(folder.path().join("store")).unwrap();
    (folder, database)
}

fn change(offset: u64, first: u64) -> ChannelChange {
    let frame = text_frame(|out| out.extend_from_slice(MESSAGE.as_bytes()));
    ChannelChange::Message {
        epoch: "e".into(),
        offset,
        at_ms: offset * 10,
        until_ms: 1_000,
        frame: SharedFrame::new(frame, MessageId::from(u128::from(offset))),
        first,
    }
}

fn put(database: &Database, life: Life, changes: impl IntoIterator<Item = ChannelChange>) -> u64 {
    let mut unwritten = Unwritten::default();
    changes.into_iter().for_each(|change| unwritten.add(change));
    let transaction = database.begin_write().unwrap();
    let bytes = write(&transaction, "c", &unwritten, life).unwrap();
    transaction.commit().unwrap();
    bytes
}

fn offsets(stored: &StoredChannel) -> Vec<u64> {
    let ids = stored.messages.iter().map(|(_, frame)| frame.id().0);
    ids.map(|id| u64::try_from(id).unwrap()).collect()
}

fn load(database: &Database, life: Life) -> (StoredChannel, bool) {
    let (found, is_damaged) = read(database, "c", life).unwrap();
    (found.unwrap(), is_damaged)
}

#[test]
fn stored_channel_is_whole_until_a_life_is_not_closed() {
    let (_folder, database) = database();
    let first = Life::begin(&database).unwrap();
    let bytes = put(&database, first, (1..=4).map(|offset| change(offset, 2)));
    assert_eq!(bytes, 3 * MESSAGE.len() as u64);
    let (stored, is_damaged) = load(&database, first);
    assert!(stored.is_whole && !is_damaged);
    assert_eq!((&*stored.epoch, stored.offset), ("e", 4));
    assert_eq!(offsets(&stored), [2, 3, 4]);
    assert_eq!(stored.messages.first().unwrap().1.text(), MESSAGE);
    Life::close(&database).unwrap();
    let second = Life::begin(&database).unwrap();
    assert!(load(&database, second).0.is_whole);
    // The second is killed. What the third writes is whole again, the rest never.
    let third = Life::begin(&database).unwrap();
    assert!(!load(&database, third).0.is_whole);
    Life::close(&database).unwrap();
    let fourth = Life::begin(&database).unwrap();
    assert!(!load(&database, fourth).0.is_whole);
    put(&database, fourth, [change(5, 3)]);
    let (stored, _) = load(&database, fourth);
    assert!(stored.is_whole);
    assert_eq!(offsets(&stored), [3, 4, 5]);
}

#[test]
fn channel_that_goes_on_as_another_life_is_whole_without_a_message() {
    let (_folder, database) = database();
    let killed = Life::begin(&database).unwrap();
    put(&database, killed, (1..=4).map(|offset| change(offset, 2)));
    let second = Life::begin(&database).unwrap();
    assert!(!load(&database, second).0.is_whole);
    let epoch = "f".into();
    put(&database, second, [ChannelChange::Renew { epoch }]);
    Life::close(&database).unwrap();
    let third = Life::begin(&database).unwrap();
    let (stored, _) = load(&database, third);
    assert!(stored.is_whole);
    assert_eq!((&*stored.epoch, stored.offset), ("f", 4));
    assert_eq!(offsets(&stored), [2, 3, 4]);
}

#[test]
fn trimmed_and_replaced_messages_are_gone() {
    let (_folder, database) = database();
    let life = Life::begin(&database).unwrap();
    put(&database, life, (1..=4).map(|offset| change(offset, 1)));
    let left = put(&database, life, [ChannelChange::Trim { first: 4 }]);
    assert_eq!(left, MESSAGE.len() as u64);
    assert_eq!(offsets(&load(&database, life).0), [4]);
    put(&database, life, [ChannelChange::Trim { first: 5 }]);
    let (stored, _) = load(&database, life);
    assert_eq!((stored.offset, stored.messages.len()), (4, 0));
    put(
        &database,
        life,
        [change(5, 5), ChannelChange::Begin, change(1, 1)],
    );
    let (stored, _) = load(&database, life);
    assert_eq!((stored.offset, offsets(&stored)), (1, vec![1]));
    put(&database, life, [ChannelChange::Begin]);
    assert_eq!(read(&database, "c", life).unwrap(), (None, false));
    assert!(all(&database).unwrap().is_empty());
    // Nothing was left of the messages, either.
    put(&database, life, [change(6, 1)]);
    assert_eq!(offsets(&load(&database, life).0), [6]);
}

#[test]
fn damaged_entries_are_left_out_with_what_is_before_them() {
    let (_folder, database) = database();
    let life = Life::begin(&database).unwrap();
    put(&database, life, (1..=4).map(|offset| change(offset, 1)));
    let transaction = database.begin_write().unwrap();
    let mut messages = transaction.open_table(MESSAGES).unwrap();
    let garbage: &[u8] = b"\xff{";
    messages.insert(("c", 2), (20, 2, garbage)).unwrap();
    drop(messages);
    transaction.commit().unwrap();
    let (stored, is_damaged) = load(&database, life);
    assert!(is_damaged);
    assert_eq!(offsets(&stored), [3, 4]);
    let transaction = database.begin_write().unwrap();
    let mut channels = transaction.open_table(CHANNELS).unwrap();
    channels.insert("c", garbage).unwrap();
    drop(channels);
    transaction.commit().unwrap();
    assert_eq!(read(&database, "c", life).unwrap(), (None, true));
    assert_eq!(all(&database).unwrap().first().unwrap().at_ms, 0);
}

#[test]
fn restored_channel_has_its_messages_and_is_not_whole() {
    let ((_one, from), (_other, into)) = (database(), database());
    let life = Life::begin(&from).unwrap();
    put(&from, life, (1..=2).map(|offset| change(offset, 1)));
    let line = export(&from, "c").unwrap().unwrap();
    let text = serde_json::to_string(&line).unwrap();
    let life = Life::begin(&into).unwrap();
    let transaction = into.begin_write().unwrap();
    import(&transaction, &serde_json::from_str(&text).unwrap()).unwrap();
    transaction.commit().unwrap();
    let (stored, is_damaged) = load(&into, life);
    assert!(!stored.is_whole && !is_damaged);
    assert_eq!(offsets(&stored), [1, 2]);
}
