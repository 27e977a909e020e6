//! Questions to owners that are no commands of a session: the operator's, and those of
//! a program that embeds the server. A gateway passes them on and awaits the answers,
//! in its table of pending answers.

use std::fmt;

use actix::{Context, Handler, Message, ResponseFuture};
use tokio::sync::oneshot;

use crate::gateway::session::pending::Awaited;
use crate::gateway::{Gateway, Shared};
use turntable_core::call::{Asker, Call};
use turntable_core::delivery::Answer;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The answer to a question.
pub type Answered = Result<Answer, ErrorBody>;

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) struct Asked(oneshot::Sender<Answered>);

impl Asked {
    /// Passes the answer on.
    pub(crate) fn answer(self, answer: Answered) {
        // Who asked may have gone.
        let _ = self.0.send(answer);
    }
}

/// Asks an owner.
#[derive(Message)]
#[rtype(result = "Answered")]
struct Ask(Box<dyn FnOnce(Asker) -> Call + Send>);

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask")
    }
}

impl Handler<Ask> for Gateway {
    type Result = ResponseFuture<Answered>;

    fn handle(&mut self, Ask(call): Ask, _: &mut Context<Self>) -> Self::Result {
        let (asked, answer) = oneshot::channel();
        let ticket = self.await_answer(Awaited::Question(Asked(asked)));
        let asker = Asker {
            gateway: self.id,
            ticket: ticket.number(),
        };
        self.shared.owners.call(call(asker));
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(stopping())) })
    }
}

impl Gateway {
    /// An owner answered a question.
    pub(crate) fn answered(&mut self, ticket: u64, answer: Answered) {
        if let Some(asked) = self.pending.take_question(ticket) {
            asked.answer(answer);
        }
    }
}

impl Shared {
    /// Asks an owner, by the first gateway. `call` is the call, answered to who it is
    /// given.
    ///
    /// # Errors
    /// The owner's error; `unavailable` where it does not answer in time.
    pub async fn ask(&self, call: impl FnOnce(Asker) -> Call + Send + 'static) -> Answered {
        let gateway = self.peers.gateways().next().ok_or_else(stopping)?;
        let asked = gateway.send(Ask(Box::new(call))).await;
        asked.unwrap_or_else(|_| Err(stopping()))
    }
}

fn stopping() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Unavailable,
        "the server starts or stops; try again",
    )
}
