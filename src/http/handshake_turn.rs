//! Handshakes of TLS take turns on a worker: one computes, and then everything else that the
//! thread has to do has its turn.
//!
//! A signature takes up to a millisecond. The handshakes of many addresses that come at one time
//! would otherwise follow each other, and the clients of the worker wait for all of them.
//! Those that wait take turns by address, so one with thousands delays another by one handshake.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::yield_now;

use turntable_core::turns::Turns;

/// A part of a handshake that takes less only looked whether something has come.
const SHORT: Duration = Duration::from_micros(50);

thread_local! {
    static QUEUE: Rc<RefCell<Queue>> = Rc::default();
}

/// The handshakes of a thread that wait.
#[derive(Debug, Default)]
struct Queue {
    /// Whether one of them computes.
    is_taken: bool,
    /// The others, by the address from which they are.
    waiting: Turns<IpAddr, VecDeque<oneshot::Sender<Turn>>>,
}

impl Queue {
    /// The next one of the address whose turn it is; of the one behind it, where none of its
    /// handshakes waits any longer.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        loop {
            let from = *self.waiting.in_turn().next()?.0;
            if let Some(next) = self.next_of(from) {
                return Some(next);
            }
        }
    }

    fn next_of(&mut self, from: IpAddr) -> Option<oneshot::Sender<Turn>> {
        let lane = self.waiting.get_mut(&from)?;
        let mut next = lane.pop_front();
        // Those that gave up have no turn.
        while next.as_ref().is_some_and(oneshot::Sender::is_closed) {
            next = lane.pop_front();
        }
        match lane.is_empty() {
            true => self.waiting.end(&from),
            false => self.waiting.served(&from),
        }
        next
    }
}

/// The right to compute; dropping it gives it to the next one.
#[derive(Debug)]
struct Turn(Option<Rc<RefCell<Queue>>>);

impl Turn {
    /// Waits for it, behind the others of this address.
    async fn of(from: IpAddr) -> Self {
        let queue = QUEUE.with(Rc::clone);
        let given = {
            let mut known = queue.borrow_mut();
            if !std::mem::replace(&mut known.is_taken, true) {
                drop(known);
                return Self(Some(queue));
            }
            let (sender, given) = oneshot::channel();
            known.waiting.begin(&from).push_back(sender);
            given
        };
        // The queue drops no sender, but at the end of the thread.
        given.await.unwrap_or(Self(None))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else {
            return;
        };
        loop {
            let next = queue.borrow_mut().next();
            let Some(next) = next else {
                queue.borrow_mut().is_taken = false;
                return;
            };
            match next.send(Self(Some(queue.clone()))) {
                Ok(()) => return,
                // It did not wait any longer.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

/// Carries out a handshake from an address, of which `poll` does what can be done now, in turns
/// with the others of the thread.
pub(super) async fn in_turns<T>(
    from: IpAddr,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> T {
    loop {
        let turn = Turn::of(from).await;
        let began = Instant::now();
        let polled = poll_fn(|cx| Poll::Ready(poll(cx))).await;
        let is_short = began.elapsed() < SHORT;
        if !is_short {
            yield_now().await;
        }
        drop(turn);
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
    use std::pin::Pin;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[actix::test]
    async fn others_have_their_turn_between_two_handshakes() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let handshakes: Vec<_> = (0..20)
            .map(|number| {
                let log = log.clone();
                actix::spawn(in_turns(ONE, move |_| {
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
        let slow = actix::spawn(in_turns(ONE, move |cx| {
            polls += 1;
            if polls == 1 {
                std::thread::sleep(2 * SHORT);
            }
            Pin::new(&mut came).poll(cx).map(|_| ())
        }));
        in_turns(ONE, |_| Poll::Ready(())).await;
        assert!(!slow.is_finished());
        sender.send(()).unwrap();
        slow.await.unwrap();
    }

    #[actix::test]
    async fn addresses_take_turns_and_those_that_gave_up_have_none() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let begin = |from: IpAddr, number: usize| {
            let log = log.clone();
            actix::spawn(in_turns(from, move |_| {
                std::thread::sleep(2 * SHORT);
                log.borrow_mut().push(number);
                Poll::Ready(())
            }))
        };
        let mut begun: Vec<_> = (0..10).map(|number| begin(ONE, number)).collect();
        begun.push(begin(OTHER, 100));
        begun.push(begin(OTHER, 101));
        // The first has had its turn, and the second has it.
        yield_now().await;
        for gone in begun.drain(1..5) {
            gone.abort();
        }
        for handshake in begun {
            handshake.await.unwrap();
        }
        assert_eq!(*log.borrow(), [0, 100, 5, 101, 6, 7, 8, 9]);
        // The turn is free again.
        in_turns(ONE, |_| Poll::Ready(())).await;
    }
}
