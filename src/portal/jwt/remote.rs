//! A key set that is fetched from the URL of the configuration.
//!
//! ```text
//! token ──► kid known ───────────────────────────────► verify (behind, a fetch if stale)
//!           kid unknown ──► fetch under way: await it
//!                           cooldown over: fetch, await it
//!                           cooldown: issued before the last fetch ──► invalid
//!                                     issued since ──────────────────► unavailable
//! ```
//! One fetch is under way at a time, at most one begins per cooldown, and it serves all
//! claims, so a client that invents names of keys delays nobody else. A fetch that fails
//! changes nothing: the keys that are known stay in use.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock;
use crate::http_client::endpoint::Endpoint;
use crate::http_client::{AnswerLimits, HttpClient};
use crate::log_limit::LogLimit;
use crate::portal::jwt::key::{Keys, LEEWAY_S};
use crate::portal::settings::JwtSettings;

static FAILED: LogLimit = LogLimit::new();

const LIMITS: AnswerLimits = AnswerLimits {
    timeout: Duration::from_secs(10),
    bytes_max: 262_144,
};

#[derive(Default)]
struct State {
    keys: Arc<Keys>,
    /// When the last fetch began, and the last one that succeeded.
    begun_ms: Option<u64>,
    succeeded_ms: Option<u64>,
    is_under_way: bool,
}

/// The set.
pub(in crate::portal) struct RemoteKeys {
    settings: JwtSettings,
    endpoint: Endpoint,
    client: HttpClient,
    state: Mutex<State>,
    /// Changes with the end of each fetch.
    ended: watch::Sender<()>,
}

/// What is known about a key.
pub(super) enum Found {
    /// It is among these.
    Keys(Arc<Keys>),
    /// There is no such key.
    Unknown,
    /// It cannot be said before the set is fetched again, in so many ms.
    Unavailable(u64),
}

impl RemoteKeys {
    /// The set at `portal.jwt.jwks_url`. Nothing is fetched before a token needs it.
    ///
    /// # Errors
    /// A URL that is none.
    pub(super) fn new(settings: &JwtSettings) -> anyhow::Result<Self> {
        let endpoint = Endpoint::parse(&settings.jwks_url)
            .map_err(|fault| anyhow::anyhow!("portal.jwt.jwks_url: {fault}"))?;
        Ok(Self {
            settings: settings.clone(),
            endpoint,
            client: HttpClient::new()?,
            state: Mutex::default(),
            ended: watch::Sender::new(()),
        })
    }

    /// Whether it is the set of these settings.
    pub(in crate::portal) fn is_of(&self, settings: &JwtSettings) -> bool {
        self.settings == *settings
    }

    /// Finds a key by its name, for a token that says it was issued then.
    pub(super) async fn find(self: &Arc<Self>, kid: &str, issued_s: Option<u64>) -> Found {
        let mut ended = self.ended.subscribe();
        let now_ms = clock::now_ms();
        {
            let state = &mut *self.state.lock();
            let is_known = state.keys.has(kid);
            let is_over = |at_ms: Option<u64>, ms: u64| at_ms.is_none_or(|at| now_ms >= at + ms);
            let is_stale = is_over(state.succeeded_ms, self.settings.jwks_refresh_ms);
            let is_due = is_over(state.begun_ms, self.settings.jwks_cooldown_ms);
            if (is_stale || !is_known) && is_due && !state.is_under_way {
                state.begun_ms = Some(now_ms);
                state.is_under_way = true;
                tokio::spawn(self.clone().fetch(now_ms));
            }
            if is_known {
                return Found::Keys(state.keys.clone());
            }
            if !state.is_under_way {
                return self.verdict(state, issued_s, now_ms);
            }
        }
        // The sender lives as long as `self`.
        let _ = ended.changed().await;
        let state = self.state.lock();
        match state.keys.has(kid) {
            true => Found::Keys(state.keys.clone()),
            false => self.verdict(&state, issued_s, now_ms),
        }
    }

    async fn fetch(self: Arc<Self>, begun_ms: u64) {
        let fetched = self.fetched().await;
        let state = &mut *self.state.lock();
        state.is_under_way = false;
        match fetched {
            Ok(keys) => {
                state.keys = Arc::new(keys);
                state.succeeded_ms = Some(begun_ms);
            }
            Err(why) => {
                let known = match state.succeeded_ms {
                    Some(_) => "those that are known stay in use",
                    None => "no token can be checked",
                };
                let url = &self.endpoint;
                if let Some(more) = FAILED.admit(clock::now_ms()) {
                    log::warn!("the keys at {url} cannot be fetched: {why}; {known}{more}");
                }
            }
        }
        self.ended.send_replace(());
    }

    async fn fetched(&self) -> Result<Keys, String> {
        let answer = self.client.get(&self.endpoint, LIMITS).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        match answer.status {
            200 => Keys::of_answer(&answer.body, &self.settings),
            status => Err(format!("the status is {status}")),
        }
    }

    /// About a key that is not there, while no fetch is under way.
    fn verdict(&self, state: &State, issued_s: Option<u64>, arrived_ms: u64) -> Found {
        // A key is published before it signs. The time of a token is in whole seconds, by
        // another clock.
        let issued_ms = issued_s.map_or(u64::MAX, |issued_s| {
            issued_s.saturating_add(LEEWAY_S + 1).saturating_mul(1_000)
        });
        let is_decided = |fetched_ms| issued_ms < fetched_ms || arrived_ms <= fetched_ms;
        if state.succeeded_ms.is_some_and(is_decided) {
            return Found::Unknown;
        }
        let begun_ms = state.begun_ms.unwrap_or(arrived_ms);
        let due_ms = begun_ms + self.settings.jwks_cooldown_ms;
        Found::Unavailable(due_ms.saturating_sub(clock::now_ms()))
    }
}

impl std::fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RemoteKeys")
    }
}
