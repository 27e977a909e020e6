//! Webhooks: your backend hears when users come and go, when rooms begin and end, and what
//! results their members claim.
//!
//! ```text
//! actor ── emit ──► queue (bounded) ──► thread `webhooks` ──► POST url
//!                     ▲                        │
//!                     └── again, later ◄───────┘ no 2xx in time
//! ```
//!
//! Actors never wait: when the queue is full, events of the user that caused the most of
//! them are dropped and counted. Events are sent at least once, those about one user or room
//! in their order.

mod event;
mod queue;
pub mod settings;
mod share;
mod signature;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::clock::{self, MessageIds};
use crate::http_client::endpoint::Endpoint;
use crate::http_client::{Answer, AnswerLimits, Bytes, HttpClient};
use crate::log_limit::LogLimit;
use crate::metric::{Label, Metrics};
use crate::watched::Watched;
use event::{Attributes, Body, Members, Opaque, RoomResult};
use queue::{Event, Failed, Next, Queue};
use settings::{Kind, WebhookSettings, read_secret};
use turntable_core::id::UserId;
use turntable_core::model::avatar::AttributeChanges;
use turntable_core::model::room::ResultReport;
use turntable_core::packet::RoomMember;

/// Each attempt may fail.
static FAILED: LogLimit = LogLimit::new();

/// Each event may have no room.
static DROPPED: LogLimit = LogLimit::new();

/// What is counted, as the metric names it.
const COUNTED: [&str; 4] = ["delivered", "failed", "given_up", "dropped"];

/// How much of an answer is read, in bytes; only its status counts.
const ANSWER_BYTES_MAX: usize = 65_536;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Where events go.
#[derive(Debug)]
struct Target {
    settings: WebhookSettings,
    /// `None`: nowhere.
    endpoint: Option<Endpoint>,
    secrets: Vec<Box<[u8]>>,
}

impl Target {
    fn new(settings: WebhookSettings) -> Self {
        let secrets = [&settings.secret, &settings.previous_secret].into_iter();
        // The configuration was checked.
        let secrets: Vec<_> = secrets.filter_map(|text| read_secret(text).ok()).collect();
        let endpoint = Endpoint::parse(&settings.url).ok();
        if let Some(endpoint) = endpoint.as_ref().filter(|endpoint| endpoint.is_exposed()) {
            log::warn!("webhooks.url = {endpoint}: events can be read on their way; use https");
        }
        Self {
            endpoint: endpoint.filter(|_| !secrets.is_empty()),
            secrets,
            settings,
        }
    }

    /// Whether events of this kind are sent.
    fn wants(&self, kind: Kind) -> bool {
        self.endpoint.is_some() && self.settings.events.contains(&kind)
    }
}

#[derive(Debug, Default)]
struct Waiting {
    queue: Queue,
    ids: MessageIds,
}

/// The events of the server on their way to a backend.
#[derive(Debug)]
pub struct Webhooks {
    target: Watched<Target>,
    waiting: Mutex<Waiting>,
    metrics: Arc<Metrics>,
    wake: Notify,
    has_thread: AtomicBool,
    is_stopping: AtomicBool,
}

impl Webhooks {
    /// Events that go where these settings say.
    #[must_use]
    pub fn new(settings: WebhookSettings, metrics: Arc<Metrics>) -> Arc<Self> {
        let webhooks = Arc::new(Self {
            target: Watched::new(Target::new(settings)),
            waiting: Mutex::default(),
            metrics,
            wake: Notify::new(),
            has_thread: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        });
        webhooks.begin();
        webhooks
    }

    /// Puts other settings in force, also for the events that wait.
    pub fn apply(self: &Arc<Self>, settings: WebhookSettings) {
        if self.target.get().settings == settings {
            return;
        }
        self.target.set(Target::new(settings));
        self.begin();
        self.wake.notify_one();
    }

    /// Begins the thread that sends, once there is something to send to. What it counts begins
    /// with 0: an alert on the increase of a series does not see the value that it begins with.
    fn begin(self: &Arc<Self>) {
        if self.target.get().endpoint.is_none() || self.has_thread.swap(true, Ordering::Relaxed) {
            return;
        }
        for name in COUNTED {
            self.count(name);
        }
        let webhooks = self.clone();
        let run = move || -> anyhow::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(webhooks.send_all(HttpClient::new()?));
            Ok(())
        };
        let run = move || {
            if let Err(error) = run() {
                log::error!("no webhooks are sent: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("webhooks".to_owned());
        if let Err(error) = thread.spawn(run) {
            log::error!("no webhooks are sent: {error}");
        }
    }

    /// Reports what a client of a user has set, as far as `webhooks.attributes` names it.
    pub fn emit_attributes(&self, user: &UserId, changed: &AttributeChanges) {
        let target = self.target.get();
        let names = &target.settings.attributes;
        let is_named = |name: &str| names.iter().any(|known| known == name);
        let named = changed.iter().filter(|(name, _)| is_named(name));
        let named = named.map(|(name, value)| (&**name, value.as_ref().map(Opaque)));
        let attributes: BTreeMap<_, _> = named.collect();
        if !attributes.is_empty() {
            let user = user.as_str();
            let data = || Attributes { user, attributes };
            self.emit(Kind::UserAttributes, user, user, data);
        }
    }

    /// Reports the results that a member of a room claims. `members` of the room are listed
    /// only where the configuration wants them.
    pub fn emit_results(
        &self,
        channel: &str,
        game: &str,
        members: impl FnOnce() -> Vec<RoomMember>,
        report: &ResultReport,
    ) {
        if !self.target.get().wants(Kind::RoomResult) {
            return;
        }
        let members = members();
        let members = Members::new(&members);
        for claim in &report.claims {
            let data = || RoomResult::new((channel, game), &report.by, &members, claim);
            self.emit(Kind::RoomResult, channel, report.by.as_str(), data);
        }
    }

    /// Sends an event about a user or room, if the configuration wants it. `cause` is the
    /// user that caused it, or the room, where that is unknown.
    pub fn emit<D: Serialize>(
        &self,
        kind: Kind,
        about: &str,
        cause: &str,
        data: impl FnOnce() -> D,
    ) {
        let target = self.target.get();
        if !target.wants(kind) {
            return;
        }
        // All workers share the lock, so the event is written without it.
        let (data, now_ms) = (data(), clock::now_ms());
        let id = self.waiting.lock().ids.next_id().to_string();
        let body = serde_json::to_string(&Body {
            id: &id,
            kind: kind.name(),
            time: now_ms,
            data,
        });
        let Ok(body) = body else {
            // What clients chose was checked to be JSON.
            self.count("dropped").inc();
            return;
        };
        let event = Event {
            id: id.into(),
            about: about.into(),
            cause: cause.into(),
            body: body.into(),
        };
        let dropped = {
            let queue = &mut self.waiting.lock().queue;
            let dropped = queue.push(event, &target.settings.limits(), now_ms);
            self.survey(queue);
            dropped
        };
        self.wake.notify_one();
        self.note_dropped(dropped.len(), now_ms);
    }

    fn note_dropped(&self, count: usize, now_ms: u64) {
        if count == 0 {
            return;
        }
        self.count("dropped").inc_by(count as u64);
        if let Some(more) = DROPPED.admit(now_ms) {
            log::warn!(
                "no room for all webhooks (webhooks.queue_max, webhooks.queue_bytes_max): \
                 some of those that caused the most are dropped{more}"
            );
        }
    }

    fn count(&self, name: &'static str) -> Counter {
        self.metrics.webhooks.get_or_create(&Label { name }).clone()
    }

    fn survey(&self, queue: &Queue) {
        self.metrics.webhooks_waiting.set(queue.len() as i64);
        self.metrics.webhooks_bytes.set(queue.bytes() as i64);
    }

    /// Sends what waits, and ends with it; at the latest after `limit`.
    pub async fn stop(&self, limit: Duration) {
        let end = Instant::now() + limit;
        self.is_stopping.store(true, Ordering::Relaxed);
        self.wake.notify_one();
        while self.waiting.lock().queue.len() > 0 && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let left = self.waiting.lock().queue.len();
        if left > 0 {
            log::warn!("{left} webhooks were not delivered before the end");
        }
    }

    async fn send_all(self: Arc<Self>, client: HttpClient) {
        let mut under_way = JoinSet::new();
        loop {
            let target = self.target.get();
            let mut due_ms = None;
            while under_way.len() < target.settings.in_flight_max {
                let now_ms = clock::now_ms();
                let next = self.waiting.lock().queue.next(now_ms);
                match next {
                    Next::Send(event) => {
                        let send = self.clone().send(event, client.clone(), target.clone());
                        under_way.spawn(send);
                    }
                    Next::Wait(at_ms) => {
                        due_ms = Some(at_ms.saturating_sub(now_ms));
                        break;
                    }
                    Next::Nothing => break,
                }
            }
            if self.is_stopping.load(Ordering::Relaxed) && self.waiting.lock().queue.len() == 0 {
                return;
            }
            let pause = Duration::from_millis(due_ms.unwrap_or(u64::from(u32::MAX)));
            tokio::select! {
                _ = under_way.join_next(), if !under_way.is_empty() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn send(self: Arc<Self>, event: Event, client: HttpClient, target: Arc<Target>) {
        let outcome = match &target.endpoint {
            Some(endpoint) => post(&event, &client, endpoint, &target).await,
            // It was switched off.
            None => Ok(()),
        };
        let now_ms = clock::now_ms();
        let queue = &mut self.waiting.lock().queue;
        match outcome {
            Ok(()) => {
                queue.done(&event.about, now_ms);
                let name = if target.endpoint.is_some() {
                    "delivered"
                } else {
                    "dropped"
                };
                self.count(name).inc();
            }
            Err((why, least_ms)) => {
                let limits = target.settings.limits();
                let failed = queue.failed(&event.about, &limits, (chance(), least_ms), now_ms);
                self.count("failed").inc();
                if failed == Failed::GivenUp {
                    self.count("given_up").inc();
                }
                if let Some(more) = FAILED.admit(now_ms) {
                    log::warn!("webhooks.url did not accept an event: {why}{more}");
                }
            }
        }
        self.survey(queue);
    }
}

/// From 0 to 1.
fn chance() -> f64 {
    let mut byte = [0];
    match getrandom::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 255.0,
        Err(_) => 0.5,
    }
}

/// Sends an event once. The error has the time for which the receiver wants peace, in ms.
async fn post(
    event: &Event,
    client: &HttpClient,
    endpoint: &Endpoint,
    target: &Target,
) -> Result<(), (String, u64)> {
    let sent_s = clock::now_ms() / 1_000;
    let signature = signature::header(&target.secrets, &event.id, sent_s, &event.body);
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| (error.to_string(), 0));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (ID, value(&event.id)?),
        (TIMESTAMP, value(&sent_s.to_string())?),
        (SIGNATURE, value(&signature)?),
    ];
    let limits = AnswerLimits {
        timeout: Duration::from_millis(target.settings.timeout_ms),
        bytes_max: ANSWER_BYTES_MAX,
    };
    let body = Bytes::from(event.body.as_bytes().to_vec());
    match client.post(endpoint, &headers, body, limits).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err((
            format!("it answered {}", answer.status),
            retry_after_ms(&answer),
        )),
        Err(failure) => Err((failure.to_string(), 0)),
    }
}

fn retry_after_ms(answer: &Answer) -> u64 {
    let after = answer.headers.get(RETRY_AFTER);
    let seconds = after.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    seconds.unwrap_or_default().saturating_mul(1_000)
}
