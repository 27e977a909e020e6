use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn roles(text: &str) -> Roles {
    let mut entries = RoleSettings::embedded();
    let read: BTreeMap<String, RoleSettings> = serde_json::from_str(text).unwrap();
    entries.extend(read);
    Roles::new(entries)
}

fn permissions(roles: &Roles, names: &[&str]) -> SharedPermissions {
    let names: Vec<Box<str>> = names.iter().map(|name| (*name).into()).collect();
    roles.permissions(&roles.known(&names), &[]).map(Arc::new)
}

fn path(text: &str) -> ChannelId {
    ChannelId::parse(text).unwrap()
}

fn mel() -> UserId {
    UserId::parse("1:mel").unwrap()
}

const GUEST: &str = r#"{"guest": {
    "services": ["forum:listPosts", "help"],
    "games": ["four"],
    "attributes": {"get": ["**"], "set": ["name", "pet/*"]},
    "channels": {"join": ["chat/**", "news/*"], "publish": ["chat/lobby"]},
    "watch": ["guest:*"]
}, "editor": {"channels": {"publish": ["news/**"]}}}"#;

#[test]
fn session_without_role_may_do_everything_by_default() {
    let roles = roles("{}");
    assert_eq!(permissions(&roles, &[]), None);
    assert_eq!(permissions(&roles, &["unknown", "default"]), None);
}

#[test]
fn role_allows_what_its_patterns_say_and_nothing_else() {
    let roles = roles(GUEST);
    let (permissions, mel) = (permissions(&roles, &["guest"]), mel());
    let who = Who::new(&mel, &permissions);
    let call = |service, function| who.may(Need::Call { service, function });
    assert!(call("forum", "listPosts") && call("help", "any"));
    assert!(!call("forum", "createPost") && !call("chat", "listPosts"));
    assert!(who.sees_service("forum") && who.sees_service("help"));
    assert!(!who.sees_service("foru") && !who.sees_service("chat"));
    assert!(who.may(Need::Play(Some("four"))));
    assert!(!who.may(Need::Play(Some("strike"))) && !who.may(Need::Play(None)));
    for (name, expected) in [
        ("name", true),
        ("pet/cat", true),
        ("pet", false),
        ("score", false),
    ] {
        assert_eq!(who.may(Need::Set(name)), expected, "{name}");
        assert!(who.sees_attribute(name));
    }
    for (channel, access, expected) in [
        ("chat/eu", Access::Join, true),
        ("chat", Access::JoinBelow, true),
        ("chats", Access::Join, false),
        ("news/eu", Access::Join, true),
        ("news/eu", Access::JoinBelow, false),
        ("news", Access::JoinBelow, false),
        ("chat/lobby", Access::Publish, true),
        ("chat/eu", Access::Publish, false),
    ] {
        let channel = path(channel);
        let need = Need::Channel(&channel, access);
        assert_eq!(who.may(need), expected, "{need}");
    }
    assert!(who.may_watch(&UserId::parse("guest:1").unwrap()));
    assert!(!who.may_watch(&mel));
    assert_eq!(who.games().map(|games| games.len()), Some(1));
}

#[test]
fn refusal_names_roles_and_what_is_not_allowed() {
    let roles = roles(GUEST);
    let (permissions, mel, channel) = (
        permissions(&roles, &["editor", "guest"]),
        mel(),
        path("chat/eu"),
    );
    let need = Need::Channel(&channel, Access::Publish);
    let error = Who::new(&mel, &permissions).check(need).unwrap_err();
    assert_eq!(error.code, ErrorCode::Forbidden);
    let expected = "users with the role editor, guest may not publish on chat/eu";
    assert_eq!(&*error.message, expected);
}

#[test]
fn added_functions_are_called_beside_those_of_the_roles() {
    let roles = roles(r#"{"default": {"services": ["help"]}}"#);
    let added = [Pattern::of_functions("forum").unwrap()];
    let (permissions, mel) = (roles.permissions(&[], &added).map(Arc::new), mel());
    let who = Who::new(&mel, &permissions);
    for (service, expected) in [("help", true), ("forum", true), ("chat", false)] {
        let function = "f";
        assert_eq!(who.may(Need::Call { service, function }), expected);
    }
    assert_eq!(permissions.as_ref().unwrap().added(), added);
}

#[test]
fn audience_names_roles() {
    let roles = roles(GUEST);
    let audience: crate::model::audience::Audience =
        serde_json::from_str(r#"["@editor"]"#).unwrap();
    let mel = mel();
    for (names, expected) in [(&["editor"][..], true), (&["guest"], false), (&[], false)] {
        let permissions = permissions(&roles, names);
        assert_eq!(audience.includes(Who::new(&mel, &permissions)), expected);
    }
    assert_eq!(audience.roles().collect::<Vec<_>>(), ["editor"]);
    assert_eq!(serde_json::to_string(&audience).unwrap(), r#"["@editor"]"#);
}

const PATTERNS: [&str; 7] = ["a", "b", "a/*", "*/b", "a/**", "b/**", "**"];
const PATHS: [&str; 8] = ["a", "b", "c", "a/b", "a/c", "b/a", "c/b", "a/b/c"];

fn grants() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..PATTERNS.len(), 0..3)
}

fn of_lists(lists: &[Vec<usize>]) -> Roles {
    let parse = |index: &usize| Pattern::parse(PATTERNS[*index]).unwrap();
    let role = |(number, list): (usize, &Vec<usize>)| {
        let join: Grants = list.iter().map(parse).collect();
        let channels = ChannelGrants {
            publish: join.clone(),
            join,
        };
        let settings = RoleSettings {
            channels,
            ..RoleSettings::default()
        };
        (format!("role{number}"), settings)
    };
    Roles::new(lists.iter().enumerate().map(role).collect())
}

proptest! {
    /// Several roles allow what at least one of them allows, whatever their order and
    /// however often they are named.
    #[test]
    fn roles_add_up(lists in prop::collection::vec(grants(), 1..4), order in any::<bool>()) {
        let roles = of_lists(&lists);
        let mut names: Vec<String> = (0..lists.len()).map(|n| format!("role{n}")).collect();
        if order {
            names.reverse();
            names.extend(names.clone());
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (together, mel) = (permissions(&roles, &names), mel());
        for channel in PATHS.map(path) {
            for access in [Access::Join, Access::Publish] {
                let need = Need::Channel(&channel, access);
                let one = names.iter().any(|name| {
                    Who::new(&mel, &permissions(&roles, &[name])).may(need)
                });
                prop_assert_eq!(Who::new(&mel, &together).may(need), one);
            }
        }
    }

    /// Who may join everything below a path may join each path below it.
    #[test]
    fn join_below_is_a_join_of_all(list in grants()) {
        let roles = of_lists(&[list]);
        let (permissions, mel) = (permissions(&roles, &["role0"]), mel());
        let who = Who::new(&mel, &permissions);
        for above in PATHS {
            let channel = path(above);
            if who.may(Need::Channel(&channel, Access::JoinBelow)) {
                for below in PATHS {
                    let below = path(&format!("{above}/{below}"));
                    prop_assert!(who.may(Need::Channel(&below, Access::Join)));
                }
            }
        }
    }

    /// A user's id that looks like a pattern is one user.
    #[test]
    fn user_ids_are_no_patterns(name in "[*a/:.]{1,8}") {
        let roles = of_lists(&[vec![0]]);
        let permissions = permissions(&roles, &["role0"]);
        if let Ok(user) = UserId::parse(&format!("1:{name}")) {
            let other = mel();
            for channel in PATHS.map(path) {
                let need = Need::Channel(&channel, Access::Join);
                let (one, two) = (Who::new(&user, &permissions), Who::new(&other, &permissions));
                prop_assert_eq!(one.may(need), two.may(need));
            }
        }
    }
}
