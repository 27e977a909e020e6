//! Checks of the entries `[roles.NAME]`, and of what names a role.

use super::Config;
use super::check::Conflict;
use turntable_core::id::is_realm;
use turntable_core::model::audience::Audience;

/// The maximum number of roles.
const ROLES_MAX: usize = 256;

/// The checkers of the portal, and what services identify with.
const SERVICE: &str = "service";

/// Finds names that no role can have, and roles that are named and have no entry.
pub(super) fn check(config: &Config, found: &mut Vec<Conflict>) {
    let mut refuse = |keys: Vec<String>, message: String| found.push(Conflict { keys, message });
    for (name, role) in &config.roles {
        let keys = || vec![format!("roles.{name}"), "roles".to_owned()];
        if !is_realm(name) {
            let message = format!(
                "{name:?} is not the name of a role; accepted is 1 to 32 characters of A-Z, a-z, \
                 0-9, _ and -"
            );
            refuse(keys(), message);
        }
        if let Some(role) = role.watch.roles().next() {
            let mut keys = keys();
            keys.insert(0, format!("roles.{name}.watch"));
            let message = format!(
                "@{role} cannot be named here, as a user that is absent has no role; accepted are \
                 users and realms"
            );
            refuse(keys, message);
        }
    }
    if config.roles.len() > ROLES_MAX {
        let message = format!("at most {ROLES_MAX} roles are accepted");
        refuse(vec!["roles".to_owned()], message);
    }
    let is_known = |role: &str| role != "default" && config.roles.contains_key(role);
    let unknown = |role: &str| format!("there is no section [roles.{role}]");
    for (checker, roles) in &config.portal.roles {
        let keys = || vec![format!("portal.roles.{checker}"), "portal.roles".to_owned()];
        if checker != SERVICE && !config.portal.checkers.contains(checker) {
            let message = format!("{checker:?} is not in portal.checkers, and not {SERVICE:?}");
            refuse(keys(), message);
        }
        for role in roles.iter().filter(|role| !is_known(role)) {
            refuse(keys(), unknown(role));
        }
    }
    for (pattern, namespace) in &config.channels {
        for (key, audience) in [("join", &namespace.join), ("publish", &namespace.publish)] {
            for role in Audience::roles(audience).filter(|role| !is_known(role)) {
                let section = format!("channels.{pattern}");
                refuse(vec![format!("{section}.{key}"), section], unknown(role));
            }
        }
    }
    for (name, service) in &config.services {
        let roles = service.callers.iter();
        let roles = roles.filter_map(|caller| caller.strip_prefix('@'));
        for role in roles.filter(|role| !is_known(role)) {
            let section = format!("services.{name}");
            refuse(vec![format!("{section}.callers"), section], unknown(role));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::config::load;
    use crate::config::testing::problems;

    #[test]
    fn named_roles_need_an_entry() {
        for (text, expected) in [
            ("[portal.roles]\nguest = [\"visitor\"]", "[roles.visitor]"),
            ("[portal.roles]\nguest = [\"default\"]", "[roles.default]"),
            ("[portal.roles]\nldap = []", "portal.checkers"),
            ("[channels.a]\njoin = [\"@staff\"]", "[roles.staff]"),
            ("[services.a]\ncallers = [\"@staff\"]", "[roles.staff]"),
            ("[roles.\"a b\"]", "a b"),
            ("[roles.a]\nwatch = [\"@a\"]", "@a"),
            ("[roles.a]\ngames = [\"a//b\"]", "a//b"),
            ("[roles.a]\nservices = [\"a:b c\"]", "pattern of functions"),
            ("[roles.a]\nchannel = []", "channel"),
        ] {
            let found = problems(text);
            assert!(found.contains(expected), "{text}: {found}");
        }
        let valid = "[roles.staff]\nservices = [\"forum\", \"chat:*\"]\nwatch = [\"1:*\"]\n\
                     channels.join = [\"**\"]\n[channels.a]\njoin = [\"@staff\"]\n\
                     [portal.roles]\nguest = [\"staff\"]\nservice = [\"staff\"]";
        assert_eq!(problems(valid), "");
    }

    #[test]
    fn default_role_begins_with_everything() {
        let text = "[roles.default]\ngames = [\"four\"]\nattributes.set = [\"name\"]";
        let config = load::compose(Some(("c.toml", text)), &[], &|_| unreachable!()).unwrap();
        let default = config.roles.get("default").unwrap();
        assert_eq!(default.games.len(), 1);
        let everything = turntable_core::model::permission::RoleSettings::everything();
        assert_eq!(default.services, everything.services);
        assert_eq!(default.attributes.set.len(), 1);
        assert_eq!(default.attributes.get, everything.attributes.get);
    }
}
