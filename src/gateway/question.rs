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
struct Ask {
    call: Box<dyn FnOnce(Asker) -> Call + Send>,
    /// The service that is called, if it is a call, and its deadline in ms.
    of: Option<(Box<str>, u64)>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask")
    }
}

impl Handler<Ask> for Gateway {
    type Result = ResponseFuture<Answered>;

    fn handle(&mut self, Ask { call, of }: Ask, _: &mut Context<Self>) -> Self::Result {
        let (asked, answer) = oneshot::channel();
        let (service, own_ms) = of.unzip();
        let asked = Asked(asked);
        let awaited = Awaited::Question { asked, service };
        // The owner of a call answers at the deadline of the call.
        let ticket = self.await_after(awaited, own_ms.unwrap_or(0));
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
        let call = Box::new(call);
        self.put(Ask { call, of: None }).await
    }

    /// Calls a service by the first gateway, with a deadline of `timeout_ms`.
    pub(super) async fn ask_service(
        &self,
        service: Box<str>,
        timeout_ms: u64,
        call: impl FnOnce(Asker) -> Call + Send + 'static,
    ) -> Answered {
        let call = Box::new(call);
        let of = Some((service, timeout_ms));
        self.put(Ask { call, of }).await
    }

    async fn put(&self, ask: Ask) -> Answered {
        let gateway = self.peers.gateways().next().ok_or_else(stopping)?;
        let asked = gateway.send(ask).await;
        asked.unwrap_or_else(|_| Err(stopping()))
    }
}

fn stopping() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Unavailable,
        "the server starts or stops; try again",
    )
}
