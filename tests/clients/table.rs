//! One table of calls (`calls.json`) through every client: all get what `POST /rpc/` is
//! answered.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use turntable::app::Running;
use turntable::config::load;
use turntable_testkit::http::{get, send};
use turntable_testkit::workspace::turntable;
use turntable_testkit::{Client, Server};

use crate::language::Language;

/// What the server of the table has beside its defaults.
const KEYS: &[(&str, &str)] = &[
    ("server.url", "https://game.example"),
    ("portal.checkers", r#"["session", "password", "anonymous"]"#),
    ("services.forum.providers", "[\"service:forum\"]"),
];

/// Fields that differ from server to server.
const DIFFERENT: &[&str] = &["session", "address", "id", "epoch", "time", "until_ms"];

fn calls() -> Value {
    serde_json::from_str(include_str!("calls.json")).unwrap()
}

/// A server for one run of the table, with the client of a user.
fn server() -> (Server, Client) {
    let server = Server::with(KEYS);
    let user = server.user("1:1");
    (server, user)
}

/// Each call as service, method and arguments.
fn each(calls: &Value) -> impl Iterator<Item = (&str, &str, &[Value])> {
    calls.as_array().unwrap().iter().map(|call| {
        let [service, method] = [0, 1].map(|at| call[at].as_str().unwrap());
        (service, method, call[2].as_array().unwrap().as_slice())
    })
}

/// The named parameters that arguments in their order are.
fn named(api: &Value, service: &str, method: &str, arguments: &[Value]) -> Value {
    let parameters = api[service][method]["params"].as_array().unwrap();
    assert!(arguments.len() <= parameters.len(), "{service}/{method}");
    let named = parameters.iter().zip(arguments);
    let named = named.map(|(of, value)| (of["name"].as_str().unwrap().to_owned(), value.clone()));
    named.collect::<Map<_, _>>().into()
}

/// What `POST /rpc/` is answered.
fn posted(address: SocketAddr, calls: &Value) -> Value {
    let api = get(address, "/api").json();
    let answers = each(calls).map(|(service, method, arguments)| {
        let body = named(&api, service, method, arguments).to_string();
        let path = format!("/rpc/{service}/{method}");
        let json = "Content-Type: application/json\r\n";
        let answer = send(address, "POST", &path, json, &body);
        match answer.status {
            200 => json!({"result": answer.json()}),
            status => {
                let error = &answer.json()["error"];
                let (code, message) = (&error["code"], &error["message"]);
                json!({"error": {"code": code, "message": message, "status": status}})
            }
        }
    });
    answers.collect()
}

/// The answers without what differs from server to server.
fn comparable(mut answers: Value) -> Value {
    fn mask(value: &mut Value) {
        match value {
            Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| {
                match DIFFERENT.contains(&name.as_str()) {
                    true => *value = "*".into(),
                    false => mask(value),
                }
            }),
            Value::Array(list) => list.iter_mut().for_each(mask),
            _ => {}
        }
    }
    mask(&mut answers);
    answers
}

/// Compares call by call, so that the first difference shows its call. Without a status in the
/// answers its place is `null`.
fn assert_equal(answers: Value) {
    let calls = calls();
    let (server, _user) = server();
    let mut expected = comparable(posted(server.management, &calls));
    let answers = comparable(answers);
    for (at, call) in calls.as_array().unwrap().iter().enumerate() {
        let (answer, expected) = (&answers[at], &mut expected[at]);
        if answer["error"]["status"].is_null() && expected["error"].is_object() {
            expected["error"]["status"] = Value::Null;
        }
        assert_eq!(answer, expected, "{call}");
    }
    assert_eq!(answers, expected);
}

fn assert_equal_in(language: Language) {
    if let Some(client) = language.client() {
        let (server, _user) = server();
        let url = format!("http://{}", server.management);
        assert_equal(client.calls(&url, None, &calls()));
    }
}

/// Languages write a number that is whole with a fraction of zero or without, as they have it.
#[test]
fn number_as_an_id_is_the_same_however_it_is_written() {
    let calls = json!([
        ["auth", "set", [7.0, "s7"]],
        ["auth", "check", ["s7"]],
        ["user", "setBlocked", ["1:1", [8.0, 9]]],
        ["user", "getBlocked", [1.0]],
        ["auth", "set", [1.5, "s8"]],
        ["auth", "set", [-1, "s8"]],
        ["auth", "set", [9_007_199_254_740_992_u64, "s8"]],
    ]);
    let languages = [Language::Module, Language::Python, Language::Php];
    for language in languages {
        let Some(client) = language.client() else {
            continue;
        };
        let (server, _user) = server();
        let url = format!("http://{}", server.management);
        let answers = client.calls(&url, None, &calls);
        assert_eq!(
            comparable(answers.clone()),
            posted(server.management, &calls)
        );
        assert_eq!(answers[1]["result"], "1:7");
        assert_eq!(answers[3]["result"], json!(["1:8", "1:9"]));
        for refused in &answers.as_array().unwrap()[4..] {
            let message = refused["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("userId must be a string"), "{refused}");
            assert!(message.contains("0 to 9007199254740991"), "{refused}");
        }
        // A text is the id as it is, and in a path all are texts.
        let path = "/auth/set/7.0/s9";
        assert_eq!(get(server.management, path).status, 200);
        let found = get(server.management, "/auth/check/s9").json();
        assert_eq!(found, "1:7.0");
    }
}

#[test]
fn table_in_the_es_module_of_node() {
    assert_equal_in(Language::Module);
}

#[test]
fn table_with_callbacks_in_node() {
    assert_equal_in(Language::Callbacks);
}

#[test]
fn table_in_python() {
    assert_equal_in(Language::Python);
}

#[test]
fn table_in_php() {
    assert_equal_in(Language::Php);
}

#[test]
fn table_on_the_command_line() {
    let (server, _user) = server();
    let api = get(server.management, "/api").json();
    let url = format!("http://{}", server.management);
    let calls = calls();
    let answers = each(&calls).map(|(service, method, arguments)| {
        let mut command = turntable();
        command.args(["call", "--url", &url, service, method]);
        // An argument that is left out has none behind it.
        if arguments.iter().any(Value::is_null) {
            let named = named(&api, service, method, arguments);
            command.arg("--json").arg(named.to_string());
        } else {
            command.args(arguments.iter().map(|argument| match argument {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            }));
        }
        let output = command.output().unwrap();
        let (out, err) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        match output.status.code() {
            Some(0) => {
                assert_eq!(err, "");
                json!({"result": serde_json::from_str::<Value>(&out).unwrap()})
            }
            Some(1) => {
                assert_eq!(out, "");
                let (code, message) = err.trim_end().split_once(": ").unwrap();
                json!({"error": {"code": code, "message": message, "status": null}})
            }
            other => panic!("{service} {method} {arguments:?}: {other:?} {err}"),
        }
    });
    assert_equal(answers.collect());
}

#[actix_rt::test]
async fn table_in_the_program_that_embeds_the_server() {
    let mut keys = KEYS.to_vec();
    keys.extend([
        ("server.listen", "127.0.0.1:0"),
        ("management.listen", "127.0.0.1:0"),
        ("server.workers", "2"),
    ]);
    let variable = |key: &str| format!("TURNTABLE_{}", key.to_uppercase().replace('.', "__"));
    let keys: Vec<(String, String)> = keys
        .into_iter()
        .map(|(key, value)| (variable(key), value.to_owned()))
        .collect();
    let read = |_: &Path| -> std::io::Result<String> { unreachable!() };
    let running = Running::start(load::compose(None, &keys, &read).unwrap()).unwrap();
    let address = running.server;
    let connect = move || {
        let mut user = Client::greeted(address);
        user.identify("1:1");
        user
    };
    let user = actix_rt::task::spawn_blocking(connect).await.unwrap();
    let client = running.client();
    let calls = calls();
    let mut answers = Vec::new();
    for (service, method, arguments) in each(&calls) {
        let answer = client.call(service, method, Value::from(arguments)).await;
        answers.push(match answer {
            Ok(result) => {
                json!({"result": serde_json::from_str::<Value>(result.as_json()).unwrap()})
            }
            Err(error) => json!({"error": {
                "code": error.code, "message": error.message, "status": error.status,
            }}),
        });
    }
    let compare = move || assert_equal(answers.into());
    actix_rt::task::spawn_blocking(compare).await.unwrap();
    drop(user);
    running.stop(Duration::from_millis(100)).await;
}

/// Its lines are shown in every run (.config/nextest.toml).
#[test]
fn programs_of_all_languages_are_installed_or_the_tests_are_skipped() {
    for language in Language::ALL {
        language.is_installed();
    }
}

#[test]
fn table_has_results_errors_and_every_type_of_parameter() {
    let (server, _user) = server();
    let api = get(server.management, "/api").json();
    let calls = calls();
    let types = each(&calls).flat_map(|(service, method, arguments)| {
        let parameters = api[service][method]["params"].as_array().unwrap();
        let parameters = parameters.iter().take(arguments.len());
        parameters.map(|of| of["type"].as_str().unwrap().to_owned())
    });
    let types: BTreeSet<String> = types.collect();
    for of in [
        "user", "users", "string", "secret", "seconds", "count", "channel", "any", "object",
    ] {
        assert!(types.contains(of), "no call has an argument of type {of}");
    }
    let answers = posted(server.management, &calls);
    let errors = answers.as_array().unwrap().iter();
    let codes: BTreeSet<&str> = errors
        .filter_map(|answer| answer["error"]["code"].as_str())
        .collect();
    let expected = ["bad_message", "conflict", "invalid_id", "not_found"];
    for code in expected {
        assert!(codes.contains(code), "{code}: {codes:?}");
    }
}

#[test]
fn every_client_has_the_names_of_the_definitions() {
    let server = Server::start();
    let api = get(server.management, "/api").json();
    let names = |methods: &Value| -> Value {
        let methods = methods.as_object().unwrap().iter();
        let methods = methods.map(|(name, method)| {
            let parameters = method["params"].as_array().unwrap().iter();
            let parameters = parameters.map(|of| of["name"].clone());
            (name.clone(), parameters.collect::<Value>())
        });
        methods.collect::<Map<_, _>>().into()
    };
    let services = api.as_object().unwrap().iter();
    let expected = services.map(|(service, methods)| (service.clone(), names(methods)));
    let expected: Value = expected.collect::<Map<_, _>>().into();
    for client in Language::clients() {
        assert_eq!(client.methods(), expected, "{:?}", client.language);
    }
    // And so does the command.
    let output = turntable().arg("call").output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    for (service, methods) in expected.as_object().unwrap() {
        for (method, parameters) in methods.as_object().unwrap() {
            let prefix = format!("{service} {method}");
            let line = listed.lines().find(|line| {
                line.strip_prefix(&prefix)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            let line = line.unwrap_or_else(|| panic!("{prefix}: {listed}"));
            let names = line[prefix.len()..]
                .split(' ')
                .filter(|name| !name.is_empty());
            let names: Value = names.map(|name| name.trim_matches(['[', ']'])).collect();
            assert_eq!(names, *parameters, "{prefix}");
        }
    }
}
