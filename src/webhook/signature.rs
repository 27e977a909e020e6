//! The signature of an event, as Standard Webhooks 1.0 have it: `v1,` and the base64 of
//! HMAC-SHA256 over id, second and body, with points between them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header `webhook-signature`: one signature for each secret.
pub(super) fn header(secrets: &[Box<[u8]>], id: &str, sent_s: u64, body: &str) -> String {
    let signatures = secrets.iter().map(|secret| {
        // A secret of any length is accepted.
        let mut mac = Hmac::<Sha256>::new_from_slice(secret)
            .unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(format!("{id}.{sent_s}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::webhook::settings::read_secret;

    /// The example of the specification's own libraries.
    #[test]
    fn signature_is_that_of_standard_webhooks() {
        let secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let header = header(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn event_is_signed_with_the_secret_before_too() {
        let secrets: [Box<[u8]>; 2] = [[1; 24].into(), [2; 24].into()];
        let both = header(&secrets, "a", 1, "{}");
        let alone: Vec<String> = secrets
            .iter()
            .map(|secret| header(std::slice::from_ref(secret), "a", 1, "{}"))
            .collect();
        assert_eq!(both, alone.join(" "));
    }
}
