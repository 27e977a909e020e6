//! The keys that take effect with a start of the server, and no earlier.

use super::Config;

/// Each of them, or the section of several.
const KEYS: &[&[&str]] = &[
    &["server", "listen"],
    &["server", "workers"],
    &["server", "static_dir"],
    &["management", "listen"],
    &["tunnel", "formats"],
    &["socketio", "namespaces"],
    &["socketio", "recovery"],
    &["socketio", "conformance"],
    &["presence", "last_seen_max"],
    &["store"],
];

/// Whether a change at `path` needs a restart.
#[must_use]
pub fn is_needed(path: &[String]) -> bool {
    KEYS.iter().any(|key| {
        let names = path.iter().map(String::as_str);
        path.len() >= key.len() && names.zip(*key).all(|(name, of)| name == *of)
    })
}

/// What of `wanted` can be in force at a server that runs with `running`.
#[must_use]
pub fn in_force(wanted: &Config, running: &Config) -> Config {
    let mut config = wanted.clone();
    config.server.listen = running.server.listen;
    config.server.workers = running.server.workers;
    let folder = &running.server.static_dir;
    config.server.static_dir.clone_from(folder);
    config.management.listen = running.management.listen;
    config.tunnel.formats.clone_from(&running.tunnel.formats);
    let namespaces = &running.socketio.namespaces;
    config.socketio.namespaces.clone_from(namespaces);
    config.socketio.recovery = running.socketio.recovery;
    config.socketio.conformance = running.socketio.conformance;
    config.presence.last_seen_max = running.presence.last_seen_max;
    config.store = running.store.clone();
    config
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::diff;
    use crate::config::source::Sources;
    use crate::management::configuration::Change;

    /// Every key that needs a restart, and some that do not.
    const OTHER: &str = r#"
        server.listen = "127.0.0.1:1"
        server.workers = 7
        server.static_dir = "src"
        management.listen = "127.0.0.1:2"
        socketio.namespaces = ["/a"]
        socketio.recovery = RECOVERY
        socketio.conformance = true
        presence.last_seen_max = 3
        presence.watch_max = 3
        server.hosts = ["a.example"]
        [store]
        path = "x"
        write_ms = 1
        [tunnel.formats.lines]
        content_type = "text/plain"
        envelope = "%D"
    "#;

    #[test]
    fn what_is_in_force_differs_by_the_listed_keys_alone() {
        let running = Config::default();
        let recovery = !running.socketio.recovery;
        let file = OTHER.replace("RECOVERY", &recovery.to_string());
        let composed = Sources::of(&file, &[]).compose().unwrap();
        let (wanted, origins) = (composed.config, composed.origins);
        let in_force = in_force(&wanted, &running);
        let waiting = diff::between(&in_force, &wanted, &origins);
        assert!(waiting.iter().all(|change| change.restart), "{waiting:?}");
        for key in KEYS {
            let key = key.join(".");
            let is_of = |change: &Change| change.key.starts_with(&key);
            assert!(waiting.iter().any(is_of), "{key}");
        }
        let live = diff::between(&running, &in_force, &origins);
        let keys: Vec<_> = live.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(keys, ["presence.watch_max", "server.hosts"]);
    }

    #[test]
    fn key_below_a_listed_section_needs_a_restart() {
        let is_needed = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            is_needed(&path)
        };
        assert!(is_needed(&["store", "write_ms"]));
        assert!(is_needed(&["tunnel", "formats", "own", "head"]));
        assert!(!is_needed(&["server", "hosts"]));
        assert!(!is_needed(&["server"]));
    }
}
