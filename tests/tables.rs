//! What is written down in more than one place is the same everywhere: the
//! tables of close and error codes in code, client and documents, the numbers
//! of commands, the list of metrics, and the tests that show the promises.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use turntable::metric::{Label, Metrics};
use turntable_core::key::WorkerId;
use turntable_core::packet::ClientPacket;
use turntable_core::reason::{CloseReason, ErrorCode};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands in `text` between two others.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("{start:?} is missing"));
    rest.split_once(end).map_or(rest, |(part, _)| part)
}

/// The cells of each row of the table behind a heading, without its head.
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

fn closes_of_the_server() -> Vec<Close> {
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

fn errors_of_the_server() -> Vec<&'static str> {
    ErrorCode::ALL.iter().map(|code| code.name()).collect()
}

/// The value of `name: value` in a JavaScript object on one line.
fn property<'t>(line: &'t str, name: &str) -> &'t str {
    between(line, &format!("{name}: "), ",").trim_matches([' ', '"'])
}

#[test]
fn the_client_library_has_the_servers_close_codes() {
    let source = read("static/turntable/codes.js");
    let table = between(&source, "CLOSE_CODES = {", "\n};");
    let of = |line: &str| Close {
        code: line.split(':').next().unwrap().trim().parse().unwrap(),
        name: property(line, "name").to_owned(),
        reconnect: property(line, "reconnect").parse().unwrap(),
        resume: property(line, "resume").parse().unwrap(),
    };
    let closes: Vec<Close> = table.trim().lines().map(of).collect();
    assert_eq!(closes, closes_of_the_server());
}

#[test]
fn the_client_library_has_the_servers_error_codes() {
    let source = read("static/turntable/codes.js");
    let table = between(&source, "ERROR_CODES = {", "\n};");
    let names: Vec<&str> = table
        .trim()
        .lines()
        .map(|line| line.split(':').next().unwrap().trim())
        .collect();
    assert_eq!(names, errors_of_the_server());
}

#[test]
fn the_protocol_page_has_the_servers_close_codes() {
    let flag = |cell: &str| match cell {
        "yes" => true,
        "no" => false,
        other => panic!("{other:?} is neither yes nor no"),
    };
    let closes: Vec<Close> = rows(&read("docs/protocol.md"), "### 2.4 Close codes")
        .iter()
        .map(|cells| {
            assert_eq!(cells.len(), 5, "{cells:?}");
            assert!(!cells[4].is_empty(), "{cells:?} says nothing");
            Close {
                code: cells[0].parse().unwrap(),
                name: cells[1].clone(),
                reconnect: flag(&cells[2]),
                resume: flag(&cells[3]),
            }
        })
        .collect();
    assert_eq!(closes, closes_of_the_server());
}

#[test]
fn the_protocol_page_has_the_servers_error_codes() {
    let table = rows(&read("docs/protocol.md"), "### 2.3 Error codes");
    assert!(
        table
            .iter()
            .all(|cells| cells.len() == 2 && !cells[1].is_empty())
    );
    let names: Vec<&str> = table.iter().map(|cells| cells[0].as_str()).collect();
    assert_eq!(names, errors_of_the_server());
}

#[test]
fn the_protocol_page_has_every_command_with_its_number() {
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

/// Every metric with its type, as the server would tell it.
fn metrics_of_the_server() -> BTreeSet<(String, String)> {
    let metrics = Metrics::default();
    let label = Label { name: "any" };
    metrics.refuse(label.name);
    metrics.close(CloseReason::Bye);
    metrics.error(ErrorCode::Internal);
    metrics.commands.get_or_create(&label).inc();
    metrics.actors(label.name).inc();
    metrics.connections_of(label.name).inc();
    metrics.waiting(WorkerId(0)).inc();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
    let label_of = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")));
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
fn the_metrics_page_lists_every_metric() {
    let listed: BTreeSet<(String, String)> = rows(&read("docs/metrics.md"), "# Metrics")
        .into_iter()
        .map(|cells| (cells[0].clone(), cells[1].clone()))
        .collect();
    assert_eq!(listed, metrics_of_the_server());
}

/// The file and name of each test that `text` names, as `file::name`.
fn tests_named(text: &str) -> Vec<(String, String)> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_once("::"))
        .map(|(file, name)| (file.to_owned(), name.to_owned()))
        .collect()
}

#[test]
fn every_promise_names_tests_that_are_there() {
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
    let named = tests_named(&page);
    assert!(named.len() > 40, "{named:?}");
    for (file, name) in named {
        let folder = if file.starts_with("src/") || file.starts_with("crates/") {
            ""
        } else {
            "tests/"
        };
        let source = read(&format!("{folder}{file}.rs"));
        let is_there = source.contains(&format!("fn {name}()"));
        assert!(is_there, "docs/promises.md names {file}::{name}");
    }
}
