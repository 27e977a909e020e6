//! What holds connections back while sessions of an earlier process come.

use tokio::sync::watch;

/// Open unless it was closed.
#[derive(Debug)]
pub struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(true))
    }
}

impl Gate {
    /// Connections wait from now on.
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
}

#[cfg(test)]
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
        gate.open();
        assert!(waiting.await.is_ok());
    }
}
