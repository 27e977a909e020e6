//! What every avatar begins with: its factory.
//!
//! ```text
//! first session of a user ──► avatar ── begin ──► factory
//!                               │                  [avatar.attributes], where there are none
//!     (its session waits)       │                  AvatarFactory of the program
//!                               │                  POST avatar.url
//!   welcome ◄────────────────── Made ◄── plan ────┘
//! ```
//!
//! It runs once for each life of an avatar, after the authentication and before the first
//! `welcome`, beside the workers and within `avatar.timeout_ms`. One that errs, panics or
//! is late has failed: the avatar begins without what it would have given, or is refused
//! with `unavailable` where `avatar.required` is set.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use crate::clock;
use crate::http_client::AnswerLimits;
use crate::http_client::breaker::{Breaker, BreakerSettings};
use crate::log_limit::LogLimit;
use crate::metric::Metrics;
use crate::opaque;
use crate::portal::Portal;
use crate::portal::backend::{self, Backend};
use crate::portal::settings::AvatarSettings;
use crate::watched::Watched;
use turntable_core::id::UserId;
use turntable_core::model::avatar::AttributeChanges;
use turntable_core::model::pattern::Pattern;
use turntable_core::payload::Payload;

/// Each avatar may fail so.
static FACTORY_FAILED: LogLimit = LogLimit::new();

/// How long the answer of a backend may be, in bytes.
const ANSWER_BYTES_MAX: usize = 1_048_576;

/// How many requests a backend has at once; others wait within `avatar.timeout_ms`.
const ASKED_MAX: usize = 256;

/// When a backend gets no question for a while.
const BREAKING: BreakerSettings = BreakerSettings {
    failures: 5,
    pause_ms: 10_000,
};

/// The most functions that are added to those of the roles.
const SERVICES_MAX: usize = 256;

/// A user whose avatar begins.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAvatar {
    /// The user.
    pub user: UserId,
    /// The roles of its first session.
    pub roles: Vec<Box<str>>,
    /// The attributes that the store has of it.
    pub attributes: Vec<(Box<str>, Payload)>,
}

/// What an avatar begins with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AvatarPlan {
    /// Attributes to set; without a value it is removed.
    pub attributes: AttributeChanges,
    /// Functions that the user may call beside those of its roles, as `SERVICE` or
    /// `SERVICE:FUNCTION`.
    pub services: Vec<Box<str>>,
}

impl AvatarPlan {
    /// Adds another plan, which wins.
    fn add(&mut self, other: Self) {
        let is_replaced = |name: &str| other.attributes.iter().any(|(known, _)| **known == *name);
        self.attributes.retain(|(name, _)| !is_replaced(name));
        self.attributes.extend(other.attributes);
        self.services.extend(other.services);
        self.services.truncate(SERVICES_MAX);
    }
}

/// The plan, once it is there; the error is a sentence for the log.
pub type Making<'a> = Pin<Box<dyn Future<Output = Result<AvatarPlan, String>> + Send + 'a>>;

/// Decides what avatars begin with. Called once for each life of an avatar, before its
/// first session is welcomed.
///
/// The future runs on threads of the portal, beside the workers, and is dropped after
/// `avatar.timeout_ms`. What blocks a thread belongs into `tokio::task::spawn_blocking`.
///
/// ```
/// use turntable::portal::factory::{AvatarFactory, AvatarPlan, Making, NewAvatar};
/// use turntable_core::payload::Payload;
///
/// #[derive(Debug)]
/// struct Ranks;
///
/// impl AvatarFactory for Ranks {
///     fn make<'a>(&'a self, avatar: &'a NewAvatar) -> Making<'a> {
///         Box::pin(async move {
///             let mut plan = AvatarPlan::default();
///             if avatar.user.realm() == "staff" {
///                 let rank = Some(Payload::from_json("9"));
///                 plan.attributes.push(("rank".into(), rank));
///                 plan.services.push("moderation".into());
///             }
///             Ok(plan)
///         })
///     }
/// }
/// ```
pub trait AvatarFactory: Send + Sync + fmt::Debug {
    /// What this avatar begins with.
    fn make<'a>(&'a self, avatar: &'a NewAvatar) -> Making<'a>;
}

/// The answer of a backend.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    attributes: BTreeMap<Box<str>, Box<RawValue>>,
    #[serde(default)]
    services: Vec<Box<str>>,
}

fn read(body: &[u8]) -> Result<AvatarPlan, String> {
    let answer = backend::object(body);
    let answer: Answer =
        answer.ok_or("its answer is not {\"attributes\"?: {...}, \"services\"?: [...]}")?;
    let attributes = answer.attributes.into_iter();
    let value = |value: &str| (value != "null").then(|| Payload::from_json(value));
    Ok(AvatarPlan {
        attributes: attributes
            .map(|(name, raw)| (name, value(raw.get())))
            .collect(),
        services: answer.services,
    })
}

/// Refuses attributes that clients cannot read, and what is no pattern of functions.
fn check(plan: AvatarPlan) -> Result<AvatarPlan, String> {
    let attributes = plan.attributes.iter();
    opaque::check_attributes(
        attributes.filter_map(|(name, value)| Some((&**name, value.as_ref()?))),
    )?;
    let mut services = plan.services.iter().map(|text| &**text);
    match services.find(|text| Pattern::of_functions(text).is_err()) {
        Some(text) => Err(format!("{text:?} names no functions of a service")),
        None => Ok(plan),
    }
}

/// The settings in force, and what is known of the backend that they name.
#[derive(Debug)]
struct InForce {
    settings: AvatarSettings,
    breaker: Breaker,
}

impl InForce {
    fn new(settings: AvatarSettings) -> Self {
        Self {
            settings,
            breaker: Breaker::default(),
        }
    }
}

/// The factory of a node's avatars.
#[derive(Debug)]
pub struct Factory {
    in_force: Watched<InForce>,
    embedded: Option<Arc<dyn AvatarFactory>>,
    portal: Arc<Portal>,
    backend: Backend,
    /// A place for each request to the backend.
    places: Semaphore,
    metrics: Arc<Metrics>,
}

impl Factory {
    /// A factory with these settings, and that of a program that embeds the server.
    #[must_use]
    pub fn new(
        settings: AvatarSettings,
        embedded: Option<Arc<dyn AvatarFactory>>,
        portal: Arc<Portal>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            in_force: Watched::new(InForce::new(settings)),
            embedded,
            portal,
            backend: Backend::default(),
            places: Semaphore::new(ASKED_MAX),
            metrics,
        }
    }

    /// Puts other settings in force, for avatars that begin from now on. Failures under
    /// the settings before do not count for them: they may name another backend.
    pub fn apply(&self, settings: AvatarSettings) {
        if self.in_force.get().settings != settings {
            self.in_force.set(InForce::new(settings));
        }
    }

    /// What an avatar begins with, where that takes no time.
    pub(crate) fn plan_at_once(&self, attributes: &[(Box<str>, Payload)]) -> Option<AvatarPlan> {
        let settings = &self.in_force.get().settings;
        let takes_time = self.embedded.is_some() || !settings.url.is_empty();
        (!takes_time).then(|| of_settings(settings, attributes))
    }

    /// Plans an avatar beside the workers. `then` gets the plan on a thread of the
    /// portal; `None` where it failed and the avatar may not begin without.
    pub(crate) fn plan(
        self: &Arc<Self>,
        avatar: NewAvatar,
        then: impl FnOnce(Option<AvatarPlan>) + Send + 'static,
    ) {
        let factory = self.clone();
        let known = avatar.attributes.clone();
        let (then, of_user) = (Once::new(then), known.clone());
        let or_else = then.clone();
        let begun = self.portal.spawn(async move {
            let limit = Duration::from_millis(factory.in_force.get().settings.timeout_ms);
            let made = factory.clone();
            let mut task = tokio::spawn(async move { made.make(avatar).await });
            let outcome = match tokio::time::timeout(limit, &mut task).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err("it panicked".to_owned()),
                Err(_) => {
                    task.abort();
                    Err("it did not answer within avatar.timeout_ms".to_owned())
                }
            };
            then.call(factory.outcome(outcome, &of_user));
        });
        if begun.is_err() {
            let outcome = Err("there is no thread for it".to_owned());
            or_else.call(self.outcome(outcome, &known));
        }
    }

    fn outcome(
        &self,
        outcome: Result<AvatarPlan, String>,
        attributes: &[(Box<str>, Payload)],
    ) -> Option<AvatarPlan> {
        let why = match outcome {
            Ok(plan) => return Some(plan),
            Err(why) => why,
        };
        self.metrics.factory_failures.inc();
        if let Some(more) = FACTORY_FAILED.admit(clock::now_ms()) {
            log::warn!("the factory of avatars failed: {why}{more}");
        }
        let settings = &self.in_force.get().settings;
        (!settings.required).then(|| of_settings(settings, attributes))
    }

    async fn make(&self, avatar: NewAvatar) -> Result<AvatarPlan, String> {
        let in_force = self.in_force.get();
        let settings = &in_force.settings;
        let mut plan = of_settings(settings, &avatar.attributes);
        if let Some(embedded) = &self.embedded {
            plan.add(embedded.make(&avatar).await?);
        }
        if !settings.url.is_empty() {
            let attributes: serde_json::Map<String, serde_json::Value> = avatar
                .attributes
                .iter()
                .filter_map(|(name, value)| {
                    let value = serde_json::from_str(value.as_json()).ok()?;
                    Some((name.to_string(), value))
                })
                .collect();
            let question = json!({
                "user": avatar.user.as_str(),
                "roles": avatar.roles,
                "attributes": attributes,
            });
            let limits = AnswerLimits {
                timeout: Duration::from_millis(settings.timeout_ms),
                bytes_max: ANSWER_BYTES_MAX,
            };
            plan.add(self.ask(&in_force, &question, limits).await?);
        }
        check(plan)
    }

    /// What the backend plans; it has few requests at once, and a pause when it fails.
    async fn ask(
        &self,
        in_force: &InForce,
        question: &serde_json::Value,
        limits: AnswerLimits,
    ) -> Result<AvatarPlan, String> {
        let _place = self.places.acquire().await.map_err(|e| e.to_string())?;
        let admitted = in_force.breaker.admit(BREAKING, clock::now_ms());
        let admitted = admitted.ok_or("it failed several times in a row and has a pause")?;
        let AvatarSettings {
            url, token_file, ..
        } = &in_force.settings;
        let answer = self.backend.ask((url, token_file), question, limits);
        let plan = read(&answer.await?)?;
        admitted.succeed();
        Ok(plan)
    }
}

/// What the configuration gives an avatar with these attributes.
fn of_settings(settings: &AvatarSettings, attributes: &[(Box<str>, Payload)]) -> AvatarPlan {
    let is_new = |name: &str| !attributes.iter().any(|(known, _)| **known == *name);
    let initial = settings.attributes.iter();
    AvatarPlan {
        attributes: initial
            .filter(|(name, _)| is_new(name))
            .map(|(name, value)| {
                let value = Payload::from_json(&value.to_string());
                (name.as_str().into(), Some(value))
            })
            .collect(),
        services: settings
            .services
            .iter()
            .map(|text| text.as_str().into())
            .collect(),
    }
}

/// Something that is called at most once, by whichever comes first.
struct Once<F>(Arc<parking_lot::Mutex<Option<F>>>);

impl<F> Clone for Once<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: FnOnce(Option<AvatarPlan>)> Once<F> {
    fn new(then: F) -> Self {
        Self(Arc::new(parking_lot::Mutex::new(Some(then))))
    }

    fn call(&self, plan: Option<AvatarPlan>) {
        let then = self.0.lock().take();
        if let Some(then) = then {
            then(plan);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::portal::settings::PortalSettings;
    use crate::store::memory::MemoryStore;

    fn attribute(name: &str, value: &str) -> (Box<str>, Payload) {
        (name.into(), Payload::from_json(value))
    }

    #[tokio::test]
    async fn backend_without_a_free_place_is_not_asked() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let settings = AvatarSettings {
            url: format!("http://{}", listener.local_addr().unwrap()),
            timeout_ms: 50,
            required: true,
            ..AvatarSettings::default()
        };
        let store = Arc::new(MemoryStore::new(0));
        let portal = Portal::new(PortalSettings::default(), Vec::new(), store).unwrap();
        let factory = Factory::new(settings, None, Arc::new(portal), Arc::default());
        assert_eq!(factory.places.forget_permits(ASKED_MAX), ASKED_MAX);
        let (made, plan) = tokio::sync::oneshot::channel();
        let avatar = NewAvatar {
            user: UserId::parse("1:1").unwrap(),
            roles: Vec::new(),
            attributes: Vec::new(),
        };
        Arc::new(factory).plan(avatar, |plan| made.send(plan).unwrap());
        assert_eq!(plan.await, Ok(None));
        let asked = listener.accept().map(|_| ());
        assert_eq!(asked.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn other_settings_end_the_pause_of_the_backend_before() {
        let failing = AvatarSettings {
            // Nothing listens there.
            url: "http://127.0.0.1:1/".to_owned(),
            ..AvatarSettings::default()
        };
        let store = Arc::new(MemoryStore::new(0));
        let portal = Portal::new(PortalSettings::default(), Vec::new(), store).unwrap();
        let factory = Factory::new(failing.clone(), None, Arc::new(portal), Arc::default());
        let make = || async {
            let avatar = NewAvatar {
                user: UserId::parse("1:1").unwrap(),
                roles: Vec::new(),
                attributes: Vec::new(),
            };
            let why = factory.make(avatar).await.unwrap_err();
            why.contains("has a pause")
        };
        for _ in 0..BREAKING.failures {
            assert!(!make().await);
        }
        assert!(make().await);
        factory.apply(failing.clone());
        assert!(make().await, "nothing has changed");
        factory.apply(AvatarSettings {
            url: "http://127.0.0.1:1/other".to_owned(),
            ..failing
        });
        assert!(!make().await, "it is another backend");
    }

    #[test]
    fn initial_attributes_replace_none() {
        let settings = AvatarSettings {
            attributes: BTreeMap::from([
                ("name".to_owned(), json!("New player")),
                ("score".to_owned(), json!(0)),
            ]),
            services: vec!["help".to_owned()],
            ..AvatarSettings::default()
        };
        let plan = of_settings(&settings, &[attribute("name", "\"Mel\"")]);
        let score = ("score".into(), Some(Payload::from_json("0")));
        assert_eq!(plan.attributes, [score]);
        assert_eq!(plan.services, ["help".into()]);
    }

    #[test]
    fn later_plan_wins() {
        let mut plan = read(br#"{"attributes":{"a":1,"b":2},"services":["x"]}"#).unwrap();
        plan.add(read(br#"{"attributes":{"a":null,"c":"3"},"services":["y:z"]}"#).unwrap());
        let expected = [
            ("b".into(), Some(Payload::from_json("2"))),
            ("a".into(), None),
            ("c".into(), Some(Payload::from_json("\"3\""))),
        ];
        assert_eq!(plan.attributes, expected);
        assert_eq!(plan.services, ["x".into(), "y:z".into()]);
    }

    #[test]
    fn nonsense_is_a_failure() {
        for text in ["", "[]", "1", r#"{"attributes":[]}"#, r#"{"services":{}}"#] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(read(b"{}"), Ok(AvatarPlan::default()));
        for wrong in ["", "a:", "a b"] {
            let services = vec![wrong.into()];
            let plan = AvatarPlan {
                services,
                ..AvatarPlan::default()
            };
            assert!(check(plan).is_err(), "{wrong}");
        }
    }
}
