//! The dashboard for Grafana queries metrics that exist, and has the fields that Grafana needs.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Value, json};

use crate::table::server_metrics;

/// The names of metrics in a query.
fn metrics_of(query: &str) -> impl Iterator<Item = &str> {
    query
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("turntable_"))
}

#[test]
fn dashboard_queries_metrics_that_the_server_has() {
    let dashboard = dashboard();
    let known: BTreeSet<String> = server_metrics()
        .into_iter()
        .flat_map(|(name, kind)| {
            let name = name.split('{').next().unwrap().to_owned();
            match kind.as_str() {
                "histogram" => vec![format!("{name}_bucket"), format!("{name}_count")],
                _ => vec![name],
            }
        })
        .collect();
    let mut queries = 0;
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let targets = panel["targets"].as_array();
        for query in targets.into_iter().flatten() {
            let query = query["expr"].as_str().unwrap();
            queries += 1;
            let mut names = metrics_of(query).peekable();
            assert!(names.peek().is_some(), "{query}");
            for name in names {
                assert!(known.contains(name), "{name}");
            }
        }
    }
    assert!(queries > 30, "{queries}");
}

fn dashboard() -> Value {
    let text = std::fs::read_to_string("packaging/grafana/turntable.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The columns and the rows that a panel takes.
fn place(panel: &Value) -> [Range<u64>; 2] {
    let number = |name| panel["gridPos"][name].as_u64().unwrap();
    let range = |begin, length| number(begin)..number(begin) + number(length);
    [range("x", "w"), range("y", "h")]
}

#[test]
fn dashboard_has_what_grafana_needs() {
    let dashboard = dashboard();
    for field in ["title", "uid"] {
        assert!(!dashboard[field].as_str().unwrap().is_empty(), "{field}");
    }
    // Older ones are converted at the import; the names of datasources became objects in 33.
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    let range = [&dashboard["time"]["from"], &dashboard["time"]["to"]];
    assert!(range.iter().all(|end| end.is_string()), "{range:?}");
    // The data source is chosen by a variable, as each machine has another one.
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let source = &variables[0];
    assert_eq!(source["type"], "datasource");
    assert_eq!(source["query"], "prometheus");
    let chosen = json!({
        "type": "prometheus",
        "uid": format!("${{{}}}", source["name"].as_str().unwrap()),
    });
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for variable in variables {
        assert!(names.insert(variable["name"].as_str().unwrap()));
        assert!(variable["type"] == "datasource" || variable["datasource"] == chosen);
    }
    let panels = dashboard["panels"].as_array().unwrap();
    for (index, panel) in panels.iter().enumerate() {
        let title = panel["title"].as_str().unwrap();
        let [columns, rows] = place(panel);
        assert!(!columns.is_empty() && !rows.is_empty(), "{title}");
        assert!(columns.end <= 24, "{title} is wider than the grid");
        for other in &panels[..index] {
            let [other_columns, other_rows] = place(other);
            let is_apart = |one: &Range<u64>, other: &Range<u64>| {
                one.end <= other.start || other.end <= one.start
            };
            assert!(
                is_apart(&columns, &other_columns) || is_apart(&rows, &other_rows),
                "{title} overlaps {}",
                other["title"]
            );
        }
        if panel["type"] == "row" {
            assert_eq!(panel["collapsed"], false, "{title}");
            continue;
        }
        assert_eq!(panel["datasource"], chosen, "{title}");
        let mut letters = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"], chosen, "{title}");
            assert!(letters.insert(target["refId"].as_str().unwrap()), "{title}");
            for word in target["expr"].as_str().unwrap().split('$').skip(1) {
                let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let name = &word[..end.unwrap_or(word.len())];
                assert!(
                    name.starts_with("__") || names.contains(name),
                    "${name} in {title}"
                );
            }
        }
    }
}

#[test]
fn variables_of_the_dashboard_query_metrics_that_the_server_has() {
    let dashboard = dashboard();
    let known: BTreeSet<String> = server_metrics().into_iter().map(|(name, _)| name).collect();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let queries = variables
        .iter()
        .filter_map(|one| one["query"]["query"].as_str());
    let names: Vec<&str> = queries.flat_map(metrics_of).collect();
    assert!(!names.is_empty());
    for name in names {
        assert!(known.contains(name), "{name}");
    }
}
