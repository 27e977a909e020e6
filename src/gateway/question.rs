//! Questions to owners that are no commands of a session: the operator's, and those of
//! a program that embeds the server. A gateway passes them on and awaits the answers,
//! in its table of pending answers.

use std::fmt;
use std::time::Duration;

use actix::{Context, Handler, Message, ResponseFuture};
use tokio::sync::oneshot;

use crate::gateway::session::pending::Awaited;
use crate::gateway::{Gateway, Shared};
use turntable_core::call::{Call, Requester};
use turntable_core::delivery::Answer;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// How long the gateway that passes a question on may need beside the owner's own time.
const GATEWAY_WAIT: Duration = Duration::from_secs(2);

/// The answer to a question.
pub type Answered = Result<Answer, ErrorBody>;

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) struct Responder(oneshot::Sender<Answered>);

impl Responder {
    /// Passes the answer on.
    pub(crate) fn answer(self, answer: Answered) {
        // The one that asked may have gone.
        let _ = self.0.send(answer);
    }
}

/// The error where an owner answers another question.
pub(crate) fn unexpected() -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, "the owner answered something else")
}

/// A question to an owner.
#[derive(Message)]
#[rtype(result = "Answered")]
struct Question {
    call: Box<dyn FnOnce(Requester) -> Call + Send>,
    /// The service that is called, if it is a call, and its deadline in ms.
    of: Option<(Box<str>, u64)>,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question")
    }
}

impl Handler<Question> for Gateway {
    type Result = ResponseFuture<Answered>;

    fn handle(&mut self, Question { call, of }: Question, _: &mut Context<Self>) -> Self::Result {
        let (sender, answer) = oneshot::channel();
        let (service, own_ms) = of.unzip();
        let responder = Responder(sender);
        let awaited = Awaited::Question { responder, service };
        // The owner of a call answers at the deadline of the call.
        let ticket = self.await_after(awaited, own_ms.unwrap_or(0));
        let requester = Requester {
            gateway: self.id,
            ticket: ticket.number(),
        };
        self.shared.owners.call(call(requester));
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(stopping())) })
    }
}

impl Gateway {
    /// An owner answered a question.
    pub(crate) fn answered(&mut self, ticket: u64, answer: Answered) {
        if let Some(responder) = self.pending.take_question(ticket) {
            responder.answer(answer);
        }
    }
}

impl Shared {
    /// Asks an owner, by the first gateway. `call` is the call, answered to who it is
    /// given.
    ///
    /// # Errors
    /// The owner's error; `unavailable` where it does not answer in time.
    pub async fn ask(&self, call: impl FnOnce(Requester) -> Call + Send + 'static) -> Answered {
        let call = Box::new(call);
        self.put(Question { call, of: None }).await
    }

    /// Calls a service by the first gateway, with a deadline of `timeout_ms`.
    pub(super) async fn ask_service(
        &self,
        service: Box<str>,
        timeout_ms: u64,
        call: impl FnOnce(Requester) -> Call + Send + 'static,
    ) -> Answered {
        let call = Box::new(call);
        let of = Some((service, timeout_ms));
        self.put(Question { call, of }).await
    }

    async fn put(&self, question: Question) -> Answered {
        let gateway = self.peers.gateways().next().ok_or_else(stopping)?;
        // An owner that does not answer is the gateway's to report, before this is over.
        let own_ms = question.of.as_ref().map_or(0, |(_, own_ms)| *own_ms);
        let most_ms = own_ms + self.settings.get().session.answer_timeout_ms;
        let within = Duration::from_millis(most_ms) + GATEWAY_WAIT;
        let answered = tokio::time::timeout(within, gateway.send(question)).await;
        answered.map_or_else(
            |_| Err(late()),
            |sent| sent.unwrap_or_else(|_| Err(stopping())),
        )
    }
}

fn late() -> ErrorBody {
    let message = "the worker that passes questions on did not answer in time";
    ErrorBody::new(ErrorCode::Unavailable, message)
}

fn stopping() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Unavailable,
        "the server starts or stops; try again",
    )
}
