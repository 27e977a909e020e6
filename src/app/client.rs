//! The operator's services, for a program that embeds the server.

use super::Running;
use crate::management::client::Client;

impl Running {
    /// Calls the methods of the management listener by their names, without a request. All of
    /// docs/management.md may be called; what is changed is logged with the name `program`.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::here(self.operator.clone())
    }
}
