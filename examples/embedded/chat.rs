//! The chat: what a user says reaches the clients of another one, by a function that these
//! offer.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;

use turntable::app::Avatars;
use turntable::service::{Answer, LocalService, ServiceCaller};
use turntable_core::id::UserId;
use turntable_core::model::service::Outcome;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// How long the other client may take.
const ANSWER: Duration = Duration::from_secs(1);

/// What `send` takes.
#[derive(Deserialize)]
struct Line {
    to: String,
    text: String,
}

/// The service. A clone is the same chat.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chat {
    /// The avatars of the server, once it runs.
    avatars: Arc<OnceLock<Avatars>>,
}

impl Chat {
    /// The server runs.
    pub(crate) fn started(&self, avatars: Avatars) {
        // A chat is of one server.
        let _ = self.avatars.set(avatars);
    }

    /// Calls `chat:receive` of the other user's client, and returns its answer.
    async fn send(self, from: Option<UserId>, args: Option<Payload>) -> Outcome {
        let line = args.and_then(|args| serde_json::from_str(args.as_json()).ok());
        let line = line.and_then(|Line { to, text }| Some((UserId::parse(&to).ok()?, text)));
        let (Some((to, text)), Some(avatars)) = (line, self.avatars.get()) else {
            let message = "a line is {\"to\": USER, \"text\": TEXT}";
            return Err(ErrorBody::new(ErrorCode::BadMessage, message));
        };
        let from = from.as_ref().map(UserId::as_str);
        let args = serde_json::json!({ "from": from, "text": text });
        let other = avatars.of(&to);
        other
            .call_within("chat:receive", Some(args.into()), ANSWER)
            .await
    }
}

impl LocalService for Chat {
    fn functions(&self) -> Vec<Box<str>> {
        vec!["send".into()]
    }

    fn call(&self, caller: ServiceCaller, _: &str, args: Option<Payload>) -> Answer {
        Box::pin(self.clone().send(caller.user, args))
    }

    fn never_blocks(&self) -> bool {
        true
    }
}
