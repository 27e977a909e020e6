//! Services that are implemented in the server.
//!
//! An embedder registers them before the server starts. Their calls run on a
//! thread of their own, so a slow one does not keep a worker from its sockets. A
//! panic is an answer `internal`; the deadline of the service ends a call that
//! takes too long.

pub mod backend;
pub mod credential;
pub mod direct;
pub mod disabled;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

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
    /// Adds a service. The thread that runs the calls begins with the first.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn add(
        &mut self,
        name: impl Into<Box<str>>,
        service: impl LocalService + 'static,
    ) -> std::io::Result<()> {
        self.thread()?;
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

    /// Calls a function; `reply` gets the answer, on the thread of the services, or
    /// `unavailable` at once where too many calls wait for it.
    pub fn run(
        &self,
        service: &Arc<dyn LocalService>,
        caller: ServiceCaller,
        function: Box<str>,
        args: Option<Payload>,
        reply: impl FnOnce(Outcome) + Send + 'static,
    ) -> Running {
        let Some(thread) = &self.thread else {
            return Running(None);
        };
        // A call that timed out still waits for a thread that a function blocks.
        let Ok(place) = thread.calls.try_reserve() else {
            let message = "too many calls wait for the services of the server; try again later";
            reply(Err(ErrorBody::new(ErrorCode::Unavailable, message)));
            return Running(None);
        };
        let service = service.clone();
        let call = async move { service.call(caller, &function, args).await };
        let call = AssertUnwindSafe(call).catch_unwind();
        let (call, running) = abortable(async move {
            reply(call.await.unwrap_or_else(|_| {
                if let Some(left_out) = PANICKED.admit(clock::now_ms()) {
                    log::error!("a function of a local service panicked{left_out}");
                }
                let message = "the function failed";
                Err(ErrorBody::new(ErrorCode::Internal, message))
            }));
        });
        place.send(Box::pin(call.map(drop)));
        Running(Some(running))
    }
}

/// A call that is carried out; dropped, it ends.
#[derive(Debug)]
pub struct Running(Option<AbortHandle>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(call) = &self.0 {
            call.abort();
        }
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
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use parking_lot::Mutex;

    use super::*;

    /// Blocks its thread until the test goes on.
    struct Blocking {
        begun: Sender<()>,
        go_on: Mutex<Receiver<()>>,
    }

    impl LocalService for Blocking {
        fn functions(&self) -> Vec<Box<str>> {
            vec!["block".into()]
        }

        fn call(&self, _: ServiceCaller, _: &str, _: Option<Payload>) -> Answer {
            self.begun.send(()).unwrap();
            // An error: the test is over.
            let _ = self.go_on.lock().recv();
            Box::pin(async { Ok(Payload::from_json("null")) })
        }
    }

    #[test]
    fn calls_that_a_blocked_thread_does_not_take_are_bounded() {
        let (begun, has_begun) = channel();
        let (end, go_on) = channel();
        let go_on = Mutex::new(go_on);
        let mut services = LocalServices::default();
        services.add("slow", Blocking { begun, go_on }).unwrap();
        let service = services.get("slow").unwrap().clone();
        let (answer, answers) = channel();
        let run = |number| {
            let caller = ServiceCaller { user: None, number };
            let answer = answer.clone();
            let reply = move |outcome: Outcome| {
                let code = outcome.err().map(|error| error.code);
                // The test may be over.
                let _ = answer.send((number, code));
            };
            services.run(&service, caller, "block".into(), None, reply)
        };
        let _blocking = run(0);
        has_begun.recv().unwrap();
        for number in 1..WAITING_MAX as u64 + 10 {
            // It has timed out at once.
            drop(run(number));
        }
        let (number, code) = answers.recv().unwrap();
        assert!(number >= WAITING_MAX as u64);
        assert_eq!(code, Some(ErrorCode::Unavailable));
        drop(end);
    }
}
