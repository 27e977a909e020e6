//! Requests that the process restarts in place: by calls, to what runs the server.

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// A request; answered once it is known whether it will be carried out.
pub type RestartRequest = oneshot::Sender<Result<(), String>>;

/// The way to what runs the server, where that restarts.
#[derive(Debug, Default)]
pub struct Restarts(Mutex<Option<UnboundedSender<RestartRequest>>>);

impl Restarts {
    /// Requests come here from now on.
    pub fn serve(&self) -> UnboundedReceiver<RestartRequest> {
        let (sender, receiver) = unbounded_channel();
        *self.0.lock() = Some(sender);
        receiver
    }

    /// Requests a restart. Returns when it begins.
    ///
    /// # Errors
    /// `conflict` with what prevents it, or where the server is part of another program.
    pub async fn request(&self) -> Result<(), ErrorBody> {
        let conflict = |message: &str| ErrorBody::new(ErrorCode::Conflict, message.to_owned());
        let (sender, answer) = oneshot::channel();
        let way = self.0.lock().clone();
        let Some(way) = way else {
            return Err(conflict("this program does not restart in place"));
        };
        // Where nobody takes it, there is no answer.
        let _ = way.send(sender);
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(conflict(&why)),
            Err(_) => Err(conflict("the server is stopping")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[actix::test]
    async fn request_is_answered_also_when_the_server_stops() {
        let restarts = Restarts::default();
        let refused = |error: ErrorBody| error.message.to_string();
        let answer = restarts.request().await.map_err(refused);
        assert_eq!(
            answer,
            Err("this program does not restart in place".to_owned())
        );
        let mut requests = restarts.serve();
        let request = async { requests.recv().await.unwrap().send(Ok(())) };
        let (answer, _) = tokio::join!(restarts.request(), request);
        assert!(answer.is_ok());
        // One that waits, and one that comes later.
        let end = async { drop(requests) };
        let (waiting, ()) = tokio::join!(restarts.request(), end);
        for answer in [waiting, restarts.request().await] {
            let why = answer.map_err(refused);
            assert_eq!(why, Err("the server is stopping".to_owned()));
        }
    }
}
