//! Hashes of passwords: Argon2id (RFC 9106), each with its salt and numbers as a PHC
//! string.
//!
//! A hash takes tens of milliseconds and megabytes by design. So it runs beside the
//! workers, and the number of those that run at once is limited.

use std::sync::Arc;

use anyhow::anyhow;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{AcquireError, Semaphore};

use crate::portal::settings::PasswordSettings;

/// The longest password, in bytes.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1_024;

/// What is wrong with a new password, as a sentence.
pub(crate) fn fault(settings: &PasswordSettings, password: &str) -> Option<String> {
    let least = settings.length_min;
    let is_short = password.chars().count() < least;
    (is_short || password.len() > PASSWORD_BYTES_MAX).then(|| {
        format!("a password has at least {least} characters and at most {PASSWORD_BYTES_MAX} bytes")
    })
}

/// The hash of a new password.
///
/// # Errors
/// Where the system gives no random bytes.
pub(crate) fn hash(settings: &PasswordSettings, password: &str) -> anyhow::Result<Box<str>> {
    let params = Params::new(settings.memory_kib, settings.passes, 1, None)
        .map_err(|error| anyhow!("portal.password: {error}"))?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes())
        .map_err(|error| anyhow!("the password cannot be hashed: {error}"))?;
    Ok(hash.to_string().into())
}

/// Whether this is the password of a hash.
fn is_password(password: &str, hash: &str) -> bool {
    let hash = PasswordHash::new(hash);
    // The numbers are those of the hash.
    hash.is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

/// Hashes passwords on threads that may block, so many at once.
#[derive(Debug)]
pub(super) struct Hasher {
    settings: Arc<PasswordSettings>,
    places: Arc<Semaphore>,
    /// The hash of no password, for users that are not known.
    nobody: Box<str>,
}

impl Hasher {
    /// With the numbers of these settings.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub(super) fn new(settings: &PasswordSettings) -> anyhow::Result<Self> {
        Ok(Self {
            settings: Arc::new(settings.clone()),
            places: Arc::new(Semaphore::new(settings.hashing_max)),
            nobody: hash(settings, "")?,
        })
    }

    /// Whether this is the password of a user with this hash. A user without one takes
    /// as long.
    ///
    /// # Errors
    /// A sentence, where it cannot be found out.
    pub(super) async fn verify(
        &self,
        password: &str,
        hash: Option<Box<str>>,
    ) -> Result<bool, String> {
        let is_known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let password = password.to_owned();
        let is_right = self.beside(move || is_password(&password, &hash)).await?;
        Ok(is_right && is_known)
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// A sentence.
    pub(super) async fn hash(&self, password: &str) -> Result<Box<str>, String> {
        let (settings, password) = (self.settings.clone(), password.to_owned());
        let made = self.beside(move || hash(&settings, &password)).await?;
        made.map_err(|error| error.to_string())
    }

    async fn beside<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, String> {
        let place = self.places.clone().acquire_owned().await;
        let place = place.map_err(|error: AcquireError| error.to_string())?;
        // The place is taken until the hash is done, also if nobody waits for it any more.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(place);
            result
        });
        done.await.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cheap() -> PasswordSettings {
        PasswordSettings {
            memory_kib: 8,
            passes: 1,
            hashing_max: 1,
            ..PasswordSettings::default()
        }
    }

    #[test]
    fn hash_is_that_of_one_password() {
        let settings = cheap();
        let made = hash(&settings, "open sesame").unwrap();
        assert!(made.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{made}");
        assert!(is_password("open sesame", &made));
        assert!(!is_password("open sesam", &made));
        assert!(!is_password("", &made) && !is_password("", ""));
        assert_ne!(hash(&settings, "open sesame").unwrap(), made, "the salt");
    }

    #[test]
    fn new_password_has_limits() {
        let settings = cheap();
        for (password, is_good) in [
            ("1234567".to_owned(), false),
            ("12345678".to_owned(), true),
            ("üüüüüüüü".to_owned(), true),
            ("x".repeat(PASSWORD_BYTES_MAX), true),
            ("x".repeat(PASSWORD_BYTES_MAX + 1), false),
        ] {
            assert_eq!(fault(&settings, &password).is_none(), is_good);
        }
    }

    #[tokio::test]
    async fn unknown_user_is_hashed_with_the_same_numbers_and_refused() {
        let hasher = Hasher::new(&cheap()).unwrap();
        let known = hasher.hash("open sesame").await.unwrap();
        let numbers = |hash: &str| hash.rsplitn(3, '$').nth(2).map(str::to_owned);
        assert_eq!(numbers(&known), numbers(&hasher.nobody));
        assert_eq!(
            hasher.verify("open sesame", Some(known.clone())).await,
            Ok(true)
        );
        assert_eq!(hasher.verify("wrong", Some(known)).await, Ok(false));
        // The empty password is right for the hash of nobody.
        assert_eq!(hasher.verify("", None).await, Ok(false));
    }
}
