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
        let sent = way.map(|way| way.send(sender).is_ok());
        if sent != Some(true) {
            return Err(conflict("this program does not restart in place"));
        }
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(conflict(&why)),
            Err(_) => Err(conflict("the server is stopping")),
        }
    }
}
