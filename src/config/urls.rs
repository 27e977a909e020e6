//! Checks of the addresses of your backend, and of what is sent there.

use super::Config;
use super::check::Conflict;
use crate::http_client::endpoint::Endpoint;
use crate::webhook::settings::read_secret;
use turntable_core::model::pattern::Pattern;
use turntable_core::model::settings::WatchPolicy;

/// Finds addresses that are no URLs, and what is missing beside them.
pub(super) fn check(config: &Config, found: &mut Vec<Conflict>) {
    let (presence, avatar, webhooks) = (&config.presence, &config.avatar, &config.webhooks);
    let mut refuse = |key: &str, message: String| {
        let keys = vec![key.to_owned()];
        found.push(Conflict { keys, message });
    };
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::config::load;

    fn problems(text: &str) -> String {
        let composed = load::compose(Some(("c.toml", text)), &[], &|_| unreachable!());
        composed.map_or_else(|error| error.to_string(), |_| String::new())
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
