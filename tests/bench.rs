//! `turntable bench`, whole and small: it starts the server, drives it over
//! real sockets and finds every message delivered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::process::Command;

use serde_json::Value;

/// Runs a scenario and returns its tables.
fn bench(arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_turntable"))
        .args(["bench", "--json"])
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let tables: Value = serde_json::from_slice(&output.stdout).unwrap();
    tables.as_array().unwrap().clone()
}

fn number(row: &Value, field: &str) -> f64 {
    row[field]
        .as_f64()
        .unwrap_or_else(|| panic!("no {field} in {row}"))
}

#[test]
fn fan_out_reaches_every_subscriber_in_order_beside_the_floor() {
    let tables = bench(&[
        "fanout",
        "--subscribers",
        "20",
        "--seconds",
        "0.3",
        "--floor",
    ]);
    let rows = tables[0]["rows"].as_array().unwrap();
    let servers: Vec<&str> = rows
        .iter()
        .map(|row| row["server"].as_str().unwrap())
        .collect();
    assert_eq!(servers, ["turntable", "floor", "turntable", "floor"]);
    for row in rows {
        assert_eq!(number(row, "faults"), 0.0, "{row}");
        assert!(number(row, "deliveries_per_s") > 100.0, "{row}");
    }
    assert_eq!(tables[0]["notes"].as_array().unwrap().len(), 3);
}

#[test]
fn rooms_give_every_action_to_every_member() {
    for tick in ["0", "20"] {
        let small = ["--rooms", "3", "--members", "4", "--seconds", "0.5"];
        let tables = bench(&[&["rooms", "--tick", tick], &small[..]].concat());
        let row = &tables[0]["rows"][0];
        assert_eq!(number(row, "lost"), 0.0, "{row}");
        assert!(number(row, "actions_per_s") > 100.0, "{row}");
        let messages = number(row, "messages_per_s");
        let deliveries = number(row, "deliveries_per_s");
        assert!(messages <= deliveries, "{row}");
        if tick == "0" {
            assert_eq!(messages, deliveries, "{row}");
        }
    }
}

#[test]
fn idle_connections_and_users_have_a_size() {
    for users in [&[][..], &["--users", "--friends", "10"]] {
        let tables = bench(&[&["idle", "--connections", "200"], users].concat());
        let row = &tables[0]["rows"][0];
        assert_eq!(number(row, "connections"), 200.0);
        assert!(
            number(row, "rss_after_mb") >= number(row, "rss_before_mb"),
            "{row}"
        );
    }
}

#[test]
fn a_storm_and_its_churn_end_with_every_view_right() {
    let small = ["--users", "100", "--friends", "10", "--within-ms", "200"];
    let tables = bench(&[&["presence", "--churn", "20", "--seconds", "2"], &small[..]].concat());
    assert_eq!(number(&tables[0]["rows"][0], "users"), 100.0);
    let churn = &tables[1]["rows"][0];
    // Some 40 leave and come back, and ten friends are told each time.
    assert!(number(churn, "changes") >= 40.0, "{churn}");
    assert!(number(churn, "notifications_per_s") > 50.0, "{churn}");
}
