use std::sync::Arc;

use super::*;
use crate::gateway::testing::user;
use turntable_core::model::permission::{RoleSettings, Roles, SharedPermissions};

fn service(caller: &str, direct_url: &str) -> ServiceSettings {
    ServiceSettings {
        callers: vec![caller.to_owned()],
        direct_url: direct_url.to_owned(),
        ..ServiceSettings::default()
    }
}

fn services() -> Services {
    BTreeMap::from([
        ("chat".to_owned(), service("*", "ws://a")),
        ("forum".to_owned(), service("1:*", "")),
    ])
}

fn state(is_enabled: bool) -> ServiceState {
    ServiceState {
        is_enabled,
        functions: vec!["read".into(), "write".into()],
        direct: None,
    }
}

/// The permissions of a role with these settings.
fn permissions(role: &str) -> SharedPermissions {
    let mut roles = RoleSettings::embedded();
    roles.insert("reader".to_owned(), serde_json::from_str(role).unwrap());
    Roles::new(roles)
        .permissions(&["reader"], &[])
        .map(Arc::new)
}

#[test]
fn change_is_reported_where_clients_see_another_state() {
    let services = services();
    let mut states = States::default();
    assert_eq!(
        states.unknown(&services).collect::<Vec<_>>(),
        ["chat", "forum"]
    );
    // An unknown service is seen as a disabled one without functions.
    assert!(!states.changed("chat".into(), ServiceState::default()));
    assert_eq!(states.unknown(&services).collect::<Vec<_>>(), ["forum"]);
    assert!(states.changed("chat".into(), state(true)));
    assert!(!states.changed("chat".into(), state(true)));
    let seen = states.of("chat", &services);
    assert!(seen.is_enabled && seen.direct.is_some_and(|direct| &*direct.url == "ws://a"));
    assert!(states.removed("chat") && !states.removed("chat"));
    assert!(!states.of("chat", &services).is_enabled);
}

#[test]
fn only_services_with_another_address_for_direct_connections_are_named() {
    let (before, mut now) = (services(), services());
    now.insert("new".to_owned(), service("*", "ws://b"));
    assert_eq!(directs_changed(&before, &now).count(), 0);
    now.insert("chat".to_owned(), service("*", "ws://c"));
    let names = directs_changed(&before, &now).map(|(name, _)| name);
    assert_eq!(names.collect::<Vec<_>>(), ["chat"]);
}

#[test]
fn session_sees_the_services_and_functions_that_it_may_call() {
    let (services, disabled) = (services(), Disabled::default());
    let view = View {
        services: &services,
        disabled: &disabled,
    };
    let mut states = States::default();
    states.changed("chat".into(), state(true));
    states.changed("forum".into(), state(true));
    let (mel, guest) = (user("1:1"), user("guest:1"));
    let names = |who: Who<'_>| {
        let seen = states.manifest(&view, who).into_iter();
        seen.map(|(name, state)| (name.to_string(), state.is_enabled, state.functions.len()))
            .collect::<Vec<_>>()
    };
    let all = |chat: bool| [("chat".to_owned(), chat, 2), ("forum".to_owned(), true, 2)];
    assert_eq!(names(Who::of(&mel)), all(true));
    assert_eq!(names(Who::of(&guest)), all(true)[..1]);
    disabled.disable(&mel, "chat", 1).unwrap();
    assert_eq!(names(Who::of(&mel)), all(false));
    let change = Change::new("chat", &services["chat"], state(true));
    let text = |who: Who<'_>| {
        let frame = change.seen_by(who, &disabled)?;
        Some(frame.as_message()?.text().to_owned())
    };
    assert_eq!(text(Who::of(&mel)), None, "it is disabled for the user");
    assert!(text(Who::of(&guest)).is_some_and(|text| text.contains("write")));
    let reader = permissions(r#"{"services": ["chat:read"]}"#);
    let seen = text(Who::new(&guest, &reader)).unwrap();
    assert!(seen.contains("read") && !seen.contains("write"), "{seen}");
}
