use super::*;
use crate::gateway::testing::user;
use turntable_core::key::{GatewayId, NodeId, Place, SessionSlot, SlotKey as _, WorkerId};
use turntable_core::model::service::Origin;

type Services = BTreeMap<String, ServiceSettings>;

fn caller() -> Caller {
    let gateway = GatewayId {
        node: NodeId(0),
        boot: 1,
        worker: WorkerId(0),
    };
    Caller {
        key: SessionKey::from_number(7),
        place: Place {
            gateway,
            slot: SessionSlot::new(1, 1),
        },
    }
}

/// `forum` is provided by `1:1`, and `chat` by `s:1`, which has a token.
fn services() -> Services {
    let service = |provider: &str, token: &str| ServiceSettings {
        providers: vec![provider.to_owned()],
        token: token.to_owned(),
        idempotent: vec!["read".to_owned()],
        ..ServiceSettings::default()
    };
    BTreeMap::from([
        ("forum".to_owned(), service("1:1", "")),
        ("chat".to_owned(), service("s:1", "secret")),
    ])
}

fn provider<'a>(user: &'a UserId, services: &'a Services) -> Provider<'a> {
    Provider {
        caller: caller(),
        address: None,
        user,
        services,
    }
}

fn offer(all: &[(&str, &[&str])]) -> Offer {
    let functions = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    all.iter()
        .map(|(name, names)| ((*name).into(), functions(names)))
        .collect()
}

/// The calls as texts.
fn sent(calls: &OwnerCalls) -> Vec<String> {
    let sent = |(owner, call): &(Box<str>, ServiceCall)| match call {
        ServiceCall::Provide { functions, .. } => format!("{owner}: {}", functions.join(",")),
        ServiceCall::Gone { .. } => format!("{owner} gone"),
        other => panic!("{other:?}"),
    };
    calls.iter().map(sent).collect()
}

fn request(by: Option<&str>, function: &str) -> ServiceRequest {
    ServiceRequest {
        origin: Origin::Session {
            caller: caller(),
            id: None,
        },
        user: by.map(user),
        address: None,
        function: function.into(),
        args: None,
        timeout_ms: None,
    }
}

#[test]
fn offer_is_of_the_server_where_the_user_may_provide_it_and_else_its_own() {
    let (services, mel) = (services(), user("1:1"));
    let by = provider(&mel, &services);
    let mut known = Providing::default();
    let all = offer(&[("forum", &["read", "write"]), ("chat", &["send"])]);
    let taken = known.offer(all, &by, true).unwrap();
    assert_eq!(
        taken.answer().as_json(),
        r#"{"own":["chat"],"services":["forum"]}"#
    );
    assert_eq!(sent(&taken.calls), ["forum: read,write", "1:1 chat: send"]);
    assert_eq!(known.count(), 2);
    // No functions: it is not provided any more.
    let taken = known.offer(offer(&[("forum", &[])]), &by, true).unwrap();
    assert_eq!(sent(&taken.calls), ["forum: "]);
    assert_eq!(known.count(), 1);
    // Without a connection owners are sent it with the next one.
    let taken = known
        .offer(offer(&[("forum", &["f"])]), &by, false)
        .unwrap();
    assert!(taken.calls.is_empty());
    assert_eq!(sent(&known.connected(&by)), ["1:1 chat: send", "forum: f"]);
}

#[test]
fn services_and_functions_are_bounded_and_a_refused_offer_changes_nothing() {
    let (services, mel) = (services(), user("1:1"));
    let by = provider(&mel, &services);
    let mut known = Providing::default();
    let mut provide = |number: usize, bytes: usize| {
        let functions = vec!["a".repeat(bytes).into()];
        let all = vec![
            (format!("own{number}").into(), functions),
            ("own0".into(), vec!["f".into()]),
        ];
        let taken = known.offer(all, &by, true);
        let error = taken.err().map(|error| error.code);
        (known.count(), error)
    };
    let too_many = Some(ErrorCode::TooMany);
    let longest = FUNCTIONS_BYTES_MAX - FUNCTION_BYTES;
    assert_eq!(provide(0, longest + 1), (0, too_many));
    assert_eq!(provide(0, longest), (1, None));
    for number in 1..PROVIDED_MAX {
        assert_eq!(provide(number, 10), (number + 1, None));
    }
    assert_eq!(provide(PROVIDED_MAX, 10), (PROVIDED_MAX, too_many));
    // One that is known may change.
    assert_eq!(provide(1, 20), (PROVIDED_MAX, None));
}

#[test]
fn session_is_an_instance_while_it_has_a_connection_and_may_provide() {
    let (mut services, mel) = (services(), user("1:1"));
    let mut known = Providing::default();
    let all = offer(&[("forum", &["read"]), ("own", &["f"])]);
    let by = provider(&mel, &services);
    known.offer(all, &by, true).unwrap();
    assert_eq!(known.functions("forum", &by), Some(&["read".into()][..]));
    assert_eq!(known.functions("1:1 own", &by), Some(&["f".into()][..]));
    assert_eq!(known.functions("chat", &by), None);
    assert_eq!(
        sent(&known.disconnected(caller())),
        ["1:1 own gone", "forum gone"]
    );
    assert_eq!(sent(&known.connected(&by)), ["1:1 own: f", "forum: read"]);
    assert!(known.without_right(&mel, &services).is_empty());
    // Others provide it from now on.
    services.get_mut("forum").unwrap().providers = vec!["2:*".to_owned()];
    let by = provider(&mel, &services);
    assert_eq!(sent(&known.connected(&by)), ["1:1 own: f", "forum gone"]);
    assert_eq!(known.functions("forum", &by), None);
    let names = known.without_right(&mel, &services);
    assert_eq!(names, ["forum".into()]);
    assert_eq!(sent(&known.withdraw(&names, caller())), ["forum gone"]);
    assert_eq!(sent(&known.connected(&by)), ["1:1 own: f"]);
}

#[test]
fn call_has_an_id_of_its_own_and_a_key_where_it_may_be_repeated() {
    let services = services();
    let mut known = Providing::default();
    let (packet, id) = known.hand_out("forum".into(), 70, request(None, "read"), &services);
    let ServerPacket::Call { f, key, .. } = packet else {
        panic!("{packet:?}");
    };
    assert_eq!(
        (&*id.0, &*f, key.as_deref()),
        ("1", "forum:read", Some("70"))
    );
    let (packet, id) = known.hand_out("1:1 own".into(), 70, request(None, "read"), &services);
    let ServerPacket::Call { f, key, .. } = packet else {
        panic!("{packet:?}");
    };
    assert_eq!((&*id.0, &*f, key), ("2", "own:read", None));
    let reply = |known: &mut Providing, id: &str| {
        let id = RequestId(id.into());
        known.reply(Some(&id), Payload::from_json("1"), caller().key, 1_000)
    };
    let Replied::Answer(owner, ServiceCall::Reply { number, .. }) = reply(&mut known, "2") else {
        panic!("{known:?}");
    };
    assert_eq!((&*owner, number), ("1:1 own", 70));
    let packet = known.cancel("forum", 70).unwrap();
    let ServerPacket::Call { f, args, .. } = packet else {
        panic!("{packet:?}");
    };
    assert_eq!(
        (&*f, args.unwrap().as_json()),
        ("$av:cancel", r#"{"id":1}"#)
    );
    assert!(known.cancel("forum", 70).is_none());
    // One answer is late, as one call was cancelled; others answer nothing.
    assert!(matches!(reply(&mut known, "1"), Replied::Late));
    let strays = STRAYS.burst / STRAY;
    for number in 0..=strays {
        let Replied::Stray { is_over } = reply(&mut known, "1") else {
            panic!("{number}");
        };
        assert_eq!(is_over, number == strays, "{number}");
    }
}

#[test]
fn calls_of_another_user_go_on_with_the_ids_of_the_one_before() {
    let (services, mel) = (services(), user("1:1"));
    let mut known = Providing::default();
    let all = offer(&[("own", &["f"])]);
    known.offer(all, &provider(&mel, &services), true).unwrap();
    known.hand_out("1:1 own".into(), 1, request(None, "f"), &services);
    assert_eq!(sent(&known.disconnected(caller())), ["1:1 own gone"]);
    known.forget_services();
    assert_eq!(known.count(), 0);
    let (_, id) = known.hand_out("1:2 own".into(), 1, request(None, "f"), &services);
    assert_eq!(&*id.0, "2");
    let first = RequestId("1".into());
    let replied = known.reply(Some(&first), Payload::from_json("1"), caller().key, 0);
    assert!(matches!(replied, Replied::Late), "{replied:?}");
}

#[test]
fn invisible_user_gets_calls_of_its_own_sessions_and_of_services_only() {
    let (services, mel) = (services(), user("1:1"));
    let mut recipient = Recipient {
        user: &mel,
        is_hidden: true,
        waiting_bytes: 0,
        waiting_bytes_max: 1_000,
        services: &services,
    };
    let takes = |recipient: &Recipient<'_>, owner: &str, by: Option<&str>| {
        recipient.takes(owner, &request(by, "f"))
    };
    for by in [Some("1:1"), Some("s:1"), None] {
        assert_eq!(takes(&recipient, "1:1 own", by), Ok(()), "{by:?}");
    }
    let absent = Err(NotTaken::Absent);
    assert_eq!(takes(&recipient, "1:1 own", Some("1:2")), absent);
    assert_eq!(takes(&recipient, "forum", Some("1:2")), Ok(()));
    recipient.is_hidden = false;
    assert_eq!(takes(&recipient, "1:1 own", Some("1:2")), Ok(()));
    recipient.waiting_bytes = 700;
    let behind = Err(NotTaken::Behind);
    assert_eq!(takes(&recipient, "1:1 own", None), behind);
}
