//! Words that this project does not use: there is a standard term for each, which a
//! reader knows from other servers.

use std::fs;

use turntable_testkit::workspace::root;

use crate::style::files;

/// A word and what is written in its place. Names count by their parts, so `is_held`
/// and `Held` are uses of `held`.
const WORDS: &[(&str, &str)] = &[
    ("door", "transport"),
    ("doors", "transports"),
    ("dialect", "encoding, protocol"),
    ("census", "admission, limits"),
    ("told", "sent, notified, reported"),
    ("kept", "retained, stored"),
    ("held", "stored, buffered, deferred"),
    ("learnt", "received"),
    ("wish", "desired state, request"),
    ("wishes", "desired state, requests"),
    ("errand", "deferred effect"),
    ("whisper", "direct send"),
    ("heir", "replacement"),
    ("asker", "requester"),
    ("newcomer", "unidentified connection, new member"),
    ("newcomers", "unidentified connections, new members"),
    ("nuisance", "bad input"),
    ("whoever", "clients that, users with"),
];

/// The same for several words.
const PHRASES: &[(&str, &str)] = &[
    ("asked for", "requested"),
    ("anybody who", "clients that, users with"),
    ("bad days", "overload and bad input"),
];

/// Files that may use a word, and which.
const EXCEPTIONS: &[(&str, &[&str])] = &[
    // This list.
    ("tests/source/words.rs", &[]),
    // What was is described in the words of then, old names among them.
    ("CHANGELOG.md", &[]),
    // A figure of a version whose command had that name.
    ("docs/benchmarks.md", &["doors"]),
];

/// Kinds of files with code or prose.
const KINDS: &[&str] = &[
    "rs", "js", "mjs", "ts", "md", "toml", "html", "css", "sh", "yml", "txt",
];

/// The words of a line in small letters; names come apart at `_` and at capitals.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for character in line.chars() {
        if !character.is_alphabetic() || (character.is_uppercase() && was_small) {
            words.push(String::new());
        }
        if character.is_alphabetic() {
            let word = words.last_mut().expect("there is one");
            word.extend(character.to_lowercase());
        }
        was_small = character.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The words of a line that are not used here, each with its replacement.
fn wrong(line: &str) -> Vec<(&'static str, &'static str)> {
    let words = words(line);
    let is_used = |word: &str| words.iter().any(|known| known == word);
    let joined = words.join(" ");
    let single = WORDS.iter().filter(|(word, _)| is_used(word));
    let phrases = PHRASES.iter().filter(|(phrase, _)| {
        let padded = format!(" {joined} ");
        padded.contains(&format!(" {phrase} "))
    });
    single.chain(phrases).copied().collect()
}

#[test]
fn standard_terms_are_used() {
    let mut found = Vec::new();
    for path in files(root()) {
        let kind = path.extension().and_then(|kind| kind.to_str());
        if !kind.is_some_and(|kind| KINDS.contains(&kind)) {
            continue;
        }
        let shown = path.strip_prefix(root()).expect("below the root");
        let shown = shown.to_str().expect("a name");
        let exception = EXCEPTIONS.iter().find(|(file, _)| *file == shown);
        if exception.is_some_and(|(_, words)| words.is_empty()) {
            continue;
        }
        let excepted = exception.map_or(&[][..], |(_, words)| words);
        // Files that are not UTF-8 are not text.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for (word, replacement) in wrong(line) {
                if !excepted.contains(&word) {
                    found.push(format!("{shown}:{}: {word}: {replacement}", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn exceptions_are_needed() {
    for (file, words) in EXCEPTIONS {
        let text = fs::read_to_string(root().join(file)).expect(file);
        for word in *words {
            assert!(
                text.lines()
                    .any(|line| wrong(line).iter().any(|(w, _)| w == word)),
                "{file} does not use {word}"
            );
        }
    }
}

#[test]
fn names_count_by_their_parts() {
    assert_eq!(
        words("isHeld KeptInvite is_told"),
        ["is", "held", "kept", "invite", "is", "told"]
    );
    for line in [
        "fn is_told()",
        "struct Held;",
        "it is asked  for",
        "heldUntil",
    ] {
        assert_eq!(wrong(line).len(), 1, "{line}");
    }
    for line in [
        "upheld",
        "a threshold",
        "outdoors",
        "asked forty",
        "wishlist",
    ] {
        assert!(wrong(line).is_empty(), "{line}");
    }
}
