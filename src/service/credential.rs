//! The credential of stand-alone services: the `token` in `[services.NAME]`.

use std::collections::BTreeMap;

use serde::Deserialize;

use turntable_core::id::UserId;
use turntable_core::model::service::ServiceSettings;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

#[derive(Deserialize)]
struct Credentials {
    token: String,
}

/// Whether a client may identify as this user; `None` where the user provides no
/// service with a token, and the portal decides.
#[must_use]
pub fn check(
    services: &BTreeMap<String, ServiceSettings>,
    user: &UserId,
    credentials: Option<&Payload>,
) -> Option<Result<(), ErrorBody>> {
    let mut tokens = tokens(services, user).peekable();
    tokens.peek()?;
    let given = credentials.and_then(|c| serde_json::from_str::<Credentials>(c.as_json()).ok());
    let is_known = given.is_some_and(|given| {
        tokens.fold(false, |known, token| {
            known | is_equal(token.as_bytes(), given.token.as_bytes())
        })
    });
    Some(is_known.then_some(()).ok_or_else(|| {
        ErrorBody::new(
            ErrorCode::Unauthorized,
            "this user provides a service; credentials are {\"token\": TOKEN} as in [services.NAME]",
        )
    }))
}

/// Whether a user is a service that identifies with a token.
#[must_use]
pub fn is_service(services: &BTreeMap<String, ServiceSettings>, user: &UserId) -> bool {
    tokens(services, user).next().is_some()
}

/// Whether a user that identified before has credentials that do not count any more: a
/// token of one of its services is gone, or the first one has come.
#[must_use]
pub fn is_withdrawn(
    before: &BTreeMap<String, ServiceSettings>,
    now: &BTreeMap<String, ServiceSettings>,
    user: &UserId,
) -> bool {
    let (before, now): (Vec<_>, Vec<_>) =
        (tokens(before, user).collect(), tokens(now, user).collect());
    before.iter().any(|token| !now.contains(token)) || before.is_empty() && !now.is_empty()
}

/// The tokens of the services that a user may provide.
fn tokens<'a>(
    services: &'a BTreeMap<String, ServiceSettings>,
    user: &UserId,
) -> impl Iterator<Item = &'a String> {
    services
        .values()
        .filter(|service| !service.token.is_empty() && service.may_provide(user))
        .map(|service| &service.token)
}

/// Compares in a time that depends on the lengths alone.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let pairs = one.iter().zip(other);
    let differences = pairs.fold(0, |found, (a, b)| std::hint::black_box(found | (a ^ b)));
    one.len() == other.len() && differences == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn provider_needs_the_token_of_its_service() {
        let forum = ServiceSettings {
            providers: vec!["service:forum".to_owned()],
            token: "secret".to_owned(),
            ..ServiceSettings::default()
        };
        let services = BTreeMap::from([("forum".to_owned(), forum)]);
        let forum = UserId::parse("service:forum").unwrap();
        let check = |credentials: Option<&str>| {
            let credentials = credentials.map(Payload::from_json);
            check(&services, &forum, credentials.as_ref())
                .unwrap()
                .is_ok()
        };
        assert!(check(Some(r#"{"token":"secret"}"#)));
        for wrong in [
            r#"{"token":"secre"}"#,
            r#"{"token":"secret2"}"#,
            r#"{"token":""}"#,
            "{}",
            "1",
        ] {
            assert!(!check(Some(wrong)), "{wrong}");
        }
        assert!(!check(None));
        let other = UserId::parse("1:1").unwrap();
        assert!(super::check(&services, &other, None).is_none());
        assert!(is_service(&services, &forum) && !is_service(&services, &other));
    }

    #[test]
    fn token_that_changes_or_goes_is_withdrawn() {
        let services = |tokens: &[&str]| -> BTreeMap<String, ServiceSettings> {
            let service = |(number, token): (usize, &&str)| {
                let settings = ServiceSettings {
                    providers: vec!["service:forum".to_owned()],
                    token: (*token).to_owned(),
                    ..ServiceSettings::default()
                };
                (number.to_string(), settings)
            };
            tokens.iter().enumerate().map(service).collect()
        };
        let forum = UserId::parse("service:forum").unwrap();
        let other = UserId::parse("1:1").unwrap();
        for (before, now, is_gone) in [
            (&["a"][..], &["a"][..], false),
            (&["a"], &["a", "b"], false),
            (&["a"], &["b"], true),
            (&["a", "b"], &["b"], true),
            (&["a"], &[""], true),
            (&["a"], &[], true),
            (&[""], &["a"], true),
            (&[], &[], false),
        ] {
            let (before_all, now_all) = (services(before), services(now));
            let found = is_withdrawn(&before_all, &now_all, &forum);
            assert_eq!(found, is_gone, "{before:?} {now:?}");
            assert!(!is_withdrawn(&before_all, &now_all, &other));
        }
    }
}
