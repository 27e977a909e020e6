//! Why a handshake of TLS failed, and what the client gets.

use crate::http::fault;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Why there is no TLS session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The client speaks HTTP without TLS.
    Plain,
    /// It speaks something else.
    NoTls,
    /// It offers no version, cipher or protocol that the server has.
    Incompatible,
    /// It refused with an alert, as one that does not trust the certificate.
    Alert,
    /// It broke the protocol.
    Protocol,
    /// It has gone.
    Closed,
    /// It took too long.
    Late,
    /// Too much input is not whole.
    TooMuch,
    /// Its address begins too many.
    TooMany,
}

impl Failed {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Plain,
        Self::NoTls,
        Self::Incompatible,
        Self::Alert,
        Self::Protocol,
        Self::Closed,
        Self::Late,
        Self::TooMuch,
        Self::TooMany,
    ];

    /// From what the session found.
    #[must_use]
    pub fn of(fault: Option<&rustls::Error>) -> Self {
        use rustls::Error;
        match fault {
            None => Self::Closed,
            Some(Error::AlertReceived(_)) => Self::Alert,
            Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => Self::Incompatible,
            Some(Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => Self::NoTls,
            Some(_) => Self::Protocol,
        }
    }

    /// The label of the metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Plain => "plain_http",
            Self::NoTls => "no_tls",
            Self::Incompatible => "incompatible",
            Self::Alert => "alert",
            Self::Protocol => "protocol",
            Self::Closed => "closed",
            Self::Late => "timeout",
            Self::TooMuch => "incomplete_bytes_max",
            Self::TooMany => "rate_limited",
        }
    }

    /// The answer for a client without TLS.
    #[must_use]
    pub fn answer(self) -> Option<Vec<u8>> {
        let Self::Plain = self else {
            return None;
        };
        let message = "this port speaks TLS: use https:// or wss://";
        let body = fault::body(&ErrorBody::new(ErrorCode::BadMessage, message)).to_string();
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        Some(answer.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, Error, PeerIncompatible};

    #[test]
    fn faults_have_classes() {
        let unknown = Error::AlertReceived(AlertDescription::UnknownCA);
        let version = Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic);
        for (fault, expected) in [
            (None, Failed::Closed),
            (Some(unknown), Failed::Alert),
            (Some(version), Failed::Incompatible),
            (Some(Error::NoApplicationProtocol), Failed::Incompatible),
            (Some(Error::DecryptError), Failed::Protocol),
        ] {
            assert_eq!(Failed::of(fault.as_ref()), expected);
        }
    }

    #[test]
    fn plain_client_gets_an_answer_that_it_understands() {
        let answer = Failed::Plain.answer().unwrap_or_default();
        let answer = String::from_utf8(answer).unwrap_or_default();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("https://"), "{answer}");
        assert_eq!(Failed::NoTls.answer(), None);
    }
}
