//! The certificate of a listener, read from its files.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Version;
use x509_cert::der::Decode as _;

use crate::http::settings::TlsSettings;
use crate::plain_file;

/// The protocol that is spoken, as clients offer it (ALPN).
const PROTOCOL: &[u8] = b"http/1.1";

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// A certificate with its key.
#[derive(Clone)]
pub struct Certificate {
    /// For the sessions that begin from now on.
    pub config: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
    /// When it becomes valid, and until when it is, in seconds of Unix time.
    valid_s: (i64, i64),
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("valid_s", &self.valid_s)
            .finish_non_exhaustive()
    }
}

/// What is wrong with the files, and which key names the one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {file}: {message}")]
pub struct CertificateError {
    /// The key in the section.
    pub key: &'static str,
    /// The file that it names.
    pub file: String,
    /// What is wrong with that.
    pub message: String,
}

impl CertificateError {
    fn new(key: &'static str, file: &str, message: impl fmt::Display) -> Self {
        Self {
            key,
            file: file.to_owned(),
            message: message.to_string(),
        }
    }

    /// One of two files is gone.
    #[must_use]
    pub fn gone(settings: &TlsSettings) -> Self {
        let (key, file) = match Path::new(&settings.certificate).exists() {
            true => ("key", &settings.key),
            false => ("certificate", &settings.certificate),
        };
        Self::new(key, file, "it is gone")
    }
}

/// What is wrong with a PEM file.
fn describe(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("it has no {what} in PEM"),
        other => format!("it is no PEM file: {other}"),
    }
}

/// What is wrong with the file of a private key, which may be encrypted as PKCS #8 or as OpenSSL
/// did before.
fn describe_key(error: &pem::Error, text: &[u8]) -> String {
    let has = |mark: &str| text.windows(mark.len()).any(|part| part == mark.as_bytes());
    match has("BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED") {
        true => "it is encrypted, and the server has no password for it; write it without one: \
                 openssl pkey -in FILE -out NEW"
            .to_owned(),
        false => describe(error, "private key"),
    }
}

fn read(path: &str) -> Result<Vec<u8>, pem::Error> {
    plain_file::read_bounded(Path::new(path)).map_err(pem::Error::Io)
}

impl Certificate {
    /// Reads the files; `None` without any.
    ///
    /// # Errors
    /// [`CertificateError`]: a file that cannot be read, or a key of another certificate.
    pub fn read(settings: &TlsSettings) -> Result<Option<Self>, CertificateError> {
        if !settings.is_on() {
            return Ok(None);
        }
        let (certificate, key) = (settings.certificate.as_str(), settings.key.as_str());
        let wrong = |error: pem::Error| {
            CertificateError::new("certificate", certificate, describe(&error, "certificate"))
        };
        let text = read(certificate).map_err(wrong)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.map_err(wrong)?;
        let Some(own) = chain.first() else {
            return Err(wrong(pem::Error::NoItemsFound));
        };
        let valid_s = validity(own)
            .map_err(|error| CertificateError::new("certificate", certificate, error))?;
        let wrong_key = |message: String| CertificateError::new("key", key, message);
        let text = read(key).map_err(|error| wrong_key(describe(&error, "private key")))?;
        let secret = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|error| wrong_key(describe_key(&error, &text)))?;
        let config = config(chain.clone(), secret).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => wrong_key(format!(
                "it is not the key of the certificate in {certificate}"
            )),
            rustls::Error::InvalidCertificate(fault) => {
                let message = format!("its first certificate cannot be used: {fault}");
                CertificateError::new("certificate", certificate, message)
            }
            other => wrong_key(format!("it cannot be used: {other}")),
        })?;
        Ok(Some(Self {
            config: Arc::new(config),
            chain,
            valid_s,
        }))
    }

    /// Whether both are the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.chain == other.chain
    }

    /// Until when it is valid, in seconds of Unix time.
    #[must_use]
    pub const fn expires_s(&self) -> i64 {
        self.valid_s.1
    }

    /// Why clients refuse it now.
    #[must_use]
    pub fn warning(&self, now_s: i64) -> Option<String> {
        let (begin, end) = self.valid_s;
        let days = |seconds: i64| seconds.max(0) / DAY_S;
        match now_s {
            now if now >= end => Some(format!("expired {} days ago", days(now - end))),
            now if now < begin => Some(format!("is valid in {} days", days(begin - now))),
            _ => None,
        }
    }
}

/// When a certificate becomes valid, and until when it is.
fn validity(certificate: &CertificateDer<'_>) -> Result<(i64, i64), String> {
    let certificate = x509_cert::Certificate::from_der(certificate)
        .map_err(|error| format!("its certificate cannot be read: {error}"))?;
    if certificate.tbs_certificate().version() != Version::V3 {
        return Err(
            "its first certificate has an old version of X.509, and clients accept version 3 \
                    only; make one with extensions, such as the names of the server"
                .to_owned(),
        );
    }
    let validity = certificate.tbs_certificate().validity();
    let seconds = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
    };
    Ok((seconds(validity.not_before), seconds(validity.not_after)))
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    // A client that comes back needs no signature. The secret changes every few hours.
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

/// What is wrong with the files of these sections, a line each.
#[must_use]
pub fn problems(sections: &[(&str, &TlsSettings)]) -> Vec<String> {
    let problem = |(section, settings): &(&str, &TlsSettings)| {
        let error = Certificate::read(settings).err()?;
        Some(format!("{section}.{error}"))
    };
    sections.iter().filter_map(problem).collect()
}

/// Warnings about the certificates of these sections, where their files can be read.
#[must_use]
pub fn warnings(sections: &[(&str, &TlsSettings)], now_s: i64) -> Vec<String> {
    let warning = |(section, settings): &(&str, &TlsSettings)| {
        let certificate = Certificate::read(settings).ok()??;
        let warning = certificate.warning(now_s)?;
        let file = Path::new(&settings.certificate).display();
        Some(format!(
            "{section}.certificate: the certificate in {file} {warning}"
        ))
    };
    sections.iter().filter_map(warning).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
#[path = "certificate_tests.rs"]
mod tests;
