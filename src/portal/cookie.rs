//! `cookie`: a login of your own site, as a cookie that your backend signs.
//!
//! The value is `USER.EXPIRES.CODE`: the user in base64 for URLs, the Unix second at
//! which the cookie expires, and HMAC-SHA256 in base64 for URLs over
//! `turntable cookie 1.USER.EXPIRES`. The server signs it anew when half of its time is
//! over, or the key is the previous one, in the answer to the request that brought it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::portal::checker::{Identity, Refusal, Verdict};
use crate::portal::claim::Claim;
use crate::portal::key::Key;
use crate::portal::refusal::RefusalLog;
use crate::portal::settings::CookieSettings;
use turntable_core::id::UserId;
use turntable_core::packet::Reason;

/// The name of the checker.
pub(super) const NAME: &str = "cookie";

/// What the codes are made over first, so that none of another kind passes.
const KIND: &str = "turntable cookie 1";

static REFUSED: RefusalLog = RefusalLog::new(NAME);

/// Why a value without its three parts is refused.
const NOT_WHOLE: &str = "it is not USER.EXPIRES.CODE";

/// The longest value that is looked at, in bytes.
const VALUE_BYTES_MAX: usize = 512;

/// Reads and signs the cookies.
#[derive(Debug)]
pub(super) struct Cookies {
    settings: CookieSettings,
    key: Key,
    previous: Option<Key>,
}

/// A cookie whose signature is right.
#[derive(Debug, PartialEq, Eq)]
struct Signed {
    user: UserId,
    expires_s: u64,
    is_previous: bool,
}

impl Cookies {
    /// With the keys of the files that the settings name.
    ///
    /// # Errors
    /// What is missing in the settings, or wrong with a file.
    pub(super) fn new(settings: &CookieSettings) -> anyhow::Result<Self> {
        anyhow::ensure!(
            !settings.key_file.is_empty(),
            "the checker cookie needs portal.cookie.key_file"
        );
        let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        anyhow::ensure!(
            !settings.name.is_empty() && settings.name.chars().all(is_token),
            "portal.cookie.name = {:?} is not the name of a cookie; accepted are letters, digits, - _ .",
            settings.name
        );
        let is_plain = |c: char| c.is_ascii_graphic() && c != ';';
        for (key, value) in [("path", &settings.path), ("domain", &settings.domain)] {
            anyhow::ensure!(
                value.chars().all(is_plain),
                "portal.cookie.{key} = {value:?} has a character that a cookie may not have"
            );
        }
        let has_previous = !settings.previous_key_file.is_empty();
        anyhow::ensure!(
            !has_previous || settings.previous_until > 0,
            "portal.cookie.previous_key_file needs portal.cookie.previous_until, the Unix second \
             from which on it is not accepted"
        );
        let previous = has_previous.then(|| Key::read(&settings.previous_key_file));
        Ok(Self {
            key: Key::read(&settings.key_file)?,
            previous: previous.transpose()?,
            settings: settings.clone(),
        })
    }

    /// The name of the cookie.
    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    /// The verdict on a claim that says `{"cookie": true}`, or none but a user: then the
    /// cookie is a login of that user, or nothing.
    pub(super) fn check(&self, claim: &Claim, now_ms: u64) -> Verdict {
        let is_named = claim.value("cookie") == Some(&true.into());
        if claim.has_credentials() && !is_named {
            return Verdict::Pass;
        }
        let now_s = now_ms / 1_000;
        let signed = match claim.cookie() {
            Some(value) => self.read(value, now_s),
            None => Err("the request has no cookie of the name portal.cookie.name"),
        };
        let (reason, why) = match signed {
            Ok(signed) if !claim.may_be(&signed.user) => (
                Reason::Invalid,
                "it is of another user than the one that the client wants to be",
            ),
            Ok(signed) if signed.expires_s <= now_s => (Reason::Expired, "it has expired"),
            Ok(signed) => return Verdict::Accept(Identity::new(signed.user)),
            Err(why) => (Reason::Invalid, why),
        };
        if !is_named {
            return Verdict::Pass;
        }
        REFUSED.note(why);
        Verdict::Refuse(Refusal::new(reason))
    }

    /// The header `Set-Cookie` that replaces a cookie whose half is over.
    pub(super) fn renew(&self, value: &str, now_ms: u64, is_https: bool) -> Option<String> {
        let now_s = now_ms / 1_000;
        let signed = self.read(value, now_s).ok()?;
        let left_s = signed.expires_s.saturating_sub(now_s);
        let lifetime_s = self.settings.lifetime_s;
        if left_s == 0 || (left_s > lifetime_s / 2 && !signed.is_previous) {
            return None;
        }
        let value = self.sign(&signed.user, now_s + lifetime_s);
        let CookieSettings {
            name, path, domain, ..
        } = &self.settings;
        let domain = match domain.is_empty() {
            true => String::new(),
            false => format!("; Domain={domain}"),
        };
        let secure = if is_https { "; Secure" } else { "" };
        Some(format!(
            "{name}={value}; Path={path}{domain}; Max-Age={lifetime_s}; HttpOnly; SameSite=Lax{secure}"
        ))
    }

    fn sign(&self, user: &UserId, expires_s: u64) -> String {
        let text = format!("{}.{expires_s}", URL_SAFE_NO_PAD.encode(user.as_str()));
        let code = self.key.plain_code(&format!("{KIND}.{text}"));
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(code))
    }

    /// The user of a value, and why there is none, for the log.
    fn read(&self, value: &str, now_s: u64) -> Result<Signed, &'static str> {
        if value.len() > VALUE_BYTES_MAX {
            return Err("it is longer than any");
        }
        let (text, code) = value.rsplit_once('.').ok_or(NOT_WHOLE)?;
        let code = URL_SAFE_NO_PAD.decode(code).map_err(|_| NOT_WHOLE)?;
        let signed = format!("{KIND}.{text}");
        let is_current = self.key.is_plain_code(&signed, &code);
        let mut previous = self.previous.iter();
        let is_previous = !is_current
            && now_s < self.settings.previous_until
            && previous.any(|key| key.is_plain_code(&signed, &code));
        if !is_current && !is_previous {
            return Err("its code is not that of the key");
        }
        let (user, expires_s) = text.split_once('.').ok_or(NOT_WHOLE)?;
        let user = URL_SAFE_NO_PAD.decode(user).map_err(|_| NOT_WHOLE)?;
        let user = String::from_utf8(user).map_err(|_| NOT_WHOLE)?;
        Ok(Signed {
            user: UserId::parse(&user).map_err(|_| "its user is not a user id")?,
            expires_s: expires_s.parse().map_err(|_| NOT_WHOLE)?,
            is_previous,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::payload::Payload;

    const NOW_MS: u64 = 1_700_000_000_000;
    const NOW_S: u64 = NOW_MS / 1_000;

    fn cookies(key: &Key, previous: Option<(&Key, u64)>) -> Cookies {
        Cookies {
            settings: CookieSettings {
                lifetime_s: 1_000,
                previous_until: previous.map_or(0, |(_, until)| until),
                ..CookieSettings::default()
            },
            key: key.clone(),
            previous: previous.map(|(key, _)| key.clone()),
        }
    }

    fn mel() -> UserId {
        UserId::parse("1:mel").unwrap()
    }

    fn check(
        cookies: &Cookies,
        user: Option<&str>,
        credentials: Option<&str>,
        value: &str,
    ) -> Verdict {
        let user = user.map(|user| UserId::parse(user).unwrap());
        let credentials = credentials.map(Payload::from_json);
        let claim = Claim::new(user, credentials.as_ref(), None);
        cookies.check(&claim.with_cookie(Some(value.into())), NOW_MS)
    }

    #[test]
    fn cookie_is_a_login_of_its_user_until_it_expires() {
        let cookies = cookies(&Key::random().unwrap(), None);
        let value = cookies.sign(&mel(), NOW_S + 1);
        let named = Some(r#"{"cookie":true}"#);
        let accepted = Verdict::Accept(Identity::new(mel()));
        assert_eq!(check(&cookies, None, named, &value), accepted);
        assert_eq!(check(&cookies, Some("1:mel"), named, &value), accepted);
        assert_eq!(check(&cookies, Some("1:mel"), None, &value), accepted);
        let over = cookies.sign(&mel(), NOW_S);
        let expired = Verdict::Refuse(Refusal::new(Reason::Expired));
        assert_eq!(check(&cookies, None, named, &over), expired);
        assert_eq!(
            check(&cookies, Some("1:jo"), named, &value),
            Verdict::invalid()
        );
        assert_eq!(check(&cookies, None, named, "x.1.y"), Verdict::invalid());
        // A browser sends a cookie by itself: what was not requested refuses nobody.
        assert_eq!(check(&cookies, Some("1:jo"), None, &value), Verdict::Pass);
        assert_eq!(check(&cookies, Some("1:mel"), None, &over), Verdict::Pass);
        let token = Some(r#"{"token":"t"}"#);
        assert_eq!(check(&cookies, None, token, &value), Verdict::Pass);
    }

    #[test]
    fn changed_cookie_is_no_login() {
        let cookies = cookies(&Key::random().unwrap(), None);
        let value = cookies.sign(&mel(), NOW_S + 9);
        assert!(cookies.read(&value, NOW_S).is_ok());
        for at in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            let byte = changed.get_mut(at).unwrap();
            *byte = if *byte == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(cookies.read(&changed, NOW_S).is_err(), "{at}");
        }
    }

    #[test]
    fn cookie_is_replaced_when_half_of_its_time_is_over() {
        let cookies = cookies(&Key::random().unwrap(), None);
        let left = |left_s| cookies.renew(&cookies.sign(&mel(), NOW_S + left_s), NOW_MS, true);
        assert_eq!(left(501), None);
        let header = left(500).unwrap();
        let (pair, rest) = header.split_once(';').unwrap();
        let value = pair.strip_prefix("turntable_login=").unwrap();
        let signed = cookies.read(value, NOW_S).unwrap();
        assert_eq!((signed.user, signed.expires_s), (mel(), NOW_S + 1_000));
        assert_eq!(
            rest,
            " Path=/; Max-Age=1000; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(left(0), None, "an expired one is not revived");
        assert_eq!(cookies.renew("x.1.y", NOW_MS, true), None);
    }

    #[test]
    fn previous_key_is_replaced_and_ends_in_time() {
        let (old, new) = (Key::random().unwrap(), Key::random().unwrap());
        let value = cookies(&old, None).sign(&mel(), NOW_S + 900);
        let rotated = cookies(&new, Some((&old, NOW_S + 1)));
        assert!(rotated.renew(&value, NOW_MS, false).is_some());
        assert!(rotated.read(&value, NOW_S).is_ok());
        assert!(rotated.read(&value, NOW_S + 1).is_err());
    }
}
