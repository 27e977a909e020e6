//! Plain data as a message of an actor.

use actix::Message;

/// A call or a delivery in a mailbox. The data itself knows no actors, so that
/// it can be used by pure code and sent to other processes.
#[derive(Debug)]
pub struct Envelope<T>(pub T);

impl<T: 'static> Message for Envelope<T> {
    type Result = ();
}
