//! What holds connections and calls of the operator back while sessions of an earlier process
//! come.

use std::time::Duration;

use tokio::sync::watch;

use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Open unless it was closed.
#[derive(Debug)]
pub struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(true))
    }
}

impl Gate {
    /// Connections and calls wait from now on.
    pub fn close(&self) {
        self.0.send_replace(false);
    }

    /// Connections come in.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Whether they do.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until they do.
    pub async fn passed(&self) {
        if !self.is_open() {
            // The sender lives as long as this.
            let _ = self.0.subscribe().wait_for(|is_open| *is_open).await;
        }
    }

    /// The same for so long.
    ///
    /// # Errors
    /// `unavailable` where it is not opened in that time.
    pub async fn passed_within(&self, wait: Duration) -> Result<(), ErrorBody> {
        let passed = tokio::time::timeout(wait, self.passed()).await;
        passed.map_err(|_| {
            let message = "the sessions of the process before are being restored; try again";
            ErrorBody::new(ErrorCode::Unavailable, message)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[actix::test]
    async fn connections_wait_until_it_is_opened() {
        let gate = std::sync::Arc::new(Gate::default());
        gate.passed().await;
        gate.close();
        let waiting = actix::spawn({
            let gate = gate.clone();
            async move { gate.passed().await }
        });
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished());
        let early = gate.passed_within(Duration::from_millis(1)).await;
        assert_eq!(early.unwrap_err().code, ErrorCode::Unavailable);
        gate.open();
        assert!(waiting.await.is_ok());
        assert!(gate.passed_within(Duration::ZERO).await.is_ok());
    }
}
