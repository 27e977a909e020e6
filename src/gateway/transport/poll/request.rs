//! A request of a poll, and what it is answered with where it is not carried out.

use tokio::sync::oneshot;

use crate::gateway::session::memory::RequestAnswer;
use crate::gateway::work::Command;
use turntable_core::packet::{ErrorBody, RequestId};
use turntable_core::reason::CloseReason;

/// A request.
#[derive(Debug)]
pub(crate) struct PollRequest {
    /// What it brings.
    pub(crate) commands: Vec<Command>,
    /// Its number.
    pub(crate) batch: Option<u64>,
    /// How many messages of the session the client has received, where it says
    /// so.
    pub(crate) received: Option<u64>,
    /// The `id` of a call that resumed the session.
    pub(crate) resume_id: Option<RequestId>,
    /// Gets the answer.
    pub(crate) respond: oneshot::Sender<Result<RequestAnswer, Refused>>,
}

/// Why a request is not carried out.
#[derive(Debug)]
pub enum Refused {
    /// With this error.
    Error(ErrorBody),
    /// Its number is older than one that was answered.
    Stale,
}

impl PollRequest {
    /// Answers with an error.
    pub(crate) fn refuse(self, error: ErrorBody) {
        // The client may have gone meanwhile.
        let _ = self.respond.send(Err(Refused::Error(error)));
    }

    /// Answers that the connection is over for this reason.
    pub(crate) fn close(self, reason: CloseReason) {
        let body = format!("[{}]", close_entry(reason)).into();
        let _ = self.respond.send(Ok(RequestAnswer { body, waiting: 0 }));
    }
}

/// What takes the place of a close frame.
pub(super) fn close_entry(reason: CloseReason) -> String {
    format!(
        r#"{{"f":"$av:close","args":{{"code":{},"reason":"{}"}}}}"#,
        reason.code(),
        reason.name()
    )
}
