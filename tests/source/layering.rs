//! Checks that `src/` and the crates have the layers of docs/architecture.md.
//!
//! The compiler enforces the layers that are crates. These tests enforce the rest:
//! the order of the server's modules, and that the pure crates depend on no
//! sockets, actors or clocks.

use std::fs;
use std::path::{Path, PathBuf};

use turntable_testkit::workspace::root;

/// The modules of `src/` from the top layer to the bottom one. A module may use
/// those below it.
const LAYERS: &[&str] = &[
    "main",
    "lib",
    "app",
    "command",
    "config",
    "management",
    "http",
    "operator",
    "restart",
    "gateway",
    "actor",
    "portal",
    "service",
    "cluster",
    "webhook",
    "store",
    "http_client",
    "metric",
    "watched",
    "log_filter",
    "slow",
    "log_limit",
    "clock",
    "plain_file",
    "memory",
    "visible",
    "opaque",
    "testing",
];

/// Names of transports, which the core of the gateway does not know.
const TRANSPORTS: &[&str] = &[
    "tunnel",
    "websocket",
    "engineio",
    "engine.io",
    "socketio",
    "socket.io",
    "poll",
];

/// Files of the gateway's core that may use such a name, and why.
const NAMING: &[(&str, &[&str])] = &[
    // Encodings have the names of their codecs.
    (
        "delivery/encoding.rs",
        &["tunnel", "websocket", "socketio", "socket.io"],
    ),
    ("delivery/frame.rs", &["websocket", "socketio"]),
    // `mio::Poll`, and what a future does.
    ("mod.rs", &["poll"]),
    ("turn.rs", &["poll"]),
    ("connection/io.rs", &["poll"]),
    ("connection/io/tests.rs", &["poll"]),
    ("connection/io/tests/link.rs", &["poll"]),
    ("connection/lifetime.rs", &["poll"]),
    ("connection/packed.rs", &["poll"]),
];

/// Dependencies that no pure crate may have.
const IMPURE: &[&str] = &["actix", "mio", "tokio", "socket2", "log"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// The modules that a line of code names after `crate::`.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::").skip(1).map(|rest| {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]
    })
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|known| *known == module)
}

#[test]
fn modules_use_only_modules_below_them() {
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let path = file.strip_prefix(&src).unwrap();
        let first = path.iter().next().unwrap().to_str().unwrap();
        let own = first.trim_end_matches(".rs");
        let Some(height) = rank(own) else {
            wrong.push(format!("{own} has no place in LAYERS"));
            continue;
        };
        for (number, line) in fs::read_to_string(file).unwrap().lines().enumerate() {
            assert!(
                !line.contains("use crate::{") && !line.contains("use crate::*"),
                "{}: name the module after crate::",
                path.display()
            );
            let above = named(line).filter(|module| rank(module).is_none_or(|at| at < height));
            for module in above {
                wrong.push(format!("{}:{}: {module}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for layer in LAYERS {
        let is_used = files.iter().any(|file| {
            let path = file.strip_prefix(&src).unwrap();
            path.starts_with(layer) || *path == *PathBuf::from(format!("{layer}.rs"))
        });
        assert!(is_used, "{layer} is in LAYERS and not in src/");
    }
}

fn begins_line(text: &str, at: usize) -> bool {
    text[..at]
        .rsplit('\n')
        .next()
        .is_some_and(|before| before.trim().is_empty())
}

/// Whether the head of an `impl` is of the gateway: its type is the last one before `where`.
fn implements_gateway(head: &str) -> bool {
    let head = head.split("where").next().unwrap_or_default();
    let head = head.split(" for ").last().unwrap_or_default().trim_end();
    head.ends_with("Gateway")
}

#[test]
fn head_of_an_impl_shows_whether_it_is_of_the_gateway() {
    for head in [
        "impl Gateway ",
        "impl<T> Handler<T>\n    for crate::gateway::Gateway\nwhere\n    T: Message,\n",
    ] {
        assert!(implements_gateway(head), "{head}");
    }
    for head in [
        "impl From<Gateway> for Arrival ",
        "impl GatewayId ",
        "implies ",
    ] {
        assert!(!implements_gateway(head), "{head}");
    }
}

#[test]
fn no_transport_implements_anything_for_the_gateway() {
    let folder = root().join("src/gateway/transport");
    let mut files = Vec::new();
    sources(&folder, &mut files);
    assert!(files.len() > 20, "the transports are elsewhere");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (at, _) in text
            .match_indices("impl")
            .filter(|(at, _)| begins_line(&text, *at))
        {
            // It may have several lines, and ends before its block.
            let head = text[at..].split('{').next().unwrap_or_default();
            assert!(!implements_gateway(head), "{}: {head}", file.display());
        }
    }
}

#[test]
fn core_of_the_gateway_names_no_transport() {
    let folder = root().join("src/gateway");
    let mut files = Vec::new();
    sources(&folder, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let path = file.strip_prefix(&folder).unwrap();
        if path.starts_with("transport") {
            continue;
        }
        let path = path.to_str().unwrap();
        let may = NAMING.iter().find(|(naming, _)| *naming == path);
        let may = may.map_or(&[][..], |(_, names)| names);
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let line = line.to_lowercase();
            for name in TRANSPORTS.iter().filter(|name| !may.contains(name)) {
                if line.contains(name) {
                    wrong.push(format!("{path}:{}: {name}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_exception_of_a_name_is_needed() {
    let folder = root().join("src/gateway");
    for (path, names) in NAMING {
        let text = fs::read_to_string(folder.join(path)).expect(path);
        let text = text.to_lowercase();
        for name in *names {
            assert!(TRANSPORTS.contains(name), "{name} is no transport");
            assert!(text.contains(name), "{path} does not name {name}");
        }
    }
}

#[test]
fn pure_crates_depend_on_no_socket_actor_or_log() {
    for name in ["turntable-core", "turntable-wire"] {
        let manifest = root().join("crates").join(name).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        let own = manifest.split("[dev-dependencies]").next().unwrap();
        for line in own.lines() {
            assert!(
                !IMPURE.iter().any(|impure| line.starts_with(impure)),
                "{name}: {line}"
            );
        }
    }
    let mut files = Vec::new();
    for name in ["turntable-core", "turntable-wire"] {
        sources(&root().join("crates").join(name).join("src"), &mut files);
    }
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for clock in ["SystemTime::now", "Instant::now"] {
            assert!(!text.contains(clock), "{}: {clock}", file.display());
        }
    }
}
