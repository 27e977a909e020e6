//! What an operator sees of single sessions: which there are, all that is known of one, what
//! happened to it, how sessions ended, and for a limited time what passes between one and its client.
//!
//! Every question goes to all gateways at the same time. One that does not answer in time is
//! named in the answer, beside what the others said.

mod events;
pub mod history;
mod mask;
mod note;
pub mod past;
pub mod report;
mod ring;
pub mod session;
pub mod settings;
pub mod shown;
pub mod trace;
mod tracing;

use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Context, Handler, Message};
use futures_util::future::join_all;

use crate::gateway::{Gateway, Shared};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// How long a gateway may take to answer. One that is this late is overloaded or stuck, and
/// its operator wants to know that.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What the gateways answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers<T> {
    /// The answers.
    pub answers: Vec<T>,
    /// The workers that did not answer in time.
    pub unanswered: Vec<u16>,
}

impl<T> Answers<T> {
    /// What all gateways answered.
    ///
    /// # Errors
    /// `unavailable` where one did not: the error names its worker.
    pub(crate) fn whole(self) -> Result<Vec<T>, ErrorBody> {
        if self.unanswered.is_empty() {
            return Ok(self.answers);
        }
        let workers: Vec<String> = self.unanswered.iter().map(u16::to_string).collect();
        let message = format!(
            "no answer of worker {} within {} s; what it was to change, it changes when it goes on",
            workers.join(", "),
            TIMEOUT.as_secs()
        );
        Err(ErrorBody::new(ErrorCode::Unavailable, message))
    }
}

impl Shared {
    /// Asks all gateways at the same time.
    pub(crate) async fn ask_gateways<M>(&self, question: impl Fn() -> M) -> Answers<M::Result>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Gateway: Handler<M>,
        Context<Gateway>: ToEnvelope<Gateway, M>,
    {
        let workers = self.peers.workers();
        let asked = workers.filter_map(|worker| {
            // Of its own: the gateway drops a message whose answer nobody awaits any more.
            let sent = tokio::spawn(self.peers.gateway(worker)?.send(question()));
            Some(async move { (worker.0, sent.await.ok().and_then(Result::ok)) })
        });
        collect(asked, TIMEOUT).await
    }
}

/// An answer, if it comes in time.
pub(crate) async fn in_time<T>(answer: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(TIMEOUT, answer).await.ok()
}

/// Collects the answers that come in time.
async fn collect<T>(
    asked: impl Iterator<Item = impl Future<Output = (u16, Option<T>)>>,
    within: Duration,
) -> Answers<T> {
    let mut workers = 0;
    let asked = asked.map(|answer| {
        workers += 1;
        tokio::time::timeout(within, answer)
    });
    let asked: Vec<_> = asked.collect();
    let mut all = Answers {
        answers: Vec::new(),
        unanswered: Vec::new(),
    };
    for (worker, answer) in (0..workers).zip(join_all(asked).await) {
        match answer {
            Ok((_, Some(answer))) => all.answers.push(answer),
            Ok((worker, None)) => all.unanswered.push(worker),
            Err(_) => all.unanswered.push(worker),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;

    type Asked = Pin<Box<dyn Future<Output = (u16, Option<&'static str>)>>>;

    #[test]
    fn worker_that_does_not_answer_is_named_and_the_others_are_shown() {
        let asked: [Asked; 4] = [
            Box::pin(async { (0, Some("a")) }),
            Box::pin(std::future::pending()),
            // Its mailbox is closed.
            Box::pin(async { (2, None) }),
            Box::pin(async { (3, Some("b")) }),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let collected = runtime
            .map(|runtime| runtime.block_on(collect(asked.into_iter(), Duration::from_millis(20))));
        let expected = Answers {
            answers: vec!["a", "b"],
            unanswered: vec![1, 2],
        };
        assert_eq!(collected.ok(), Some(expected));
    }
}
