//! Reports to systemd, where it started the process.

use std::pin::pin;
use std::time::Duration;

use actix_rt::time::timeout;
use sd_notify::NotifyState;

/// How much longer a start or a stop may take from each report on.
const LONGER: Duration = Duration::from_secs(30);
/// Time between two of them.
const PAUSE: Duration = Duration::from_secs(10);

/// Reports a state.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd is not notified: {error}");
    }
}

/// Requests that systemd waits for `wait`, and for what follows it.
pub(super) fn extend(wait: Duration) {
    let longer = (wait + LONGER).as_micros();
    let longer = u32::try_from(longer).unwrap_or(u32::MAX);
    notify(&[NotifyState::ExtendTimeoutUsec(longer)]);
}

/// Requests that it waits as long as work of unknown duration goes on.
pub(super) async fn extending<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        extend(Duration::ZERO);
        if let Ok(done) = timeout(PAUSE, &mut work).await {
            return done;
        }
    }
}
