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
fn fan_out_comes_through_every_kind_of_tunnel_and_v2() {
    for door in ["ws-v2", "iframe", "multipart", "length"] {
        let small = ["--subscribers", "10", "--seconds", "0.2"];
        let tables = bench(&[&["fanout", "--door", door], &small[..]].concat());
        for row in tables[0]["rows"].as_array().unwrap() {
            assert_eq!(number(row, "faults"), 0.0, "{door}: {row}");
            assert!(number(row, "deliveries_per_s") > 0.0, "{door}: {row}");
            assert!(number(row, "bytes_per_delivery") > 128.0, "{door}: {row}");
        }
    }
}

#[test]
fn doors_are_measured_beside_a_websocket() {
    let small = ["--subscribers", "20", "--members", "5", "--rounds", "2"];
    let short = ["--seconds", "0.2", "--quiet", "0.2", "--connections", "100"];
    let tables = bench(&[&["doors"], &small[..], &short[..]].concat());
    let fan_outs = tables[0]["rows"].as_array().unwrap();
    for row in fan_outs {
        assert_eq!(number(row, "faults"), 0.0, "{row}");
        assert!(number(row, "deliveries_per_s") > 0.0, "{row}");
        assert!(number(row, "ratio_to_ws") > 0.0, "{row}");
    }
    let bytes = |door: &str, content: &str| {
        let row = fan_outs
            .iter()
            .find(|row| row["door"] == door && row["content"] == content);
        number(
            row.unwrap_or_else(|| panic!("no {door}")),
            "bytes_per_delivery",
        )
    };
    for content in ["text", "actions"] {
        assert!(bytes("ws-v2", content) < bytes("ws", content), "{content}");
    }
    for door in ["sse", "ndjson", "socketio", "socketio-polling"] {
        assert!(bytes(door, "text") > 128.0, "{door}");
    }
    let polls = tables[1]["rows"].as_array().unwrap();
    assert_eq!(polls.len(), 3);
    for row in polls {
        assert_eq!(number(row, "faults"), 0.0, "{row}");
        assert!(number(row, "requests_per_s") > 0.0, "{row}");
    }
    let resident = tables[2]["rows"].as_array().unwrap();
    assert_eq!(resident.len(), 6);
    let detached = tables[3]["rows"].as_array().unwrap();
    assert_eq!(number(&detached[2], "sessions_each"), 3.0);
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
