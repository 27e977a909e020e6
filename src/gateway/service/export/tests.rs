//! A session that provides and calls goes on at another gateway as at the first.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::gateway::session::life::Details;
use crate::gateway::testing::{Noted, begin, connect, entry, gateway, user};
use turntable_core::call::Call;
use turntable_core::model::service::{Origin, ServiceRequest, ServiceSettings};
use turntable_core::payload::Payload;
use turntable_core::session::life::Input;

const FORUM: &str = "forum";
const CHAT: &str = "chat";
/// No service of the configuration: a function of the user.
const OWN: &str = "own";

#[derive(Debug, Clone)]
enum Step {
    Provide(&'static str, u8),
    HandOut(&'static str, u64),
    Cancel(&'static str, u64),
    Reply(u64),
    Cut,
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || prop::sample::select(vec![FORUM, CHAT, OWN]);
    prop_oneof![
        2 => (name(), 0..3u8).prop_map(|(name, count)| Step::Provide(name, count)),
        4 => (name(), 0..6u64).prop_map(|(name, number)| Step::HandOut(name, number)),
        1 => (name(), 0..6u64).prop_map(|(name, number)| Step::Cancel(name, number)),
        3 => (0..8u64).prop_map(Step::Reply),
        1 => Just(Step::Cut),
        1 => Just(Step::Resume),
    ]
}

fn owner(name: &str) -> Box<str> {
    match name {
        OWN => function::owner_name(&user("1:1"), OWN),
        name => name.into(),
    }
}

/// What an owner is called for, without the place of the session.
fn trace(call: &Call) -> Option<String> {
    let Call::Service(name, call) = call else {
        return None;
    };
    Some(match call {
        ServiceCall::Provide { functions, .. } => format!("{name} provide {functions:?}"),
        ServiceCall::Gone { .. } => format!("{name} gone"),
        ServiceCall::Reply { number, .. } => format!("{name} reply {number}"),
        ServiceCall::Moved { .. } => format!("{name} moved"),
        ServiceCall::Call(request) => format!("{name} call {}", request.function),
        other => format!("{name} {other:?}"),
    })
}

/// A gateway with one session.
struct World {
    gateway: Gateway,
    owners: Arc<Noted>,
    session: SessionSlot,
}

impl World {
    fn empty(worker: u16) -> (Gateway, Arc<Noted>) {
        let owners = Arc::new(Noted::default());
        let mut gateway = gateway(worker, &owners);
        let mut settings = (*gateway.settings).clone();
        let service = |name: &str| {
            let settings = ServiceSettings {
                providers: vec!["*".to_owned()],
                ..ServiceSettings::default()
            };
            (name.to_owned(), settings)
        };
        settings.services = Arc::new([service(FORUM), service(CHAT)].into());
        gateway.settings = Arc::new(settings);
        (gateway, owners)
    }

    fn begin() -> Self {
        let (mut gateway, owners) = Self::empty(1);
        let session = begin(&mut gateway);
        Self {
            gateway,
            owners,
            session,
        }
    }

    /// The session at another gateway.
    fn moved(&self) -> Self {
        let export = self.gateway.export_session(self.session).unwrap();
        let text = serde_json::to_string(&export).unwrap();
        let export = serde_json::from_str(&text).unwrap();
        let (mut gateway, owners) = Self::empty(0);
        let session = gateway.import_session(export).unwrap();
        Self {
            gateway,
            owners,
            session,
        }
    }

    fn call(&mut self, f: &str, id: &str) {
        let id = Some(RequestId(id.into()));
        self.gateway.call_service(self.session, f, None, None, id);
    }

    fn step(&mut self, step: &Step) -> (Vec<String>, Vec<String>) {
        let (gateway, session) = (&mut self.gateway, self.session);
        let place = gateway.sessions.place(session);
        match step {
            Step::Provide(name, count) => {
                let functions = (0..*count).map(|n| format!("f{n}").into()).collect();
                gateway.provide(session, vec![((*name).into(), functions)], None);
            }
            Step::HandOut(name, number) => {
                let request = ServiceRequest {
                    origin: Origin::Session {
                        caller: gateway.sessions.caller(session).unwrap(),
                        id: None,
                    },
                    user: None,
                    address: None,
                    function: "f0".into(),
                    args: None,
                    timeout_ms: None,
                };
                gateway.hand_out(place, owner(name), *number, request);
            }
            Step::Cancel(name, number) => gateway.cancel(place, &owner(name), *number),
            Step::Reply(id) => {
                let id = RequestId(id.to_string().into());
                gateway.service_reply(session, Payload::from_json("1"), Some(id));
            }
            Step::Cut => self.cut(),
            Step::Resume => self.resume(),
        }
        self.gateway.run();
        self.seen()
    }

    fn cut(&mut self) {
        if let Some(connection) = entry(&mut self.gateway, self.session).session.connection() {
            self.gateway.lose(connection);
            self.gateway.run();
        }
    }

    fn resume(&mut self) {
        if entry(&mut self.gateway, self.session)
            .session
            .connection()
            .is_none()
        {
            let input = Input::Resume {
                connection: connect(&mut self.gateway),
                received: Some(0),
                attempt: None,
            };
            self.gateway.step(self.session, input, Details::default());
            self.gateway.run();
        }
    }

    /// What services were called for since the last time, and what the client has or gets.
    fn seen(&mut self) -> (Vec<String>, Vec<String>) {
        let calls = std::mem::take(&mut *self.owners.0.lock());
        let outbox = &entry(&mut self.gateway, self.session).session.outbox;
        let frames = outbox.retained().chain(outbox.waiting());
        let texts = frames.filter_map(|frame| Some(frame.as_message()?.text().to_owned()));
        (calls.iter().filter_map(trace).collect(), texts.collect())
    }
}

proptest! {
    #[test]
    fn provider_goes_on_at_another_gateway(
        before in prop::collection::vec(step(), 0..30),
        after in prop::collection::vec(step(), 1..30),
    ) {
        let mut first = World::begin();
        for step in &before {
            first.step(step);
        }
        first.step(&Step::Cut);
        let mut second = first.moved();
        second.seen();
        for step in std::iter::once(&Step::Resume).chain(&after) {
            prop_assert_eq!(first.step(step), second.step(step), "{:?}", step);
        }
    }
}

#[test]
fn open_calls_of_both_directions_go_along() {
    let mut first = World::begin();
    first.step(&Step::Provide(FORUM, 2));
    first.step(&Step::Provide(OWN, 1));
    first.step(&Step::HandOut(FORUM, 70));
    first.step(&Step::HandOut(OWN, 80));
    first.call("chat:f", "1");
    first.call("chat:f", "2");
    let mut second = first.moved();
    let own = owner(OWN);
    // It gets no other calls until it is resumed, and the answers to its own come here.
    let sent = second.seen().0;
    assert_eq!(
        sent,
        [
            "chat moved".to_owned(),
            format!("{own} provide []"),
            "forum provide []".to_owned(),
        ]
    );
    let (sent, _) = second.step(&Step::Resume);
    assert_eq!(
        sent,
        [
            format!("{own} provide [\"f0\"]"),
            "forum provide [\"f0\", \"f1\"]".to_owned(),
        ]
    );
    assert_eq!(second.step(&Step::Reply(1)).0, ["forum reply 70"]);
    assert_eq!(second.step(&Step::Reply(2)).0, [format!("{own} reply 80")]);
    let mut ids: Vec<_> = second.gateway.pending.calls(second.session).collect();
    ids.sort_unstable_by(|a, b| a.1.0.cmp(&b.1.0));
    let ids: Vec<_> = ids.iter().map(|(name, id)| (*name, &*id.0)).collect();
    assert_eq!(ids, [("chat", "1"), ("chat", "2")]);
}
