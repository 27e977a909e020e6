//! Checks of the addresses of your backend, and of what is sent there.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use super::check::Conflict;
use super::{Config, admission};
use crate::clock;
use crate::http::certificate;
use crate::http::settings::TlsSettings;
use crate::http_client::endpoint::Endpoint;
use crate::webhook::settings::read_secret;
use turntable_core::model::pattern::Pattern;
use turntable_core::model::settings::WatchPolicy;

/// Finds addresses that are no URLs, and what is missing beside them.
pub(super) fn check(config: &Config, found: &mut Vec<Conflict>) {
    let (presence, avatar, webhooks) = (&config.presence, &config.avatar, &config.webhooks);
    let mut refuse = |key: &str, message: String| found.push(Conflict::new(&[key], message));
    for (section, settings) in certificates(config) {
        if let Some((key, message)) = settings.conflict() {
            refuse(&format!("{section}.{key}"), message.to_owned());
        }
    }
    for (key, url) in [
        ("presence.watch_url", &presence.watch_url),
        ("avatar.url", &avatar.url),
        ("webhooks.url", &webhooks.url),
    ] {
        if !url.is_empty()
            && let Err(fault) = Endpoint::parse(url)
        {
            refuse(key, fault);
        }
    }
    if presence.watch == WatchPolicy::Backend && presence.watch_url.is_empty() {
        let message = "presence.watch = \"backend\" needs presence.watch_url";
        refuse("presence.watch", message.to_owned());
    }
    for text in &avatar.services {
        if let Err(accepted) = Pattern::of_functions(text) {
            let message = format!("{text:?} is no pattern of functions; {accepted}");
            refuse("avatar.services", message);
        }
    }
    if !webhooks.url.is_empty() && webhooks.secret.is_empty() {
        let message = "webhooks.url needs webhooks.secret, which signs the events";
        refuse("webhooks.secret", message.to_owned());
    }
    for (key, secret) in [
        ("webhooks.secret", &webhooks.secret),
        ("webhooks.previous_secret", &webhooks.previous_secret),
    ] {
        if !secret.is_empty()
            && let Err(accepted) = read_secret(secret)
        {
            refuse(key, format!("it is no secret; {accepted}"));
        }
    }
}

/// Warnings about a configuration that is valid: addresses of your backends where what is
/// sent to them can be read and changed on its way, and who comes in.
#[must_use]
pub fn warnings(config: &Config) -> Vec<String> {
    let (portal, jwt) = (&config.portal, &config.portal.jwt);
    let services = config.services.iter();
    let services = services.map(|(name, service)| (format!("services.{name}.url"), &service.url));
    let others = [
        ("portal.http.url", &portal.http.url),
        ("portal.jwt.jwks_url", &jwt.jwks_url),
        ("presence.watch_url", &config.presence.watch_url),
        ("avatar.url", &config.avatar.url),
        ("webhooks.url", &config.webhooks.url),
    ];
    let others = others.map(|(key, url)| (key.to_owned(), url));
    let warning = |(key, url): (String, &String)| {
        let endpoint = Endpoint::parse(url).ok()?;
        endpoint.is_exposed().then(|| {
            format!(
                "{key} = {endpoint} is plain HTTP to another machine: what is sent can be read \
                 and changed on its way; use https"
            )
        })
    };
    let exposed = services.chain(others).filter_map(warning);
    let now_s = i64::try_from(clock::now_ms() / 1_000).unwrap_or(i64::MAX);
    let certificates = certificate::warnings(&certificates(config), now_s);
    let all = exposed.chain(admission::warnings(config));
    all.chain(certificates).collect()
}

/// The files of certificates, by the names of their sections.
fn certificates(config: &Config) -> [(&'static str, &TlsSettings); 2] {
    [
        ("server.tls", &config.server.tls),
        ("management.tls", &config.management.tls),
    ]
}

/// What is wrong with the files of certificates, a line each.
#[must_use]
pub fn certificate_problems(config: &Config) -> Vec<String> {
    certificate::problems(&certificates(config))
}

/// The warnings that were written.
#[derive(Debug, Default)]
pub struct Warned(Mutex<BTreeSet<String>>);

impl Warned {
    /// The warnings about a configuration that is in force now, without those about the one
    /// before.
    #[must_use]
    pub fn news(&self, config: &Config) -> Vec<String> {
        let now: BTreeSet<String> = warnings(config).into_iter().collect();
        let before = std::mem::replace(&mut *self.0.lock(), now.clone());
        now.difference(&before).cloned().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Warned, warnings};
    use crate::config::load;
    use crate::config::testing::problems;

    #[test]
    fn plain_http_to_another_machine_is_warned_of() {
        let keys = |host: &str| {
            let text = format!(
                "[portal]\nhttp.url = \"{host}/login\"\njwt.jwks_url = \"{host}/keys\"\n\
                 [presence]\nwatch_url = \"{host}/watch\"\n\
                 [avatar]\nurl = \"{host}/avatar?key=geheim\"\n\
                 [webhooks]\nurl = \"{host}/hook\"\n\
                 secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
                 [services.forum]\nurl = \"{host}/forum\"\nfunctions = [\"f\"]\n\
                 [services.chat]\nurl = \"{host}\"\nprotocol = \"socket.io\"\n\
                 functions = [\"f\"]\n"
            );
            let composed = load::compose(Some(("c.toml", &text)), &[], &|_| unreachable!());
            warnings(&composed.unwrap())
        };
        let found = keys("http://10.0.0.7:9000");
        assert_eq!(found.len(), 7, "{found:?}");
        for key in [
            "services.chat.url",
            "services.forum.url",
            "portal.http.url",
            "portal.jwt.jwks_url",
            "presence.watch_url",
            "avatar.url",
            "webhooks.url",
        ] {
            assert!(found.iter().any(|text| text.starts_with(key)), "{key}");
        }
        assert!(!found.concat().contains("geheim"), "{found:?}");
        for safe in ["http://127.0.0.1:9000", "http://[::1]", "https://a.example"] {
            assert_eq!(keys(safe), [""; 0], "{safe}");
        }
    }

    #[test]
    fn another_configuration_is_warned_of_where_it_differs() {
        let warned = Warned::default();
        let news = |text: &str| {
            let composed = load::compose(Some(("c.toml", text)), &[], &|_| unreachable!());
            warned.news(&composed.unwrap()).len()
        };
        let avatar = "[avatar]\nurl = \"http://10.0.0.7/avatar\"\n";
        let both = format!("{avatar}[portal]\nhttp.url = \"http://10.0.0.7/login\"\n");
        assert_eq!(news(avatar), 1);
        assert_eq!(news(avatar), 0);
        assert_eq!(news(&both), 1);
        assert_eq!(news(""), 0);
        assert_eq!(news(&both), 2);
    }

    #[test]
    fn addresses_and_secrets_are_checked() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for (text, expected) in [
            ("[presence]\nwatch = \"backend\"", "watch_url"),
            ("[presence]\nwatch = \"friends\"", "mutual"),
            ("[avatar]\nurl = \"backend\"", "URL"),
            ("[avatar]\nservices = [\"a b\"]", "pattern of functions"),
            (
                "[webhooks]\nurl = \"http://127.0.0.1:1/\"",
                "webhooks.secret",
            ),
            ("[webhooks]\nsecret = \"geheim\"", "whsec_"),
            ("[webhooks]\nevents = [\"user.born\"]", "user.online"),
            ("[server.tls]\nkey = \"own.key\"", "file of its certificate"),
            (
                "[management.tls]\ncertificate = \"own.pem\"",
                "file of its key",
            ),
        ] {
            let found = problems(text);
            assert!(found.contains(expected), "{text}: {found}");
        }
        let valid = format!(
            "[webhooks]\nurl = \"https://a.example/hook\"\nsecret = \"{secret}\"\n\
             events = [\"user.online\"]\n[avatar.attributes]\nname = \"New\"\nscore = 0\n"
        );
        assert_eq!(problems(&valid), "");
    }
}
