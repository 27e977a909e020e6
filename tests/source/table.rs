//! Tables that exist in more than one place are equal: close and error codes in
//! server, client and documents, the numbers of commands, the list of metrics, and
//! the tests that documents name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use turntable::config::{Config, key};
use turntable::metric::{Label, Metrics, Worker};
use turntable_core::key::WorkerId;
use turntable_core::limit::Limit;
use turntable_core::model::game::GameSettings;
use turntable_core::model::namespace::NamespaceSettings;
use turntable_core::model::service::ServiceSettings;
use turntable_core::packet::ClientPacket;
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_testkit::workspace::root;

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The part of `text` between `start` and `end`.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("{start:?} is missing"));
    rest.split_once(end).map_or(rest, |(part, _)| part)
}

/// The cells of each row of the table after a heading, without its header.
fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let section = between(document, heading, "\n#");
    section
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

#[derive(Debug, PartialEq)]
struct Close {
    code: u16,
    name: String,
    reconnect: bool,
    resume: bool,
}

fn server_closes() -> Vec<Close> {
    let close = |reason: CloseReason| {
        let row = reason.row();
        Close {
            code: row.code,
            name: row.name.to_owned(),
            reconnect: row.reconnect,
            resume: row.resume,
        }
    };
    CloseReason::ALL.into_iter().map(close).collect()
}

fn server_errors() -> Vec<&'static str> {
    ErrorCode::ALL.iter().map(|code| code.name()).collect()
}

/// The value of `name: value` in a JavaScript object on one line.
fn property<'t>(line: &'t str, name: &str) -> &'t str {
    between(line, &format!("{name}: "), ",").trim_matches([' ', '"'])
}

#[test]
fn client_library_has_server_close_codes() {
    let source = read("static/turntable/codes.js");
    let table = between(&source, "CLOSE_CODES = {", "\n};");
    let of = |line: &str| Close {
        code: line.split(':').next().unwrap().trim().parse().unwrap(),
        name: property(line, "name").to_owned(),
        reconnect: property(line, "reconnect").parse().unwrap(),
        resume: property(line, "resume").parse().unwrap(),
    };
    let closes: Vec<Close> = table.trim().lines().map(of).collect();
    assert_eq!(closes, server_closes());
}

#[test]
fn client_library_has_server_error_codes() {
    let source = read("static/turntable/codes.js");
    let table = between(&source, "ERROR_CODES = {", "\n};");
    let names: Vec<&str> = table
        .trim()
        .lines()
        .map(|line| line.split(':').next().unwrap().trim())
        .collect();
    assert_eq!(names, server_errors());
}

#[test]
fn protocol_page_has_server_close_codes() {
    let flag = |cell: &str| match cell {
        "yes" => true,
        "no" => false,
        other => panic!("{other:?} is neither yes nor no"),
    };
    let closes: Vec<Close> = rows(&read("docs/protocol.md"), "### 2.4 Close codes")
        .iter()
        .map(|cells| {
            assert_eq!(cells.len(), 5, "{cells:?}");
            assert!(!cells[4].is_empty(), "{cells:?} has no description");
            Close {
                code: cells[0].parse().unwrap(),
                name: cells[1].clone(),
                reconnect: flag(&cells[2]),
                resume: flag(&cells[3]),
            }
        })
        .collect();
    assert_eq!(closes, server_closes());
}

#[test]
fn protocol_page_has_server_error_codes() {
    let table = rows(&read("docs/protocol.md"), "### 2.3 Error codes");
    assert!(
        table
            .iter()
            .all(|cells| cells.len() == 2 && !cells[1].is_empty())
    );
    let names: Vec<&str> = table.iter().map(|cells| cells[0].as_str()).collect();
    assert_eq!(names, server_errors());
}

#[test]
fn protocol_page_lists_every_command_with_number() {
    let commands: Vec<(String, u8)> = rows(&read("docs/protocol.md"), "### 2.1 Client to server")
        .iter()
        .map(|cells| (cells[1].clone(), cells[0].parse().unwrap()))
        .collect();
    let known: Vec<(String, u8)> = ClientPacket::COMMANDS
        .iter()
        .map(|(name, number)| ((*name).to_owned(), *number))
        .collect();
    assert_eq!(commands, known);
}

/// Every metric with its type, as the server reports it.
pub(crate) fn server_metrics() -> BTreeSet<(String, String)> {
    let metrics = Metrics::default();
    let label = Label { name: "any" };
    metrics.refuse("origin");
    metrics.reach("room.rooms_max");
    metrics.close(CloseReason::Bye);
    metrics.error(ErrorCode::Internal, Some(Limit::Flood));
    metrics.commands.get_or_create(&label).inc();
    metrics.webhooks.get_or_create(&label).inc();
    metrics.count_reload("applied");
    metrics.count_restored(1, 1);
    metrics.fail_handshake("server", label.name);
    metrics.certificate("server").set(1);
    metrics.refused_certificate("server").set(1);
    metrics.actors(label.name).inc();
    let worker = Worker { worker: 0 };
    for lag in [&metrics.call_lag, &metrics.delivery_lag, &metrics.tick_late] {
        lag.of(&worker).observe(1.0);
    }
    metrics.sent.get_or_create(&label).inc();
    let service = metrics.service(label.name);
    service.duration.observe(1.0);
    service.calls.inc();
    service.fail(ErrorCode::Timeout);
    metrics.connections_of(label.name).inc();
    metrics.waiting(WorkerId(0)).inc();
    metrics.answers(WorkerId(0)).inc();
    metrics.silent(WorkerId(0)).inc();
    let (calls, deliveries) = metrics.mailboxes(WorkerId(0));
    calls.inc();
    deliveries.inc();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
    let label_of = |name: &str| {
        // A histogram has its number without the label of the buckets.
        let is_of = |line: &&str| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            rest.strip_prefix("_count").unwrap_or(rest).starts_with('{')
        };
        let line = text.lines().find(is_of);
        line.map_or(String::new(), |line| {
            format!("{{{}}}", between(line, "{", "="))
        })
    };
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| {
            let end = if kind == "counter" { "_total" } else { "" };
            let name = format!("{name}{end}");
            (format!("{name}{}", label_of(&name)), kind.to_owned())
        })
        .collect()
}

#[test]
fn metrics_page_lists_every_metric() {
    let listed: BTreeSet<(String, String)> = rows(&read("docs/metrics.md"), "# Metrics")
        .into_iter()
        .map(|cells| (cells[0].clone(), cells[1].clone()))
        .collect();
    assert_eq!(listed, server_metrics());
}

#[test]
fn metrics_page_lists_every_reason_of_a_refusal() {
    let metrics = Metrics::begun();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
    let metric = "turntable_handshakes_refused_total{name";
    let rows = rows(&read("docs/metrics.md"), "# Metrics");
    let row = rows.iter().find(|cells| cells[0].starts_with(metric));
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let listed: BTreeSet<&str> = row.unwrap()[2].split(|c| !is_name(c)).collect();
    let series = text.lines().filter_map(|line| line.strip_prefix(metric));
    let names: Vec<&str> = series.map(|rest| between(rest, "\"", "\"")).collect();
    assert!(names.contains(&"origin"));
    for name in names {
        assert!(listed.contains(name), "{name}");
    }
}

#[test]
fn limits_are_named_after_keys_of_the_configuration() {
    let shipped = read("config.toml");
    let table: toml::Table = shipped.parse().unwrap();
    let whole = toml::Value::Table(table.clone());
    for limit in Limit::ALL {
        let key = limit.key();
        let of_namespace = key.strip_prefix("channels.PATTERN.");
        let of_entry = key
            .strip_prefix("games.NAME.")
            .or_else(|| key.strip_prefix("services.NAME."));
        let is_key = match (of_entry, of_namespace) {
            (Some(key), _) => shipped.contains(&format!("\n# {key} = ")),
            (_, Some(key)) => table["channels"]["**"].get(key).is_some(),
            (None, None) => {
                let names = key.split('.');
                let whole = Some(&whole);
                names.fold(whole, |table, name| table?.get(name)).is_some()
            }
        };
        assert!(is_key, "{key}");
    }
}

/// File and name of each test that a document names as `file::name`.
fn tests_named(text: &str) -> Vec<(String, String)> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_once("::"))
        .map(|(file, name)| (file.to_owned(), name.to_owned()))
        .collect()
}

#[test]
fn promises_name_existing_tests() {
    for (heading, letter, numbers) in [
        ("## Seed 003", 'D', 1..=30),
        ("## Seed 001", 'B', 1..=24),
        ("## Seed 000", 'A', 29..=32),
    ] {
        let table = rows(&read("docs/promises.md"), heading);
        let promised: Vec<String> = numbers.map(|n| format!("{letter}{n}")).collect();
        let listed: Vec<&String> = table.iter().map(|cells| &cells[0]).collect();
        assert_eq!(listed, promised.iter().collect::<Vec<_>>());
    }

    let page = read("docs/promises.md");
    let (promised, missing) = page.split_once("\nNot in this version:\n").unwrap();
    for (letter, numbers) in [('A', 1..=35), ('C', 1..=23)] {
        for promise in numbers.map(|n| format!("{letter}{n}")) {
            let row = promised
                .lines()
                .find(|line| line.starts_with(&format!("| {promise} |")));
            let names_it = |word: &str| word == promise;
            let is_missing = missing.split(|c: char| !c.is_alphanumeric()).any(names_it);
            assert_eq!(
                row.is_none(),
                is_missing,
                "{promise} is promised, or it is missing"
            );
            let has_test = |row: &str| row.contains("::") || row.contains(".test.mjs`");
            assert!(row.is_none_or(has_test), "{promise} names no test");
        }
    }
    expect_tests("docs/promises.md", 150);
    expect_scripts(&page);
}

/// The tests in JavaScript that a document names by their file have to be there.
fn expect_scripts(document: &str) {
    let quoted = document.split('`').skip(1).step_by(2);
    for file in quoted.filter(|quoted| quoted.ends_with(".test.mjs")) {
        assert!(
            root().join("tests").join(file).is_file(),
            "there is no {file}"
        );
    }
}

#[test]
fn conformance_page_names_existing_tests() {
    expect_tests("docs/conformance.md", 12);
}

/// Every test that the document names must exist, and it must name this many.
fn expect_tests(document: &str, min: usize) {
    let named = tests_named(&read(document));
    assert!(named.len() >= min, "{} tests: {named:?}", named.len());
    for (file, name) in named {
        let folder = if file.starts_with("src/") || file.starts_with("crates/") {
            ""
        } else {
            "tests/"
        };
        let source = read(&format!("{folder}{file}.rs"));
        let exists = source.contains(&format!("fn {name}()"));
        assert!(exists, "{document} names {file}::{name}");
    }
}

/// The begins of the sections of the generated tables whose values are examples.
const EXAMPLES: [&str; 3] = ["roles.NAME", "attributes.schema.NAME", "tunnel.formats."];

/// The server's defaults of the sections that stand for many, by their names in the tables.
fn defaults_of_entries() -> BTreeMap<&'static str, toml::Value> {
    let value = |of: Result<toml::Value, _>| of.unwrap();
    let room = Config::default().room;
    let game = GameSettings {
        // Without them those of the room count, and no schema.
        members_max: Some(room.members_max),
        seat_ms: Some(room.seat_ms),
        schema: Some(PathBuf::new()),
        ..GameSettings::default()
    };
    BTreeMap::from([
        ("games.NAME", value(toml::Value::try_from(game))),
        (
            "services.NAME",
            value(toml::Value::try_from(ServiceSettings::default())),
        ),
        (
            "channels.\"PATTERN\"",
            value(toml::Value::try_from(NamespaceSettings::default())),
        ),
    ])
}

#[test]
fn defaults_in_the_tables_of_keys_are_the_servers() {
    let page = read("docs/configuration.md");
    let whole = toml::Value::try_from(Config::default()).unwrap();
    let entries = defaults_of_entries();
    let mut found = BTreeSet::new();
    let (mut section, mut is_skipped, mut count) = (Vec::new(), true, 0);
    let mut of = &whole;
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("### `[") {
            let name = name.trim_end_matches("]`");
            is_skipped = EXAMPLES.iter().any(|begin| name.starts_with(begin));
            (section, of) = match entries.get_key_value(name) {
                Some((name, entry)) => {
                    found.insert(*name);
                    (Vec::new(), entry)
                }
                None => (key::split(name).unwrap(), &whole),
            };
        } else if line.starts_with("## ") {
            is_skipped = true;
        } else if let Some(row) = line.strip_prefix("| `").filter(|_| !is_skipped) {
            let (name, rest) = row.split_once("` | ").unwrap();
            let shown = rest.split('`').nth(1).unwrap().replace("\\|", "|");
            let shown: toml::Table = format!("value = {shown}").parse().unwrap();
            let mut path = section.iter().map(String::as_str).chain([name]);
            let default = path.try_fold(of, |table, name| table.get(name));
            assert_eq!(default, shown.get("value"), "{section:?} {name}");
            count += 1;
        }
    }
    assert!(count > 150, "{count}");
    assert!(entries.keys().eq(&found), "{found:?}");
}
