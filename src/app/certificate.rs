//! The certificates of the listeners: put in force with the configuration, and again when
//! their files have changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::config::Config;
use crate::config::watch::{Found, Stamp, Watch};
use crate::http::settings::TlsSettings;
use crate::http::tls::{Prepared, TlsListener};
use crate::metric::Metrics;

/// Between two looks where no listener has TLS.
const NONE: Duration = Duration::from_secs(1);

/// The certificate of each listener.
#[derive(Debug)]
pub(super) struct Certificates {
    /// The public listener.
    pub(super) server: Arc<TlsListener>,
    /// The operator's listener.
    pub(super) management: Arc<TlsListener>,
}

impl Certificates {
    /// Those of a configuration.
    ///
    /// # Errors
    /// What is wrong with their files.
    pub(super) fn new(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<Self> {
        let listener = |name| Arc::new(TlsListener::new(name, metrics.clone()));
        let new = Self {
            server: listener("server"),
            management: listener("management"),
        };
        new.apply(new.prepare(config, true)?);
        Ok(new)
    }

    /// Those of another configuration. Files are read where their names are others, or
    /// `reads_files`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn prepare(
        &self,
        config: &Config,
        reads_files: bool,
    ) -> anyhow::Result<[Prepared; 2]> {
        let wrong = |section: &'static str| move |error| anyhow::anyhow!("{section}.tls.{error}");
        let (server, management) = (&config.server.tls, &config.management.tls);
        let server = self.server.prepare(server, reads_files);
        let management = self.management.prepare(management, reads_files);
        Ok([
            server.map_err(wrong("server"))?,
            management.map_err(wrong("management"))?,
        ])
    }

    /// Puts prepared ones in force for the connections that begin from now on.
    pub(super) fn apply(&self, [server, management]: [Prepared; 2]) {
        self.server.apply(server);
        self.management.apply(management);
    }
}

/// The looks at the files of one listener.
#[derive(Default)]
struct Looks {
    of: TlsSettings,
    watch: Watch<(Stamp, Stamp)>,
    /// What was wrong at the last reading.
    fault: String,
}

impl Looks {
    /// Looks at the files, and puts them in force where they have changed and fit. Returns how
    /// long to wait for the next look.
    fn look(&mut self, listener: &TlsListener) -> Duration {
        let settings = listener.settings();
        if settings != self.of {
            *self = Self {
                of: settings,
                ..Self::default()
            };
        }
        if !self.of.is_on() {
            return NONE;
        }
        let stamp = |path: &str| std::fs::metadata(path).ok().as_ref().map(Stamp::of);
        let stamps = stamp(&self.of.certificate).zip(stamp(&self.of.key));
        match self.watch.look(stamps) {
            Found::Nothing => {}
            Found::Missing => log::warn!(
                "{} or {} is gone: the certificate stays in force",
                self.of.certificate,
                self.of.key
            ),
            Found::Settled => self.read(listener),
        }
        self.watch.pause()
    }

    fn read(&mut self, listener: &TlsListener) {
        match listener.prepare(&self.of, true) {
            Ok(prepared) => {
                self.fault.clear();
                if listener.apply(prepared) {
                    log::info!("the certificate in {} is in force", self.of.certificate);
                }
            }
            Err(error) => {
                let fault = error.to_string();
                if fault != self.fault {
                    log::warn!("the certificate before stays in force: {fault}");
                    self.fault = fault;
                }
            }
        }
    }
}

/// Watches the files as long as the server runs.
pub(super) async fn watch(certificates: Weak<Certificates>) {
    let mut looks = [Looks::default(), Looks::default()];
    loop {
        let Some(now) = certificates.upgrade() else {
            return;
        };
        let looked = actix_rt::task::spawn_blocking(move || {
            let [server, management] = &mut looks;
            let pause = server.look(&now.server);
            let pause = pause.min(management.look(&now.management));
            (looks, pause)
        });
        let Ok((next, pause)) = looked.await else {
            return;
        };
        looks = next;
        actix_rt::time::sleep(pause).await;
    }
}
