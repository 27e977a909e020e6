//! A stand-alone socket.io server that this server connects to, as a client of it.
//!
//! A call is the event `SERVICE:FUNCTION` with the arguments, an object with the
//! caller's `user` and the call's `id`, and an acknowledgement; what the server
//! acknowledges with is the answer. The service is up while the connection is. A lost
//! connection is tried again, and the calls that it had are answered `service_down`.

pub(super) mod address;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::{Reporter, down};
use crate::clock;
use crate::log_limit::LogLimit;
use crate::service::{Answer, LocalService, ServiceCaller};
use address::Address;
use talk::Talk;
use turntable_core::id::UserId;
use turntable_core::limit::Limit;
use turntable_core::model::service::{Outcome, ServiceSettings};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// Least and greatest time between two attempts to connect.
const AGAIN_MS: (u64, u64) = (100, 5_000);
/// A server may refuse for long.
static LOST: LogLimit = LogLimit::new();
/// It may end every connection at once.
static CONNECTED: LogLimit = LogLimit::new();

/// What is to be sent.
#[derive(Debug)]
enum Out {
    /// A call.
    Call {
        number: u64,
        /// Name and arguments of the event.
        list: Box<RawValue>,
        answer: oneshot::Sender<Outcome>,
    },
    /// The answer to a call is not awaited any more.
    Cancel { number: u64 },
}

/// The backend; dropped, it closes its connection.
pub(super) struct SocketIoBackend {
    link: Arc<Link>,
    task: AbortHandle,
}

struct Link {
    settings: ServiceSettings,
    reporter: Reporter,
    /// Takes calls while the connection is up.
    out: Mutex<Option<mpsc::Sender<Out>>>,
}

impl SocketIoBackend {
    /// Begins to connect.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub(super) fn begin(
        reporter: Reporter,
        settings: &ServiceSettings,
        thread: &Handle,
    ) -> Result<Self, String> {
        let address = Address::parse(&settings.url)?;
        let link = Arc::new(Link {
            settings: settings.clone(),
            reporter,
            out: Mutex::default(),
        });
        let task = thread.spawn(stay_connected(link.clone(), address));
        Ok(Self {
            link,
            task: task.abort_handle(),
        })
    }
}

impl Drop for SocketIoBackend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl LocalService for SocketIoBackend {
    fn functions(&self) -> Vec<Box<str>> {
        if self.link.out.lock().is_none() {
            return Vec::new();
        }
        let functions = self.link.settings.functions.iter();
        functions.map(|name| name.as_str().into()).collect()
    }

    fn call(&self, caller: ServiceCaller, function: &str, args: Option<Payload>) -> Answer {
        let refused = |error| -> Answer { Box::pin(std::future::ready(Err(error))) };
        let out = self.link.out.lock().clone();
        let Some(out) = out else {
            return refused(down("the service is not connected"));
        };
        let number = caller.number;
        let f = format!("{}:{function}", self.link.reporter.name);
        let Some(list) = event(&f, args.as_ref(), &caller) else {
            return refused(ErrorBody::new(
                ErrorCode::Internal,
                "the call cannot be written",
            ));
        };
        let (answer, answered) = oneshot::channel();
        let call = Out::Call {
            number,
            list,
            answer,
        };
        match out.try_send(call) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => {
                return refused(down("the service is not connected"));
            }
            Err(mpsc::error::TrySendError::Full(_)) => {
                let message = "too many calls wait for the service; try again later";
                let error = ErrorBody::new(ErrorCode::Unavailable, message);
                return refused(error.by(Limit::ServiceQueue));
            }
        }
        let awaiting = Awaiting {
            out: Some(out),
            number,
        };
        Box::pin(async move {
            let outcome = answered.await;
            awaiting.end();
            outcome.unwrap_or_else(|_| {
                Err(down(
                    "the connection to the service was lost; it may have carried the call out or not",
                ))
            })
        })
    }
}

/// A call whose answer is awaited; dropped before, the server is notified.
struct Awaiting {
    out: Option<mpsc::Sender<Out>>,
    number: u64,
}

impl Awaiting {
    /// The call is answered.
    fn end(mut self) {
        self.out = None;
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        if let Some(out) = self.out.take() {
            let number = self.number;
            // Where it is full, the answer is discarded when it comes.
            let _ = out.try_send(Out::Cancel { number });
        }
    }
}

/// Name and arguments of the event of a call.
fn event(f: &str, args: Option<&Payload>, caller: &ServiceCaller) -> Option<Box<RawValue>> {
    let about = serde_json::json!({
        "user": caller.user.as_ref().map(UserId::as_str),
        "id": caller.number.to_string(),
    });
    let name = serde_json::Value::from(f);
    let args = args.map_or("null", Payload::as_json);
    RawValue::from_string(format!("[{name},{args},{about}]")).ok()
}

/// Connects, talks, and connects again.
async fn stay_connected(link: Arc<Link>, address: Address) {
    let name = link.reporter.name.clone();
    let (least_ms, greatest_ms) = AGAIN_MS;
    let mut wait_ms = least_ms;
    loop {
        let (end, what) = match Talk::begin(&address, &link.settings).await {
            Ok(talk) => {
                let begun_ms = clock::now_ms();
                if let Some(left_out) = CONNECTED.admit(begun_ms) {
                    log::info!("service {name}: connected to its backend{left_out}");
                }
                let end = converse(&link, talk).await;
                // One that ends at once is no better than none.
                if clock::now_ms().saturating_sub(begun_ms) > greatest_ms {
                    wait_ms = least_ms;
                }
                (end, "the connection to its backend ended")
            }
            Err(end) => (end, "its backend cannot be reached"),
        };
        if let Some(left_out) = LOST.admit(clock::now_ms()) {
            log::warn!("service {name}: {what}: {end}{left_out}");
        }
        // Servers that were started at one time do not come back at one time.
        let spread = clock::now_ms() % (wait_ms / 2).max(1);
        tokio::time::sleep(Duration::from_millis(wait_ms / 2 + spread)).await;
        wait_ms = (wait_ms * 2).min(greatest_ms);
    }
}

/// Is up for as long as the connection is. Returns why it ended.
async fn converse(link: &Link, mut talk: Talk) -> talk::End {
    // As many calls as the instance may have, and a cancel for each.
    let room = link.settings.in_flight_max.saturating_mul(2).max(16);
    let (out, mut due) = mpsc::channel(room);
    *link.out.lock() = Some(out);
    link.reporter.changed();
    let end = talk.run(&mut due).await;
    *link.out.lock() = None;
    // The owner hears it before the calls are answered: none is given out again.
    link.reporter.changed();
    end
}
