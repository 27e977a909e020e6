//! `turntable bench` with small figures: it starts the server, drives it over
//! sockets and finds every message delivered.

use serde_json::Value;

use turntable_testkit::workspace::turntable;

/// The scenario that compares transports.
const COMPARISON: &str = "transports";
/// The argument that selects a transport.
const TRANSPORT_ARGUMENT: &str = "--transport";
/// The column that names a row's transport.
const TRANSPORT_COLUMN: &str = "transport";

/// Runs a scenario and returns its tables.
fn bench(arguments: &[&str]) -> Vec<Value> {
    let output = turntable()
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
fn fan_out_and_floor_reach_every_subscriber_in_order() {
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
fn fan_out_works_over_tunnel_formats_and_msgpack() {
    for transport in ["ws-v2", "iframe", "multipart", "length"] {
        let small = ["--subscribers", "10", "--seconds", "0.2"];
        let tables = bench(&[&["fanout", TRANSPORT_ARGUMENT, transport], &small[..]].concat());
        for row in tables[0]["rows"].as_array().unwrap() {
            assert_eq!(number(row, "faults"), 0.0, "{transport}: {row}");
            assert!(number(row, "deliveries_per_s") > 0.0, "{transport}: {row}");
            assert!(
                number(row, "bytes_per_delivery") > 128.0,
                "{transport}: {row}"
            );
        }
    }
}

#[test]
fn attribute_changes_reach_every_watcher_once() {
    let tables = bench(&["attributes", "--watchers", "20", "--seconds", "0.3"]);
    let row = &tables[0]["rows"][0];
    assert_eq!(number(row, "faults"), 0.0, "{row}");
    assert!(number(row, "changes_per_s") > 10.0, "{row}");
    let (changes, deliveries) = (
        number(row, "changes_per_s"),
        number(row, "deliveries_per_s"),
    );
    assert!((deliveries / changes - 20.0).abs() < 1.0, "{row}");
}

#[test]
fn calls_are_answered_by_echo_local_and_stand_alone_service() {
    for in_flight in ["1", "4"] {
        let small = ["--clients", "4", "--seconds", "0.3", "--rounds", "2"];
        let tables = bench(&[&["calls", "--in-flight", in_flight], &small[..]].concat());
        let rows = tables[0]["rows"].as_array().unwrap();
        let answerers: Vec<&str> = rows
            .iter()
            .map(|row| row["answerer"].as_str().unwrap())
            .collect();
        assert_eq!(answerers, ["echo", "local service", "stand-alone service"]);
        for row in rows {
            assert_eq!(number(row, "faults"), 0.0, "{row}");
            assert!(number(row, "calls_per_s") > 50.0, "{row}");
            assert!(number(row, "cpu_s_per_million") > 0.0, "{row}");
        }
        assert!(number(&rows[2], "service_cpu_s_per_million") > 0.0);
        assert_eq!(tables[0]["notes"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn management_calls_are_answered_or_refused_as_they_should_beside_messages() {
    let small = ["--subscribers", "10", "--calls", "20", "--rounds", "2"];
    let tables = bench(&[&["management", "--seconds", "0.4"], &small[..]].concat());
    let rows = tables[0]["rows"].as_array().unwrap();
    let what: Vec<&Value> = rows.iter().map(|row| &row["what"]).collect();
    assert_eq!(what, ["messages alone", "messages beside calls", "calls"]);
    for row in rows {
        assert_eq!(number(row, "faults"), 0.0, "{row}: {}", tables[0]["notes"]);
        assert!(number(row, "per_s") > 10.0, "{row}");
    }
}

#[test]
fn transports_are_measured_next_to_websocket() {
    let small = ["--subscribers", "20", "--members", "5", "--rounds", "2"];
    let short = ["--seconds", "0.2", "--quiet", "0.2", "--connections", "100"];
    let tables = bench(&[&[COMPARISON], &small[..], &short[..]].concat());
    let fan_outs = tables[0]["rows"].as_array().unwrap();
    for row in fan_outs {
        assert_eq!(number(row, "faults"), 0.0, "{row}");
        assert!(number(row, "deliveries_per_s") > 0.0, "{row}");
        assert!(number(row, "ratio_to_ws") > 0.0, "{row}");
    }
    let bytes = |transport: &str, content: &str| {
        let row = fan_outs
            .iter()
            .find(|row| row[TRANSPORT_COLUMN] == transport && row["content"] == content);
        number(
            row.unwrap_or_else(|| panic!("no {transport}")),
            "bytes_per_delivery",
        )
    };
    for content in ["text", "actions"] {
        assert!(bytes("ws-v2", content) < bytes("ws", content), "{content}");
    }
    for transport in ["sse", "ndjson", "socketio", "socketio-polling"] {
        assert!(bytes(transport, "text") > 128.0, "{transport}");
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
fn rooms_deliver_every_action_to_every_member() {
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
fn memory_of_idle_connections_and_users_is_reported() {
    for users in [&[][..], &["--users", "--friends", "10"]] {
        let tables = bench(&[&["idle", "--connections", "200"], users].concat());
        let row = &tables[0]["rows"][0];
        assert_eq!(number(row, "connections"), 200.0);
        assert!(number(row, "bytes_per_connection") > 0.0, "{row}");
        assert!(number(row, "rss_after_mb") > 0.0, "{row}");
    }
}

#[test]
fn presence_storm_and_churn_end_with_correct_views() {
    let small = ["--users", "100", "--friends", "10", "--within-ms", "200"];
    let tables = bench(&[&["presence", "--churn", "20", "--seconds", "2"], &small[..]].concat());
    assert_eq!(number(&tables[0]["rows"][0], "users"), 100.0);
    let churn = &tables[1]["rows"][0];
    // About 40 users leave and return, and ten friends are notified each time.
    assert!(number(churn, "changes") >= 40.0, "{churn}");
    assert!(number(churn, "notifications_per_s") > 50.0, "{churn}");
}
