//! Handshakes of TLS take turns on a worker: one computes, and then everything else that the
//! thread has to do has its turn.
//!
//! A signature takes up to a millisecond. The handshakes of many addresses that come at one time
//! would otherwise follow each other, and the clients of the worker wait for all of them.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// A part of a handshake that takes less only looked whether something has come.
const SHORT: Duration = Duration::from_micros(50);

thread_local! {
    /// Who waits gets it in order.
    static TURN: Rc<Semaphore> = Rc::new(Semaphore::new(1));
}

/// Carries out a handshake, of which `poll` does what can be done now, in turns with the others
/// of the thread.
pub(super) async fn in_turns<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let turn = TURN.with(Rc::clone);
    loop {
        // Nothing closes it.
        let permit = turn.acquire().await;
        let began = Instant::now();
        let polled = poll_fn(|cx| Poll::Ready(poll(cx))).await;
        let is_short = began.elapsed() < SHORT;
        if !is_short {
            yield_now().await;
        }
        drop(permit);
        match polled {
            Poll::Ready(done) => return done,
            Poll::Pending if is_short => woken().await,
            // What woke the task meanwhile may have been the socket.
            Poll::Pending => {}
        }
    }
}

/// Until the task is woken.
async fn woken() {
    let mut is_first = true;
    poll_fn(|_| match std::mem::take(&mut is_first) {
        true => Poll::Pending,
        false => Poll::Ready(()),
    })
    .await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::RefCell;
    use std::pin::Pin;

    use tokio::sync::oneshot;

    use super::*;

    #[actix::test]
    async fn others_have_their_turn_between_two_handshakes() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let handshakes: Vec<_> = (0..20)
            .map(|number| {
                let log = log.clone();
                actix::spawn(in_turns(move |_| {
                    std::thread::sleep(2 * SHORT);
                    log.borrow_mut().push(Some(number));
                    Poll::Ready(())
                }))
            })
            .collect();
        let noted = log.clone();
        let other = actix::spawn(async move {
            loop {
                noted.borrow_mut().push(None);
                yield_now().await;
            }
        });
        for handshake in handshakes {
            handshake.await.unwrap();
        }
        other.abort();
        let log = log.borrow();
        let order: Vec<_> = log.iter().flatten().copied().collect();
        assert_eq!(order, (0..20).collect::<Vec<_>>());
        let first = log.iter().position(Option::is_none).unwrap();
        let pairs = log.windows(2).skip(first);
        let are_apart = pairs
            .filter(|pair| pair.iter().all(Option::is_some))
            .count()
            == 0;
        assert!(are_apart, "{log:?}");
    }

    #[actix::test]
    async fn handshake_that_waits_for_its_client_keeps_no_others_up() {
        let (sender, mut came) = oneshot::channel::<()>();
        let mut polls = 0;
        let slow = actix::spawn(in_turns(move |cx| {
            polls += 1;
            if polls == 1 {
                std::thread::sleep(2 * SHORT);
            }
            Pin::new(&mut came).poll(cx).map(|_| ())
        }));
        in_turns(|_| Poll::Ready(())).await;
        assert!(!slow.is_finished());
        sender.send(()).unwrap();
        slow.await.unwrap();
    }
}
