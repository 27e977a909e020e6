//! Listening sockets that this process did not open: systemd did, or the process before it.
//!
//! They are the descriptors from 3 on, as `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` say.
//! systemd names them as the unit says (`server`, `management`); a server that restarts in place
//! names its own apart, for their addresses are those of the configuration before. Those that do
//! not fit the configuration are closed before others are opened: they may have the same port,
//! and nothing would answer clients that connect there.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use listenfd::ListenFd;

use crate::http::listener::listen;

/// The first descriptor of those that are handed over.
const FIRST: i32 = 3;
/// The names of the listeners in the configuration.
pub(super) const NAMES: [&str; 2] = ["server", "management"];
/// Before the names of a server that restarts in place.
const OWN: &str = "turntable-";

/// A listener, with the name to hand it on by.
pub(super) type Named = (String, TcpListener);

/// Listeners that were handed over, by their names.
#[derive(Debug, Default)]
pub(super) struct Inherited(Mutex<Vec<Named>>);

impl Inherited {
    /// Those of this process. Before any thread begins: it changes the environment.
    pub(super) fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut descriptors = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..descriptors.len() {
            let name = names.next().unwrap_or_default();
            match descriptors.take_tcp_listener(index) {
                Ok(Some(listener)) => listeners.push((name, listener)),
                Ok(None) => {}
                Err(error) => log::warn!("descriptor {name:?} is not used: {error}"),
            }
        }
        Self(Mutex::new(listeners))
    }

    /// Reserves the descriptors of others that will be handed over, so that nothing else has
    /// them.
    pub(super) fn reserve(&self) -> Vec<File> {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = NAMES.iter().skip(listeners.len());
        others
            .filter_map(|_| File::open("/dev/null").ok())
            .collect()
    }

    /// The listeners of [`NAMES`], which the configuration has at these addresses; new ones
    /// where none was handed over. The others that were handed over are closed.
    ///
    /// # Errors
    /// An address that is taken.
    pub(super) fn bind(&self, [server, management]: [SocketAddr; 2]) -> anyhow::Result<[Named; 2]> {
        let mut inherited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [server_name, management_name] = NAMES;
        let mut take = |name, address| {
            let fitting = |(known, listener): &Named| fits(known, listener, name, address);
            let found = inherited.iter().position(fitting)?;
            Some(inherited.swap_remove(found))
        };
        let found = [
            (server_name, server, take(server_name, server)),
            (
                management_name,
                management,
                take(management_name, management),
            ),
        ];
        for (known, listener) in inherited.drain(..) {
            let at = listener.local_addr();
            let at = at.map_or_else(|error| error.to_string(), |at| at.to_string());
            log::info!(
                "{known} at {at} was handed over and is closed: no listener has its address"
            );
        }
        let [server, management] = found.map(|(name, address, found)| match found {
            None => open(name, address),
            Some((known, listener)) => {
                listener.set_nonblocking(true)?;
                log::info!("{name} listens at a socket that was handed over ({known})");
                let is_own = known.starts_with(OWN);
                Ok((if is_own { own(name) } else { known }, listener))
            }
        });
        Ok([server?, management?])
    }
}

/// The name of a listener that a server opened itself.
fn own(name: &str) -> String {
    format!("{OWN}{name}")
}

fn open(name: &'static str, address: SocketAddr) -> anyhow::Result<Named> {
    let listener = listen(address);
    let listener =
        listener.with_context(|| format!("cannot listen at {name}.listen = {address}"))?;
    Ok((own(name), listener))
}

/// Whether a listener of a known name is one for `name`, which the configuration has at
/// `address`.
fn fits(known: &str, listener: &TcpListener, name: &str, address: SocketAddr) -> bool {
    let Ok(at) = listener.local_addr() else {
        return false;
    };
    let is_at = at == address || (address.port() == 0 && at.ip() == address.ip());
    match known.strip_prefix(OWN) {
        _ if known == name => true,
        Some(own) if own == name => is_at,
        // The addresses may have changed places.
        Some(_) => at == address,
        // One that systemd does not name.
        None => !NAMES.contains(&known) && is_at,
    }
}

/// Whether both cannot listen at the same time.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (one.ip() == other.ip() || is_any)
}

/// The number of a listener in this process.
pub(super) fn number_of(listener: &TcpListener) -> i32 {
    listener.as_raw_fd()
}

/// Listeners that the next program gets in place of those of this one.
pub(super) type Changed = [Option<Named>; 2];

/// Opens the listeners of the next program whose addresses are others than now. One that
/// overlaps a listener of this process is left to the next program, which closes that first.
///
/// # Errors
/// An address that is taken.
pub(super) fn open_changed(
    now: &[Named],
    [server, management]: [Option<SocketAddr>; 2],
) -> anyhow::Result<Changed> {
    let opened = |index: usize, wanted: Option<SocketAddr>| {
        let name = NAMES.get(index).zip(now.get(index)).zip(wanted);
        let Some(((name, (known, listener)), address)) = name else {
            return Ok(None);
        };
        let is_taken = |(_, other): &Named| other.local_addr().is_ok_and(|at| overlap(at, address));
        if fits(known, listener, name, address) || now.iter().any(is_taken) {
            return Ok(None);
        }
        open(name, address).map(Some)
    };
    Ok([opened(0, server)?, opened(1, management)?])
}

/// Listeners that the next program gets.
#[derive(Debug)]
pub(super) struct HandedOver(Vec<Named>);

impl HandedOver {
    /// Those of this process, but for the changed ones.
    pub(super) fn new(now: Vec<Named>, changed: Changed) -> Self {
        let changed = changed.into_iter().chain(std::iter::repeat_with(|| None));
        let next = now.into_iter().zip(changed);
        Self(next.map(|(now, changed)| changed.unwrap_or(now)).collect())
    }

    /// The variables that say so, to the process that this one becomes.
    pub(super) fn variables(&self) -> [(&'static str, String); 3] {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| &**name).collect();
        [
            ("LISTEN_FDS", self.0.len().to_string()),
            ("LISTEN_PID", std::process::id().to_string()),
            ("LISTEN_FDNAMES", names.join(":")),
        ]
    }

    /// Puts them where they are found.
    pub(super) fn put(&self) -> std::io::Result<()> {
        let descriptors: Vec<_> = self.0.iter().map(|(_, all)| all.as_fd()).collect();
        turntable_sys::hand_over(&descriptors, FIRST)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn any() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    #[test]
    fn listener_fits_by_its_name_and_address() {
        let listener = any();
        let at = listener.local_addr().unwrap();
        let other = SocketAddr::from(([127, 0, 0, 1], 1));
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        for (known, address, expected) in [
            ("server", other, true),
            ("management", at, false),
            ("turntable-server", at, true),
            ("turntable-server", free, true),
            ("turntable-server", other, false),
            ("turntable-management", at, true),
            ("turntable-management", free, false),
            ("unknown", at, true),
            ("unknown", other, false),
        ] {
            let fits = fits(known, &listener, "server", address);
            assert_eq!(fits, expected, "{known} {address}");
        }
    }

    #[test]
    fn handed_over_listener_that_does_not_fit_is_closed_first() {
        // Another process may have the port at another address of this machine.
        let bound = (0..20).find_map(|_| {
            let (server, management) = (any(), any());
            let (at, management_at) = (
                server.local_addr().unwrap(),
                management.local_addr().unwrap(),
            );
            let inherited = Inherited(Mutex::new(vec![
                (own("server"), server),
                (own("management"), management),
            ]));
            let everywhere = SocketAddr::from(([0, 0, 0, 0], at.port()));
            let bound = inherited.bind([everywhere, management_at]).ok()?;
            Some((bound, everywhere, management_at))
        });
        let ([server, management], everywhere, management_at) = bound.unwrap();
        assert_eq!(server.1.local_addr().unwrap(), everywhere);
        assert_eq!(management.1.local_addr().unwrap(), management_at);
        assert_eq!(server.0, "turntable-server");
    }

    #[test]
    fn addresses_may_change_places() {
        let (server, management) = (any(), any());
        let at = [&server, &management].map(|listener| listener.local_addr().unwrap());
        let now = [(own("server"), server), (own("management"), management)];
        let [first, second] = at;
        let changed = open_changed(&now, [Some(second), Some(first)]).unwrap();
        assert!(changed.iter().all(Option::is_none));
        let inherited = Inherited(Mutex::new(now.into()));
        let bound = inherited.bind([second, first]).unwrap();
        let found = bound.map(|(name, listener)| (name, listener.local_addr().unwrap()));
        assert_eq!(found, [(own("server"), second), (own("management"), first)]);
    }

    #[test]
    fn changed_address_is_opened_before_the_restart() {
        let (server, management, taken) = (any(), any(), any());
        let now = [(own("server"), server), (own("management"), management)];
        let free = SocketAddr::from(([127, 0, 0, 2], 0));
        let changed = open_changed(&now, [None, Some(free)]).unwrap();
        let names = HandedOver::new(now.into(), changed).variables();
        assert_eq!(names[2].1, "turntable-server:turntable-management");
        let now = [(own("server"), any()), (own("management"), any())];
        let taken = taken.local_addr().unwrap();
        let error = open_changed(&now, [Some(taken), None]).unwrap_err();
        assert!(error.to_string().contains("server.listen"), "{error}");
    }
}
