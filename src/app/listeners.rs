//! Listening sockets that this process did not open: systemd did, or the process before it.
//!
//! They are the descriptors from 3 on, as `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` say.
//! systemd names them as the unit says (`server`, `management`); a server that restarts in place
//! names its own apart, for their addresses are those of the configuration before.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use listenfd::ListenFd;

use crate::http::listener::listen;

/// The first descriptor of those that are handed over.
const FIRST: i32 = 3;
/// The names of the listeners in the configuration.
const NAMES: [&str; 2] = ["server", "management"];
/// Before the names of a server that restarts in place.
const OWN: &str = "turntable-";

/// Listeners that were handed over, by their names.
#[derive(Debug, Default)]
pub(super) struct Inherited(Mutex<Vec<(String, TcpListener)>>);

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

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.is_empty()
    }

    /// The listener of a name, which the configuration has at `address`; a new one where none
    /// was handed over. Returns it with the name to hand it on by.
    pub(super) fn bind(
        &self,
        name: &'static str,
        address: SocketAddr,
    ) -> anyhow::Result<(TcpListener, String)> {
        let own = format!("{OWN}{name}");
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_at = |listener: &TcpListener| {
            let at = listener.local_addr();
            at.is_ok_and(|at| at == address || (address.port() == 0 && at.ip() == address.ip()))
        };
        let found = listeners.iter().position(|(known, listener)| match known {
            known if *known == name => true,
            known if *known == own => is_at(listener),
            // One that systemd does not name.
            known => !known.starts_with(OWN) && !NAMES.contains(&&**known) && is_at(listener),
        });
        if let Some(found) = found {
            let (known, listener) = listeners.swap_remove(found);
            listener.set_nonblocking(true)?;
            log::info!("{name} listens at a socket that was handed over ({known})");
            return Ok((listener, known));
        }
        let listener = listen(address);
        let listener =
            listener.with_context(|| format!("cannot listen at {name}.listen = {address}"))?;
        Ok((listener, own))
    }
}

/// Reserves the descriptors of those that will be handed over, so that nothing else has them.
pub(super) fn reserve() -> Vec<File> {
    let open = |_| File::open("/dev/null").ok();
    NAMES.iter().filter_map(open).collect()
}

/// Listeners that the next program gets.
#[derive(Debug)]
pub(super) struct HandedOver(pub(super) Vec<(String, TcpListener)>);

impl HandedOver {
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
