//! Guests: users that the portal makes up, and that only the holder of a signed token
//! can come back as.
//!
//! A token is `PAYLOAD.CODE`, both in base64 for URLs: the payload is the Unix second
//! at which the token was issued (8 bytes, big-endian) and the user's id, the code is
//! HMAC-SHA256 of both.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::portal::checker::{Identity, Refusal, Verdict};
use crate::portal::claim::Claim;
use crate::portal::key::Key;
use crate::portal::settings::PortalSettings;
use turntable_core::id::UserId;
use turntable_core::packet::Reason;

/// What the codes of these tokens are made over, so that none of another kind passes.
const KIND: &[u8] = b"turntable guest 1";

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 512;

/// The random bytes of a guest's name.
const NAME_BYTES: usize = 16;

pub(super) const SECONDS_OF_DAY: u64 = 86_400;

/// Issues guests and knows them again.
#[derive(Debug)]
pub(super) struct Guests {
    realm: Box<str>,
    lifetime_s: u64,
    key: Key,
    previous: Option<Key>,
    /// The Unix second from which on the previous key counts no more.
    previous_until_s: u64,
}

impl Guests {
    /// With the keys of the files that the settings name; `start_key` is used where
    /// there is none.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub(super) fn new(settings: &PortalSettings, start_key: &Key) -> anyhow::Result<Self> {
        anyhow::ensure!(
            settings.guest_previous_key_file.is_empty() || settings.guest_previous_until > 0,
            "portal.guest_previous_key_file needs portal.guest_previous_until, the Unix second \
             from which on it is not accepted"
        );
        let read = |path: &String| match path.is_empty() {
            true => Ok(None),
            false => Key::read(path).map(Some),
        };
        Ok(Self {
            realm: settings.guest_realm.as_str().into(),
            lifetime_s: settings.guest_days * SECONDS_OF_DAY,
            key: read(&settings.guest_key_file)?.unwrap_or_else(|| start_key.clone()),
            previous: read(&settings.guest_previous_key_file)?,
            previous_until_s: settings.guest_previous_until,
        })
    }

    /// Whether this user is a guest.
    pub(super) fn is_guest(&self, user: &UserId) -> bool {
        user.realm() == &*self.realm
    }

    /// Whether this user may be a guest of this or of another realm, by the form of its
    /// name: tokens of the realms before are good, too.
    pub(super) fn may_be_guest(&self, user: &UserId) -> bool {
        let name = user.as_str().rsplit(':').next().unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(name);
        self.is_guest(user) || bytes.is_ok_and(|bytes| bytes.len() == NAME_BYTES)
    }

    /// The verdict on a claim: `{"guest": true}` issues one, `{"token": T}` brings one
    /// back, with a new token. Those that were issued until `over_s` have expired, however
    /// long tokens are good now.
    pub(super) fn check(&self, claim: &Claim, now_ms: u64, over_s: u64) -> Verdict {
        let now_s = now_ms / 1_000;
        if claim.user().is_none() && claim.value("guest") == Some(&true.into()) {
            return match self.issue() {
                Ok(user) => self.accept(user, now_s),
                Err(error) => Verdict::Fail(error.to_string()),
            };
        }
        let Some(token) = claim.text("token") else {
            return Verdict::Pass;
        };
        // A token of another kind is another checker's.
        let Some((user, issued_s)) = self.read(token, now_s) else {
            return Verdict::Pass;
        };
        if !claim.may_be(&user) {
            return Verdict::invalid();
        }
        if issued_s <= over_s || issued_s.saturating_add(self.lifetime_s) <= now_s {
            return Verdict::Refuse(Refusal::new(Reason::Expired));
        }
        self.accept(user, now_s)
    }

    fn accept(&self, user: UserId, now_s: u64) -> Verdict {
        let token = self.sign(&user, now_s);
        Verdict::Accept(Identity {
            token: Some(token.into()),
            ..Identity::new(user)
        })
    }

    fn issue(&self) -> anyhow::Result<UserId> {
        let mut bits = [0; NAME_BYTES];
        getrandom::fill(&mut bits).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
        let name = URL_SAFE_NO_PAD.encode(bits);
        Ok(UserId::parse(&format!("{}:{name}", self.realm))?)
    }

    fn sign(&self, user: &UserId, now_s: u64) -> String {
        let mut payload = now_s.to_be_bytes().to_vec();
        payload.extend_from_slice(user.as_str().as_bytes());
        let code = self.key.code(&[KIND, &payload]);
        let (payload, code) = (
            URL_SAFE_NO_PAD.encode(payload),
            URL_SAFE_NO_PAD.encode(code),
        );
        format!("{payload}.{code}")
    }

    /// The guest of a token that was signed here, and when it was issued.
    fn read(&self, token: &str, now_s: u64) -> Option<(UserId, u64)> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (payload, code) = token.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let code = URL_SAFE_NO_PAD.decode(code).ok()?;
        let previous = self.previous.iter();
        let mut keys = previous
            .filter(|_| now_s < self.previous_until_s)
            .chain([&self.key]);
        if !keys.any(|key| key.is_code(&[KIND, &payload], &code)) {
            return None;
        }
        let (issued, user) = payload.split_first_chunk::<8>()?;
        let user = UserId::parse(std::str::from_utf8(user).ok()?).ok()?;
        Some((user, u64::from_be_bytes(*issued)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use turntable_core::payload::Payload;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn guests(key: &Key, previous: Option<&Key>) -> Guests {
        let mut guests = Guests::new(&PortalSettings::default(), key).unwrap();
        guests.previous = previous.cloned();
        guests.previous_until_s = NOW_MS / 1_000 + 60;
        guests
    }

    fn claim(user: Option<&str>, credentials: &str) -> Claim {
        let user = user.map(|user| UserId::parse(user).unwrap());
        Claim::new(user, Some(&Payload::from_json(credentials)), None)
    }

    fn issued(guests: &Guests) -> (UserId, Box<str>) {
        match guests.check(&claim(None, r#"{"guest":true}"#), NOW_MS, 0) {
            Verdict::Accept(Identity { user, token, .. }) => (user, token.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn with_token(token: &str) -> Claim {
        claim(None, &format!(r#"{{"token":{token:?}}}"#))
    }

    #[test]
    fn guest_comes_back_with_its_token_alone() {
        let guests = guests(&Key::random().unwrap(), None);
        let (user, token) = issued(&guests);
        assert!(guests.is_guest(&user));
        assert_ne!(issued(&guests).0, user);
        let again = guests.check(&with_token(&token), NOW_MS, 0);
        assert!(matches!(again, Verdict::Accept(known) if known.user == user));
        let other = claim(Some("guest:x"), &format!(r#"{{"token":{token:?}}}"#));
        assert_eq!(guests.check(&other, NOW_MS, 0), Verdict::invalid());
        assert_eq!(guests.check(&with_token("x.y"), NOW_MS, 0), Verdict::Pass);
        assert_eq!(
            guests.check(&claim(Some(user.as_str()), "{}"), NOW_MS, 0),
            Verdict::Pass
        );
    }

    #[test]
    fn changed_token_is_no_token() {
        let guests = guests(&Key::random().unwrap(), None);
        let (_, token) = issued(&guests);
        for at in 0..token.len() {
            let mut changed = token.to_string().into_bytes();
            let byte = changed.get_mut(at).unwrap();
            *byte = if *byte == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let verdict = guests.check(&with_token(&changed), NOW_MS, 0);
            assert_eq!(verdict, Verdict::Pass, "{at}");
        }
    }

    #[test]
    fn token_of_the_previous_key_passes_and_is_signed_anew() {
        let (old, new) = (Key::random().unwrap(), Key::random().unwrap());
        let (user, token) = issued(&guests(&old, None));
        let rotated = guests(&new, Some(&old));
        let Verdict::Accept(again) = rotated.check(&with_token(&token), NOW_MS, 0) else {
            panic!("accepted");
        };
        assert_eq!(again.user, user);
        let end = rotated.check(&with_token(&token), NOW_MS + 60_000, 0);
        assert_eq!(end, Verdict::Pass);
        let next = with_token(&again.token.unwrap());
        let alone = guests(&new, None);
        assert!(matches!(alone.check(&next, NOW_MS, 0), Verdict::Accept(_)));
        assert_eq!(alone.check(&with_token(&token), NOW_MS, 0), Verdict::Pass);
    }

    #[test]
    fn token_expires() {
        let guests = guests(&Key::random().unwrap(), None);
        let token = with_token(&issued(&guests).1);
        let days = |days: u64| NOW_MS + days * SECONDS_OF_DAY * 1_000;
        assert!(matches!(
            guests.check(&token, days(364), 0),
            Verdict::Accept(_)
        ));
        let expired = Verdict::Refuse(Refusal::new(Reason::Expired));
        assert_eq!(guests.check(&token, days(365), 0), expired);
    }

    #[test]
    fn tokens_that_were_over_once_are_over_for_ever() {
        let guests = guests(&Key::random().unwrap(), None);
        let token = with_token(&issued(&guests).1);
        let now_s = NOW_MS / 1_000;
        let good = guests.check(&token, NOW_MS, now_s - 1);
        assert!(matches!(good, Verdict::Accept(_)));
        let expired = Verdict::Refuse(Refusal::new(Reason::Expired));
        assert_eq!(guests.check(&token, NOW_MS, now_s), expired);
    }

    #[test]
    fn guest_of_another_realm_is_known_by_its_name() {
        let guests = guests(&Key::random().unwrap(), None);
        let (user, _) = issued(&guests);
        let (_, name) = user.as_str().split_once(':').unwrap();
        let other = UserId::parse(&format!("visitor:{name}")).unwrap();
        assert!(guests.may_be_guest(&user) && guests.may_be_guest(&other));
        assert!(!guests.is_guest(&other));
        assert!(!guests.may_be_guest(&UserId::parse("1:mel").unwrap()));
    }
}
