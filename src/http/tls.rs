//! TLS at a listener: its certificate, which is replaced while the listener is open, and the
//! handshakes.
//!
//! ```text
//!  files ──prepare──► Prepared ──apply──► in force ──► sessions that begin from then on
//! ```
//! An address begins handshakes at a rate (`limits.tls_handshake`), and those of all addresses
//! take turns with all else that a worker does (`handshake_turn.rs`). A handshake has a time limit,
//! and what has come of it counts as input that is not whole (`gateway/admission/incomplete.rs`). One that fails is counted and its client gets the
//! alert, or an answer in plain HTTP; nothing of it is in the log but for `debug`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::time::timeout;
use parking_lot::Mutex;
use rustls::ServerConfig;

use crate::clock;
use crate::http::certificate::{Certificate, CertificateError};
use crate::http::handshake_rate::HandshakeRate;
use crate::http::settings::TlsSettings;
use crate::http::socket::Socket;
use crate::http::tls_handshake::Failed;
use crate::metric::Metrics;
use crate::watched::Watched;
use turntable_core::limit::Limit;
use turntable_core::rate::BucketSettings;

/// The certificate of one listener.
#[derive(Debug)]
pub struct TlsListener {
    /// The listener, as metrics name it.
    name: &'static str,
    in_force: Watched<InForce>,
    /// Why the files were refused when they were read last; `None` where they are in force. One
    /// changes what is in force at a time.
    refused: Mutex<Option<Refused>>,
    rate: HandshakeRate,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct InForce {
    settings: TlsSettings,
    certificate: Option<Certificate>,
    number: Number,
}

/// How many were in force before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Number(u64);

/// What may be put in force.
#[derive(Debug)]
pub struct Prepared {
    /// `None` where it is in force already.
    next: Option<InForce>,
    /// Whether the files were read for it.
    is_read: bool,
}

/// Files that were refused while another certificate is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When they were first, Unix ms.
    pub at_ms: u64,
    /// What is wrong with them.
    pub error: CertificateError,
}

impl TlsListener {
    /// A listener without TLS.
    #[must_use]
    pub fn new(name: &'static str, metrics: Arc<Metrics>) -> Self {
        Self {
            name,
            in_force: Watched::new(InForce::default()),
            refused: Mutex::default(),
            rate: HandshakeRate::default(),
            metrics,
        }
    }

    /// Reads the files of these settings, where they are not in force or `reads_files`.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn prepare(
        &self,
        settings: &TlsSettings,
        reads_files: bool,
    ) -> Result<Prepared, CertificateError> {
        let now = self.in_force.get();
        if !reads_files && now.settings == *settings {
            return Ok(Prepared {
                next: None,
                is_read: false,
            });
        }
        let certificate = Certificate::read(settings)?;
        let is_same = match (&now.certificate, &certificate) {
            (Some(now), Some(next)) => now.is(next),
            (None, None) => true,
            _ => false,
        };
        let is_new = !is_same || now.settings != *settings;
        Ok(Prepared {
            next: is_new.then(|| InForce {
                settings: settings.clone(),
                certificate,
                number: now.number,
            }),
            is_read: true,
        })
    }

    /// Puts it in force for the connections that begin from now on.
    pub fn apply(&self, prepared: Prepared) {
        self.put(&mut self.refused.lock(), prepared);
    }

    /// The same where nothing else was put in force since that number was: else it would be
    /// undone. Returns whether it is in force now.
    pub fn apply_after(&self, number: Number, prepared: Prepared) -> bool {
        let mut refused = self.refused.lock();
        if self.number() != number {
            return false;
        }
        let is_new = prepared.next.is_some();
        self.put(&mut refused, prepared);
        is_new
    }

    /// The files of the settings that are in force since that number were refused. Returns
    /// whether that is new.
    pub fn refuse_after(&self, number: Number, error: CertificateError) -> bool {
        let mut refused = self.refused.lock();
        let is_known = refused.as_ref().is_some_and(|known| known.error == error);
        if self.number() != number || is_known {
            return false;
        }
        let at_ms = clock::now_ms();
        *refused = Some(Refused { at_ms, error });
        self.metrics.refused_certificate(self.name).set(1);
        true
    }

    /// Why the files are not in force, as they were read last.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        self.refused.lock().clone()
    }

    fn put(&self, refused: &mut Option<Refused>, prepared: Prepared) {
        if prepared.is_read {
            *refused = None;
            self.metrics.refused_certificate(self.name).set(0);
        }
        let Some(next) = prepared.next else {
            return;
        };
        let Number(before) = self.in_force.get().number;
        let expires_s = next.certificate.as_ref().map(Certificate::expires_s);
        if expires_s.is_some() {
            let labels = Failed::ALL.map(Failed::label);
            self.metrics.begin_handshakes(self.name, &labels);
        }
        self.metrics
            .certificate(self.name)
            .set(expires_s.unwrap_or(0));
        self.in_force.set(InForce {
            number: Number(before + 1),
            ..next
        });
    }

    /// The files that are in force.
    #[must_use]
    pub fn settings(&self) -> TlsSettings {
        self.in_force.get().settings.clone()
    }

    /// The number of what is in force.
    #[must_use]
    pub fn number(&self) -> Number {
        self.in_force.get().number
    }

    /// What sessions begin with; `None` without TLS.
    #[must_use]
    pub fn config(&self) -> Option<Arc<ServerConfig>> {
        let in_force = self.in_force.get();
        let certificate = in_force.certificate.as_ref();
        certificate.map(|certificate| certificate.config.clone())
    }

    /// A handshake is about to begin, of which nothing was read.
    ///
    /// # Errors
    /// Its address begins too many. That is counted, and the client gets no answer: it would
    /// cost what the rate limits.
    pub fn begin(&self, peer: IpAddr, rate: BucketSettings) -> Result<(), Failed> {
        if self.rate.take(peer, rate, clock::now_ms()) {
            return Ok(());
        }
        self.metrics.reach(Limit::TlsHandshake.key());
        self.fail(peer, Failed::TooMany);
        Err(Failed::TooMany)
    }

    /// Carries the handshake out, within a time limit.
    ///
    /// # Errors
    /// What failed. It is counted, and the socket has its answer.
    pub async fn handshake(
        &self,
        limit: Duration,
        peer: IpAddr,
        work: impl Future<Output = Result<(), Failed>>,
    ) -> Result<(), Failed> {
        let done = timeout(limit, work).await;
        let done = done.unwrap_or(Err(Failed::Late));
        done.inspect_err(|failed| self.fail(peer, *failed))
    }

    fn fail(&self, peer: IpAddr, failed: Failed) {
        self.metrics.fail_handshake(self.name, failed.label());
        log::debug!("a TLS handshake of {peer} failed: {}", failed.label());
    }
}

/// Leaves the socket with what its client gets.
pub fn refuse(socket: &mut Socket, failed: Failed) {
    match failed.answer() {
        Some(answer) => socket.write_plain(&answer),
        None => socket.discard(),
    }
}
