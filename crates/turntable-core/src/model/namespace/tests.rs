use super::*;
use crate::id::UserId;

fn path(text: &str) -> ChannelId {
    ChannelId::parse(text).unwrap()
}

fn entry(pattern: &str, history_max: usize) -> (Pattern, NamespaceSettings) {
    let settings = NamespaceSettings {
        history_max,
        ..NamespaceSettings::default()
    };
    (Pattern::parse(pattern).unwrap(), settings)
}

#[test]
fn patterns_match_by_segments() {
    let matches =
        |pattern: &str, channel: &str| Pattern::parse(pattern).unwrap().matches(&path(channel));
    for (pattern, channel, expected) in [
        ("**", "a", true),
        ("**", "a/b/c", true),
        ("chat/**", "chat", true),
        ("chat/**", "chat/eu/1", true),
        ("chat/**", "chats", false),
        ("chat/**", "chats/eu", false),
        ("chat/*", "chat", false),
        ("chat/*", "chat/eu", true),
        ("chat/*", "chat/eu/1", false),
        ("*/log", "game/log", true),
        ("*/log", "game/logs", false),
        ("a/*/c/**", "a/b/c", true),
        ("a/*/c/**", "a/b/d", false),
        ("a", "a/b", false),
    ] {
        assert_eq!(matches(pattern, channel), expected, "{pattern} {channel}");
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    let long = vec!["a"; 17].join("/");
    for text in ["", "/a", "a/", "a//b", "**/a", "a*", "a b", &long] {
        assert!(Pattern::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn the_most_specific_entry_holds() {
    let namespaces = Namespaces::new(vec![
        entry("**", 1),
        entry("chat/**", 2),
        entry("chat/*", 3),
        entry("chat/eu", 4),
        entry("*/eu", 5),
        entry("*/eu/**", 6),
        entry("chat/*/log", 7),
    ]);
    for (channel, expected) in [
        ("news", 1),
        ("chat", 2),
        ("chat/us", 3),
        ("chat/eu", 4),
        ("game/eu", 5),
        ("game/eu/1", 6),
        ("chat/eu/1", 2),
        ("chat/eu/log", 7),
    ] {
        assert_eq!(
            namespaces.of(&path(channel)).history_max,
            expected,
            "{channel}"
        );
    }
    assert_eq!(Namespaces::default().of(&path("a")).history_max, 0);
}

#[test]
fn audiences_are_words_or_lists_of_users_and_realms() {
    let read = |text: &str| serde_json::from_str::<Audience>(text);
    let [mel, staff] = ["1:1", "staff:9"].map(|id| UserId::parse(id).unwrap());
    for (text, has_mel, has_staff) in [
        (r#""everyone""#, true, true),
        (r#""nobody""#, false, false),
        (r#"["1:1"]"#, true, false),
        (r#"["staff:*","1:2"]"#, false, true),
        ("[]", false, false),
    ] {
        let audience = read(text).unwrap();
        assert_eq!(audience.includes(Who::of(&mel)), has_mel, "{text}");
        assert_eq!(audience.includes(Who::of(&staff)), has_staff, "{text}");
        assert_eq!(serde_json::to_string(&audience).unwrap(), text);
    }
    for text in [r#""all""#, r#"["*"]"#, r#"["1:"]"#, "1", r#"[":*"]"#] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn a_join_with_subpaths_needs_access_to_all_of_them() {
    let with_join = |pattern: &str, join| {
        let (pattern, settings) = entry(pattern, 0);
        (pattern, NamespaceSettings { join, ..settings })
    };
    let namespaces = Namespaces::new(vec![
        with_join("**", Audience::Everyone),
        with_join("a/secret/**", Audience::Nobody),
        with_join("a/secret/open/**", Audience::Everyone),
        with_join("b/*/log", Audience::Nobody),
    ]);
    let mel = UserId::parse("1:1").unwrap();
    let may = |channel: &str, access| namespaces.allow(Who::of(&mel), &path(channel), access);
    for (channel, join, below) in [
        ("a", true, false),
        ("a/secret", false, false),
        ("a/secret/open", true, true),
        ("a/other", true, true),
        ("b", true, false),
        ("b/1", true, false),
        ("b/1/log", false, false),
        ("b/1/log/2", true, true),
        ("c", true, true),
    ] {
        assert_eq!(may(channel, Access::Join), join, "{channel}");
        assert_eq!(may(channel, Access::JoinBelow), below, "{channel}");
        assert!(may(channel, Access::Publish));
    }
}
