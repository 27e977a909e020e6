//! The corpus that the fuzz target begins with: one call or delivery of each kind.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use turntable_core::call::Call;

use super::*;

/// Values that are tried for one of each kind.
const TRIES: usize = 2_000;

/// The name of an enum's variant.
fn variant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_lowercase()
}

fn kind(call: &Call) -> String {
    match call {
        Call::Avatar(_, call) => format!("avatar_{}", variant(call)),
        Call::Room(_, call) => format!("room_{}", variant(call)),
        Call::Channel(_, call) => format!("channel_{}", variant(call)),
        all => format!("all_{}", variant(all)),
    }
}

/// The bytes of one value of each kind, by its name.
fn corpus() -> BTreeMap<String, Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    let mut files = BTreeMap::new();
    for _ in 0..TRIES {
        let call = value::stamped().new_tree(&mut runner).unwrap().current();
        let name = format!("call_{}", kind(&call.call));
        files
            .entry(name)
            .or_insert_with(|| encode_call(&call).unwrap());
        let delivery = value::delivery().new_tree(&mut runner).unwrap().current();
        let name = format!("delivery_{}", variant(&delivery));
        files
            .entry(name)
            .or_insert_with(|| encode_delivery(value::GATEWAY, &delivery).unwrap());
    }
    files
}

#[test]
fn there_is_a_file_of_each_kind() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/cluster_v1");
    for name in corpus().keys() {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
        let is_read = match name.starts_with("call_") {
            true => decode_call(&bytes, &LIMITS)
                .is_ok_and(|call| format!("call_{}", kind(&call.call)) == *name),
            false => decode_delivery(&bytes, &LIMITS)
                .is_ok_and(|(_, delivery)| format!("delivery_{}", variant(&delivery)) == *name),
        };
        assert!(is_read, "{name}: write the corpus again (write_the_corpus)");
    }
}

#[test]
#[ignore = "writes files: run it when the format has changed"]
fn write_the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/cluster_v1");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in corpus() {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}
