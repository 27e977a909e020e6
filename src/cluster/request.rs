//! Commands that come in HTTP requests, on their way to a gateway.
//!
//! A socket is not read while a worker is behind (`gateway::intake`). A request has been
//! read already, so it waits here, first come first served, before it is handed over. One
//! that was handed over counts until its gateway has carried it out, so that many requests
//! that come together do not all find the same room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use crate::cluster::mailbox::Mailboxes;

/// Time between two looks at the mailboxes; only the first in the queue looks.
const LOOK: Duration = Duration::from_millis(2);

/// The requests of a node.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Commands that were handed over and not carried out.
    commands: Arc<AtomicU64>,
    /// The request that is next has it; it is fair.
    queue: tokio::sync::Mutex<()>,
}

/// Commands of one request that were handed over; dropped when they are carried out.
#[derive(Debug)]
pub struct Ticket {
    of: Arc<AtomicU64>,
    commands: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.of.fetch_sub(self.commands, Ordering::Relaxed);
    }
}

impl Mailboxes {
    /// Waits until no more than `max` messages wait at any worker; `paused` counts requests
    /// that had to. Returns the ticket for the commands of a request.
    pub async fn ticket(&self, commands: usize, max: usize, paused: &Counter) -> Ticket {
        let requests = self.requests();
        let _first = requests.queue.lock().await;
        let has_room = || {
            let handed_over = requests.commands.load(Ordering::Relaxed);
            self.most_waiting() + handed_over <= max as u64
        };
        if !has_room() {
            paused.inc();
        }
        while !has_room() {
            tokio::time::sleep(LOOK).await;
        }
        let commands = commands as u64;
        requests.commands.fetch_add(commands, Ordering::Relaxed);
        Ticket {
            of: requests.commands.clone(),
            commands,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metric::Metrics;
    use turntable_core::key::WorkerId;

    #[actix::test]
    async fn requests_wait_for_letters_and_for_those_before_them() {
        // It passes when all wait: the look that comes to nothing is over then.
        tokio::time::pause();
        let mailboxes = Arc::new(Mailboxes::new(1, &Metrics::default()));
        let paused = Counter::default();
        let first = mailboxes.ticket(101, 100, &paused).await;
        assert_eq!(paused.get(), 0, "nothing waits");
        let waiting = actix::spawn({
            let (mailboxes, paused) = (mailboxes.clone(), paused.clone());
            async move { mailboxes.ticket(1, 100, &paused).await }
        });
        while paused.get() == 0 {
            tokio::task::yield_now().await;
        }
        // The gateway has made messages of the first.
        let queues = mailboxes.of(WorkerId(0)).unwrap();
        (0..101).for_each(|_| queues.calls.put());
        drop(first);
        tokio::time::sleep(4 * LOOK).await;
        assert!(!waiting.is_finished());
        queues.calls.take();
        let second = waiting.await.unwrap();
        assert_eq!(second.commands, 1);
        drop(second);
        assert_eq!(mailboxes.requests().commands.load(Ordering::Relaxed), 0);
    }
}
