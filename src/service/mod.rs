//! Services that are implemented in the server.
//!
//! An embedder registers them before the server starts. Their calls run on a
//! thread of their own, so a slow one does not keep a worker from its sockets; those of
//! a service that says that it never blocks run on the worker, which saves two wakes of
//! threads. A panic is an answer `internal`; the deadline of the service ends a call
//! that takes too long.

pub mod backend;
pub mod credential;
pub mod direct;
pub mod disabled;
pub mod offered;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{AbortHandle, abortable};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;

use crate::clock;
use crate::log_limit::LogLimit;
use turntable_core::id::UserId;
use turntable_core::model::service::Outcome;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// A function may panic at each call.
static PANICKED: LogLimit = LogLimit::new();
static BLOCKED: LogLimit = LogLimit::new();

/// Functions of a service that never blocks take less, until they wait.
const SLOW: Duration = Duration::from_millis(20);

/// Calls of all services that wait for their thread. It takes them at once, unless a
/// function blocks it.
const WAITING_MAX: usize = 10_000;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCaller {
    /// The user; `None`: the server itself.
    pub user: Option<UserId>,
    /// The number of the call, which no other call of the service has.
    pub number: u64,
}

/// The answer of a function, when it is there.
pub type Answer = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A service that is implemented in the server.
pub trait LocalService: Send + Sync {
    /// The names of its functions; none while it cannot be called.
    fn functions(&self) -> Vec<Box<str>>;

    /// Calls a function, one of [`LocalService::functions`]. The future is dropped at
    /// the deadline of the service.
    fn call(&self, caller: ServiceCaller, function: &str, args: Option<Payload>) -> Answer;

    /// Whether its functions never block a thread: they answer within microseconds, or
    /// await what others do. Then they run on the thread of a worker, which meanwhile serves
    /// no client, and a call costs half. Otherwise on a thread of the services.
    fn never_blocks(&self) -> bool {
        false
    }
}

/// The services that are implemented in the server, by name.
#[derive(Clone, Default)]
pub struct LocalServices {
    by_name: BTreeMap<Box<str>, Arc<dyn LocalService>>,
    thread: Option<Thread>,
}

impl fmt::Debug for LocalServices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl LocalServices {
    /// Adds a service. The thread that runs the calls begins with the first that may block.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn add(
        &mut self,
        name: impl Into<Box<str>>,
        service: impl LocalService + 'static,
    ) -> std::io::Result<()> {
        if !service.never_blocks() {
            self.thread()?;
        }
        self.insert(name, Arc::new(service));
        Ok(())
    }

    fn insert(&mut self, name: impl Into<Box<str>>, service: Arc<dyn LocalService>) {
        self.by_name.insert(name.into(), service);
    }

    /// The thread of the services, which begins with the first.
    fn thread(&mut self) -> std::io::Result<Handle> {
        if let Some(thread) = &self.thread {
            return Ok(thread.handle.clone());
        }
        let thread = Thread::begin()?;
        let handle = thread.handle.clone();
        self.thread = Some(thread);
        Ok(handle)
    }

    /// The service of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn LocalService>> {
        self.by_name.get(name)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|name| &**name)
    }

    /// Calls a function. Where the answer is not there at once, `reply` gets it later, on the
    /// thread that runs the service. It is `unavailable` at once where too many calls wait for
    /// the thread of the services.
    pub fn run(
        &self,
        service: &Arc<dyn LocalService>,
        caller: ServiceCaller,
        function: Box<str>,
        args: Option<Payload>,
        reply: impl FnOnce(Outcome) + Send + 'static,
    ) -> Begun {
        let (service, is_quick) = (service.clone(), service.never_blocks());
        let call = async move { service.call(caller, &function, args).await };
        let call = AssertUnwindSafe(call).catch_unwind();
        let mut call = Box::pin(call.map(|answered| answered.unwrap_or_else(|_| panicked())));
        if is_quick {
            let since = Instant::now();
            let answer = call.as_mut().now_or_never();
            note_time(since);
            if let Some(answer) = answer {
                return Begun::Answered(answer);
            }
        }
        let (call, running) = abortable(async move { reply(call.await) });
        if is_quick {
            actix_rt::spawn(call);
        } else if let Some(thread) = &self.thread {
            // A call that timed out still waits for a thread that a function blocks.
            match thread.calls.try_reserve() {
                Ok(place) => place.send(Box::pin(call.map(drop))),
                Err(_) => return Begun::Answered(Err(too_many())),
            }
        }
        Begun::Running(Running(running))
    }
}

fn too_many() -> ErrorBody {
    let message = "too many calls wait for the services of the server; try again later";
    ErrorBody::new(ErrorCode::Unavailable, message)
}

fn panicked() -> Outcome {
    if let Some(left_out) = PANICKED.admit(clock::now_ms()) {
        log::error!("a function of a local service panicked{left_out}");
    }
    let message = "the function failed";
    Err(ErrorBody::new(ErrorCode::Internal, message))
}

/// A function that was to return at once began at `since`.
fn note_time(since: Instant) {
    let took = since.elapsed();
    if took >= SLOW
        && let Some(left_out) = BLOCKED.admit(clock::now_ms())
    {
        let ms = took.as_millis();
        log::warn!("a local service that says it never blocks used a worker for {ms} ms{left_out}");
    }
}

/// A call has begun.
#[derive(Debug)]
pub enum Begun {
    /// It has been answered.
    Answered(Outcome),
    /// It is carried out.
    Running(Running),
}

/// A call that is carried out; dropped, it ends.
#[derive(Debug)]
pub struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A call with its reply.
type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The thread of the services.
#[derive(Clone)]
struct Thread {
    handle: Handle,
    /// Calls for it. A spawn from another thread would wake it each time, which costs as much
    /// as the call.
    calls: mpsc::Sender<Call>,
}

impl Thread {
    fn begin() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (calls, mut due) = mpsc::channel::<Call>(WAITING_MAX);
        std::thread::Builder::new()
            .name("services".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    while let Some(call) = due.recv().await {
                        tokio::spawn(call);
                    }
                    // Backends may go on.
                    std::future::pending::<()>().await;
                });
            })?;
        Ok(Self { handle, calls })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
