//! What an operator should know about who comes in.

use super::Config;

/// Warnings about services that any client can become, and about a server that takes
/// nobody.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let checkers = &config.portal.checkers;
    if checkers.is_empty() {
        return vec!["portal.checkers is empty: no client can identify".to_owned()];
    }
    if !checkers.iter().any(|checker| checker == "anonymous") {
        return Vec::new();
    }
    let services = config.services.iter();
    let open =
        services.filter(|(_, service)| !service.providers.is_empty() && service.token.is_empty());
    let warning = |name: &String| {
        format!(
            "services.{name} has providers and no token, and portal.checkers has \"anonymous\": \
             any client can identify as one of them"
        )
    };
    open.map(|(name, _)| warning(name)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::warnings;
    use crate::config::load;

    #[test]
    fn open_services_and_closed_servers_are_warned_of() {
        let found = |text: &str| {
            let composed = load::compose(Some(("c.toml", text)), &[], &|_| unreachable!());
            warnings(&composed.unwrap())
        };
        let service = "[services.forum]\nproviders = [\"service:forum\"]\n";
        let open = found(service);
        assert_eq!(open.len(), 1, "{open:?}");
        let names_it = |warning: &String| warning.contains("services.forum");
        assert!(open.iter().all(names_it), "{open:?}");
        let none: [String; 0] = [];
        let token = format!("{service}token = \"0123456789abcdef0123456789abcdef\"\n");
        assert_eq!(found(&token), none);
        let guests = format!("[portal]\ncheckers = [\"guest\"]\n{service}");
        assert_eq!(found(&guests), none);
        assert_eq!(found("[portal]\ncheckers = []\n").len(), 1);
    }
}
