//! Who may watch whom, where your backend decides (`presence.watch = "backend"`).
//!
//! ```text
//! POST watch_url   {"watcher": "1:1", "users": ["1:2", "1:3"]}
//! 200              {"allowed": ["1:2"]}
//! ```
//!
//! Answers are remembered for `watch_cache_ms`. Where the backend does not answer in time,
//! or with something else, the users are not known: they are requested again later, and
//! until then nothing changes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;

use crate::clock;
use crate::http_client::AnswerLimits;
use crate::log_limit::LogLimit;
use crate::portal::Portal;
use crate::portal::backend::{self, Backend};
use turntable_core::id::UserId;
use turntable_core::model::settings::PresenceSettings;
use turntable_core::spare::Spare;

/// Each question may fail so.
static BACKEND_FAILED: LogLimit = LogLimit::new();

/// Questions that are under way; more are not known.
const ASKING_MAX: usize = 256;

/// How long an answer is beside the users that it names, in bytes.
const ANSWER_BYTES: usize = 1_024;

/// The answers of the backend: of those that were asked about, the ones that may be
/// watched; `None` where it does not say.
pub(crate) type Allowed = Option<Vec<UserId>>;

/// A watcher and a user.
type Pair = (UserId, UserId);

/// Answers that are remembered; the oldest go first.
#[derive(Debug, Default)]
struct Answers {
    by_pair: HashMap<Pair, (bool, u64)>,
    order: VecDeque<(Pair, u64)>,
}

impl Answers {
    fn get(&self, pair: &Pair, now_ms: u64) -> Option<bool> {
        let (is_allowed, until_ms) = self.by_pair.get(pair)?;
        (now_ms < *until_ms).then_some(*is_allowed)
    }

    fn put(&mut self, pair: Pair, is_allowed: bool, until_ms: u64, max: usize) {
        self.by_pair.insert(pair.clone(), (is_allowed, until_ms));
        self.order.push_back((pair, until_ms));
        // One that was put again is in the order twice.
        while self.order.len() > max {
            let Some((pair, until_ms)) = self.order.pop_front() else {
                break;
            };
            if self
                .by_pair
                .get(&pair)
                .is_some_and(|(_, known)| *known == until_ms)
            {
                self.by_pair.remove(&pair);
            }
        }
        self.by_pair.give_back();
    }
}

/// The questions to the backend.
#[derive(Debug, Default)]
pub(super) struct WatchBackend {
    answers: Mutex<Answers>,
    asking: Arc<AtomicUsize>,
    backend: Backend,
}

#[derive(Deserialize)]
struct Answer {
    allowed: Vec<String>,
}

/// A place among the questions that are under way.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads the answer about these users.
fn read(body: &[u8], users: &[UserId]) -> Option<Vec<UserId>> {
    let answer: Answer = backend::object(body)?;
    let allowed: BTreeSet<&str> = answer.allowed.iter().map(String::as_str).collect();
    let is_allowed = |user: &&UserId| allowed.contains(user.as_str());
    Some(users.iter().filter(is_allowed).cloned().collect())
}

impl Portal {
    /// What is remembered of whether a user may watch another one.
    pub(crate) fn remembered_watch(&self, watcher: &UserId, user: &UserId) -> Option<bool> {
        let pair = (watcher.clone(), user.clone());
        self.watch_backend
            .answers
            .lock()
            .get(&pair, clock::now_ms())
    }

    /// Asks the backend which of these users `watcher` may watch. `then` is called on a
    /// thread of the portal, or at once where it is not asked.
    pub(crate) fn ask_watch(
        self: &Arc<Self>,
        settings: &PresenceSettings,
        watcher: UserId,
        users: Vec<UserId>,
        then: impl FnOnce(Allowed) + Send + 'static,
    ) {
        let place = Place(self.watch_backend.asking.clone());
        let is_crowded = place.0.fetch_add(1, Ordering::Relaxed) >= ASKING_MAX;
        if is_crowded {
            return then(None);
        }
        let limits = AnswerLimits {
            timeout: Duration::from_millis(settings.watch_timeout_ms),
            bytes_max: ANSWER_BYTES
                + users
                    .iter()
                    .map(|user| 2 * user.as_str().len() + 8)
                    .sum::<usize>(),
        };
        let url = settings.watch_url.clone();
        let (cache_ms, cache_max) = (settings.watch_cache_ms, settings.watch_cache_max);
        let portal = self.clone();
        let asked = self.spawn(async move {
            let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
            let question = serde_json::json!({"watcher": watcher.as_str(), "users": names});
            let backend = &portal.watch_backend.backend;
            let answer = backend.ask((&url, ""), &question, limits).await;
            drop(place);
            let nonsense = || "it answered something else than {\"allowed\": [...]}".to_owned();
            let allowed = answer.and_then(|body| read(&body, &users).ok_or_else(nonsense));
            match &allowed {
                Ok(allowed) => {
                    let until_ms = clock::now_ms() + cache_ms;
                    let answers = &mut *portal.watch_backend.answers.lock();
                    for user in users {
                        let is_allowed = allowed.contains(&user);
                        answers.put((watcher.clone(), user), is_allowed, until_ms, cache_max);
                    }
                }
                Err(why) => {
                    if let Some(more) = BACKEND_FAILED.admit(clock::now_ms()) {
                        log::warn!("presence.watch_url failed: {why}{more}");
                    }
                }
            }
            then(allowed.ok());
        });
        if asked.is_err() {
            log::debug!("no thread to ask presence.watch_url");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn user(number: usize) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    #[test]
    fn answers_are_remembered_for_a_while_and_bounded() {
        let mut answers = Answers::default();
        let pair = |number| (user(0), user(number));
        for number in 0..1_000 {
            answers.put(pair(number), number % 2 == 0, 100 + number as u64, 10);
        }
        assert_eq!(answers.by_pair.len(), 10);
        assert_eq!(answers.get(&pair(998), 0), Some(true));
        assert_eq!(answers.get(&pair(999), 0), Some(false));
        assert_eq!(answers.get(&pair(999), 1_099), None);
        assert_eq!(answers.get(&pair(0), 0), None);
        // One that is put again and again pushes none of the newer out, and stays.
        for until_ms in 0..20 {
            answers.put(pair(5), true, until_ms, 10);
        }
        assert_eq!(answers.get(&pair(5), 0), Some(true));
        assert!(answers.order.len() <= 10);
    }

    #[test]
    fn answer_names_only_users_that_were_asked_about() {
        let users = [user(1), user(2)];
        let read = |text: &str| read(text.as_bytes(), &users);
        assert_eq!(read(r#"{"allowed":["1:2","1:3",""]}"#), Some(vec![user(2)]));
        assert_eq!(read(r#"{"allowed":[]}"#), Some(Vec::new()));
        for nonsense in ["", "[]", "{}", r#"{"allowed":"1:1"}"#, r#"{"allowed":[1]}"#] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
