//! The dashboard for Grafana queries metrics that exist.

use std::collections::BTreeSet;

use crate::table::server_metrics;

/// The names of metrics in a query.
fn metrics_of(query: &str) -> impl Iterator<Item = &str> {
    query
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("turntable_"))
}

#[test]
fn dashboard_queries_metrics_that_the_server_has() {
    let text = std::fs::read_to_string("packaging/grafana/turntable.json").unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
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
