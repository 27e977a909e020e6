//! Functions that a program provides: a service, with typed arguments and results.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use turntable_core::id::UserId;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

use crate::options::encode;

/// Who calls a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user; `None`: the server itself.
    pub user: Option<UserId>,
    /// Of a function in `services.NAME.idempotent`: a string that no other call of the
    /// service has. A call that is given to another instance, as its first one was lost, has
    /// the same: with it a function knows what it has done before.
    pub key: Option<String>,
}

/// Why a function does not do what it was called for. The caller gets the code and the
/// message; docs/services.md lists the codes of services, and all others become `refused`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct Failure {
    /// The code.
    pub code: ErrorCode,
    /// A sentence for the caller.
    pub message: String,
}

impl Failure {
    /// A failure with this code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The service says no.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Refused, message)
    }

    /// What the caller named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// A fault of the service.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    fn payload(&self) -> Payload {
        let (code, message) = (self.code.name(), &self.message);
        serde_json::json!({ "error": { "code": code, "message": message } }).into()
    }
}

/// What a function answers, as opaque data; a failure is the object of docs/services.md.
type Answering = Pin<Box<dyn Future<Output = Payload> + Send>>;
type Function = Arc<dyn Fn(Caller, Option<Box<RawValue>>) -> Answering + Send + Sync>;

/// A service: its name, its state, and its functions.
///
/// ```
/// use std::sync::Mutex;
/// use turntable_client::{Failure, Service};
///
/// let forum = Service::new("forum", Mutex::new(Vec::<String>::new()))
///     .function("createPost", async |posts, _caller, title: String| {
///         if title.is_empty() {
///             return Err(Failure::refused("a post has a title"));
///         }
///         let mut posts = posts.lock().map_err(|_| Failure::internal("no posts"))?;
///         posts.push(title);
///         Ok(posts.len())
///     });
/// assert_eq!(forum.name(), "forum");
/// ```
#[must_use]
pub struct Service<S = ()> {
    name: String,
    state: Arc<S>,
    functions: BTreeMap<String, Function>,
}

impl<S> std::fmt::Debug for Service<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("functions", &self.functions.keys())
            .finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> Service<S> {
    /// A service without functions. All of them get its state.
    pub fn new(name: impl Into<String>, state: S) -> Self {
        Self {
            name: name.into(),
            state: Arc::new(state),
            functions: BTreeMap::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a function. Arguments of another type are answered `bad_message`, and a panic
    /// `internal`. Calls run at the same time, each in a task of its own.
    ///
    /// The future is dropped when the answer is not awaited any more: at the deadline of
    /// the service, and when the connection is lost. What has to be completed all the same
    /// is spawned.
    pub fn function<A, R, F, O>(mut self, name: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        R: Serialize,
        F: Fn(Arc<S>, Caller, A) -> O + Send + Sync + 'static,
        O: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        let state = self.state.clone();
        let function = Arc::new(function);
        let called = move |caller, args: Option<Box<RawValue>>| -> Answering {
            let (state, function) = (state.clone(), function.clone());
            Box::pin(async move {
                let args = args.as_ref().map_or("null", |args| args.get());
                let answer = match serde_json::from_str(args) {
                    Ok(args) => function(state, caller, args).await,
                    Err(error) => Err(Failure::new(ErrorCode::BadMessage, error.to_string())),
                };
                let answer = answer.and_then(|result| {
                    encode(&result).map_err(|error| Failure::internal(error.to_string()))
                });
                answer.unwrap_or_else(|failure| failure.payload())
            })
        };
        self.functions.insert(name.into(), Arc::new(called));
        self
    }

    /// The service without the type of its state.
    pub(crate) fn table(self) -> (String, Table) {
        (self.name, Table(self.functions))
    }
}

/// The functions of a service.
pub(crate) struct Table(BTreeMap<String, Function>);

impl Table {
    pub(crate) fn names(&self) -> Vec<Box<str>> {
        self.0.keys().map(|name| name.as_str().into()).collect()
    }
}

/// The answer to a call.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The session whose call it is.
    pub(crate) session: u64,
    pub(crate) call: u64,
    pub(crate) result: Payload,
}

/// A call that runs.
struct Running {
    service: String,
    task: AbortHandle,
}

/// What this client provides, and the calls that run.
pub(crate) struct Services {
    tables: HashMap<String, Table>,
    running: HashMap<u64, Running>,
    /// As many as the server gives out at one time: it bounds them (`in_flight_max`).
    answers: mpsc::UnboundedSender<Answered>,
    /// Those who wait until a withdrawn service has answered everything.
    drains: Vec<(String, oneshot::Sender<()>)>,
}

impl Services {
    pub(crate) fn new(answers: mpsc::UnboundedSender<Answered>) -> Self {
        Self {
            tables: HashMap::new(),
            running: HashMap::new(),
            answers,
            drains: Vec::new(),
        }
    }

    /// Provides a service, in place of one of its name.
    pub(crate) fn provide(&mut self, name: String, table: Table) {
        self.tables.insert(name, table);
    }

    /// Whether a service of the name of this function is provided.
    pub(crate) fn knows(&self, f: &str) -> bool {
        let name = f.split_once(':').map_or(f, |(name, _)| name);
        self.tables.contains_key(name)
    }

    /// A function is called, in this session.
    pub(crate) fn call(
        &mut self,
        f: &str,
        args: Option<Box<RawValue>>,
        caller: Caller,
        session: u64,
        id: Option<u64>,
    ) {
        let (name, function) = f.split_once(':').unwrap_or((f, ""));
        let found = self
            .tables
            .get(name)
            .and_then(|table| table.0.get(function));
        let answering = match found {
            Some(function) => function(caller, args),
            None => {
                let message = format!("this program does not provide {f}");
                let failure = Failure::not_found(message).payload();
                Box::pin(std::future::ready(failure))
            }
        };
        let answers = self.answers.clone();
        let task = tokio::spawn(async move {
            let result = AssertUnwindSafe(answering).catch_unwind().await;
            let result =
                result.unwrap_or_else(|_| Failure::internal("the function failed").payload());
            if let Some(call) = id {
                // The driver may have ended.
                let _ = answers.send(Answered {
                    session,
                    call,
                    result,
                });
            }
        });
        if let Some(id) = id {
            let running = Running {
                service: name.to_owned(),
                task: task.abort_handle(),
            };
            self.running.insert(id, running);
        }
    }

    /// Whether the answer to a call is still awaited.
    pub(crate) fn awaits(&self, call: u64) -> bool {
        self.running.contains_key(&call)
    }

    /// The answer to a call was sent.
    pub(crate) fn finish(&mut self, call: u64) {
        self.running.remove(&call);
        self.settle_drains();
    }

    /// The answer to a call is not awaited any more.
    pub(crate) fn cancel(&mut self, call: u64) {
        if let Some(running) = self.running.remove(&call) {
            running.task.abort();
        }
        self.settle_drains();
    }

    /// The answers to all calls are not awaited any more: the server answers for an instance
    /// that it lost.
    pub(crate) fn cancel_all(&mut self) {
        for (_, running) in self.running.drain() {
            running.task.abort();
        }
        self.settle_drains();
    }

    /// Tells when a service has answered all of its calls.
    pub(crate) fn drain(&mut self, name: String, done: oneshot::Sender<()>) {
        self.drains.push((name, done));
        self.settle_drains();
    }

    fn settle_drains(&mut self) {
        let drains = std::mem::take(&mut self.drains);
        for (name, done) in drains {
            let is_busy = self.running.values().any(|running| running.service == name);
            if is_busy {
                self.drains.push((name, done));
            } else {
                self.tables.remove(&name);
                // Nobody may wait any more.
                let _ = done.send(());
            }
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.cancel_all();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn nobody() -> Caller {
        Caller {
            user: None,
            key: None,
        }
    }

    async fn answer(service: Service<u32>, f: &str, args: &str) -> String {
        let (answers, mut answered) = mpsc::unbounded_channel();
        let mut services = Services::new(answers);
        let (name, table) = service.table();
        services.provide(name, table);
        let args = RawValue::from_string(args.to_owned()).ok();
        services.call(f, args, nobody(), 1, Some(7));
        let answer = answered.recv().await.unwrap();
        assert_eq!((answer.session, answer.call), (1, 7));
        assert!(services.awaits(7));
        services.finish(7);
        assert!(!services.awaits(7));
        answer.result.as_json().to_owned()
    }

    fn adder() -> Service<u32> {
        Service::new("sum", 40)
            .function("add", async |state: Arc<u32>, _, n: u32| Ok(*state + n))
            .function("fail", async |_, _, why: String| {
                Err::<(), _>(Failure::refused(why))
            })
            .function("panic", async |_, _, (): ()| -> Result<(), _> {
                panic!("a fault for a test")
            })
            .function("odd", async |_, _, (): ()| {
                // Keys that JSON does not have.
                Ok(BTreeMap::from([(vec![1, 2], 3)]))
            })
    }

    #[tokio::test]
    async fn results_and_failures_are_answers() {
        assert_eq!(answer(adder(), "sum:add", "2").await, "42");
        assert_eq!(
            answer(adder(), "sum:fail", "\"no\"").await,
            r#"{"error":{"code":"refused","message":"no"}}"#
        );
    }

    #[tokio::test]
    async fn wrong_arguments_unknown_functions_panics_and_odd_results_are_answered() {
        for (f, args, code) in [
            ("sum:add", "\"two\"", "bad_message"),
            ("sum:nosuch", "1", "not_found"),
            ("sum:panic", "null", "internal"),
            ("sum:odd", "null", "internal"),
        ] {
            let text = answer(adder(), f, args).await;
            assert!(text.contains(&format!("\"code\":\"{code}\"")), "{text}");
        }
    }

    #[tokio::test]
    async fn cancelled_call_is_dropped_and_its_service_is_drained() {
        let (answers, mut answered) = mpsc::unbounded_channel();
        let mut services = Services::new(answers);
        let (dropped, was_dropped) = oneshot::channel::<()>();
        let owned = Mutex::new(Some(dropped));
        let service = Service::new("slow", owned).function(
            "wait",
            async |owned: Arc<Mutex<Option<oneshot::Sender<()>>>>, _, (): ()| {
                let _owned = owned.lock().unwrap().take();
                std::future::pending::<Result<(), Failure>>().await
            },
        );
        let (name, table) = service.table();
        services.provide(name, table);
        services.call("slow:wait", None, nobody(), 1, Some(3));
        tokio::task::yield_now().await;
        let (done, mut drained) = oneshot::channel();
        services.drain("slow".to_owned(), done);
        assert!(drained.try_recv().is_err());
        services.cancel(3);
        // The future is gone, with what it owned.
        assert!(was_dropped.await.is_err());
        assert_eq!(drained.try_recv(), Ok(()));
        assert!(answered.try_recv().is_err());
        assert!(!services.knows("slow:wait"));
    }
}
