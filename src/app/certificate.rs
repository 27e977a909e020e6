//! The certificates of the listeners: put in force with the configuration, and again when
//! their files have changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::config::Config;
use crate::config::watch::{Found, Stamp, Watch};
use crate::http::certificate::CertificateError;
use crate::http::settings::TlsSettings;
use crate::http::tls::{Number, Prepared, Refused, TlsListener};
use crate::management::configuration::CertificateRefusal;
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

    /// Those whose files were refused when they were read last.
    pub(super) fn refused(&self) -> Vec<CertificateRefusal> {
        let refusal = |(section, listener): (&str, &TlsListener)| {
            let Refused { at_ms, error } = listener.refused()?;
            Some(CertificateRefusal {
                at_ms,
                key: format!("{section}.tls.{}", error.key),
                file: error.file,
                message: error.message,
            })
        };
        let all = [("server", &*self.server), ("management", &*self.management)];
        all.into_iter().filter_map(refusal).collect()
    }
}

/// The looks at the files of one listener.
#[derive(Default)]
struct Looks {
    of: TlsSettings,
    /// What was in force then.
    number: Number,
    watch: Watch<(Stamp, Stamp)>,
}

impl Looks {
    /// Looks at the files, and puts them in force where they have changed and fit. Returns how
    /// long to wait for the next look.
    fn look(&mut self, listener: &TlsListener) -> Duration {
        // Before the settings: what comes between both is seen at the next look.
        let number = listener.number();
        if number != self.number {
            // A reload may have read the files before their last change.
            *self = Self {
                of: listener.settings(),
                number,
                watch: Watch::default(),
            };
        }
        if !self.of.is_on() {
            return NONE;
        }
        let stamp = |path: &str| std::fs::metadata(path).ok().as_ref().map(Stamp::of);
        let stamps = stamp(&self.of.certificate).zip(stamp(&self.of.key));
        match self.watch.look(stamps) {
            Found::Nothing => {}
            Found::Missing => self.refuse(listener, CertificateError::gone(&self.of)),
            Found::Settled => self.read(listener),
        }
        self.watch.pause()
    }

    fn read(&self, listener: &TlsListener) {
        match listener.prepare(&self.of, true) {
            Ok(prepared) => {
                if listener.apply_after(self.number, prepared) {
                    log::info!("the certificate in {} is in force", self.of.certificate);
                }
            }
            Err(error) => self.refuse(listener, error),
        }
    }

    fn refuse(&self, listener: &TlsListener, error: CertificateError) {
        let fault = error.to_string();
        if listener.refuse_after(self.number, error) {
            log::warn!("the certificate before stays in force: {fault}");
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Writes a new certificate.
    fn write(folder: &Path) -> TlsSettings {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (certificate, key) = (path("own.pem"), path("own.key"));
        fs::write(&certificate, own.cert.pem()).unwrap();
        fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        TlsSettings { certificate, key }
    }

    #[test]
    fn look_does_not_undo_a_reload() {
        let folder = tempfile::tempdir().unwrap();
        let settings = write(folder.path());
        let listener = TlsListener::new("server", Arc::new(Metrics::default()));
        let reload = |settings: &TlsSettings| {
            listener.apply(listener.prepare(settings, true).unwrap());
        };
        reload(&settings);
        let mut looks = Looks::default();
        looks.look(&listener);
        // The files change, and a look has read them before TLS is turned off.
        write(folder.path());
        let prepared = listener.prepare(&looks.of, true).unwrap();
        reload(&TlsSettings::default());
        assert!(!listener.apply_after(looks.number, prepared));
        assert!(listener.config().is_none(), "TLS is off");
        // The next look sees the settings that are in force then.
        reload(&settings);
        looks.look(&listener);
        assert_eq!(looks.of, settings);
        write(folder.path());
        looks.read(&listener);
        assert_ne!(looks.number, listener.number(), "it is in force");
    }

    #[test]
    fn refused_files_are_remembered_until_they_fit_or_others_are_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let settings = write(folder.path());
        let listener = TlsListener::new("server", Arc::new(Metrics::default()));
        let reload = |settings: &TlsSettings, reads_files| {
            listener.apply(listener.prepare(settings, reads_files).unwrap());
        };
        reload(&settings, true);
        let mut looks = Looks::default();
        looks.look(&listener);
        let spoil = |looks: &Looks| {
            fs::write(&settings.key, "nonsense").unwrap();
            looks.read(&listener);
            listener.refused().unwrap()
        };
        let refused = spoil(&looks);
        let key = CertificateError {
            key: "key",
            file: settings.key.clone(),
            message: "it has no private key in PEM".to_owned(),
        };
        assert_eq!(refused.error, key);
        // The same fault has its first time, and a change of other keys reads no file.
        looks.read(&listener);
        reload(&settings, false);
        assert_eq!(listener.refused(), Some(refused));
        write(folder.path());
        looks.read(&listener);
        assert_eq!(listener.refused(), None);
        looks.look(&listener);
        spoil(&looks);
        reload(&TlsSettings::default(), false);
        assert_eq!(listener.refused(), None);
        // What was read for settings that are not in force any more is no fault.
        looks.read(&listener);
        assert_eq!(listener.refused(), None);
    }
}
