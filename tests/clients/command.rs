//! `turntable call`. The table of calls is in `table`.

use std::fs;
use std::process::Output;

use serde_json::Value;

use turntable_testkit::Server;
use turntable_testkit::workspace::turntable;

use crate::language::with_input;
use crate::listener::Listener;

const TOKEN: &str = "0123456789abcdef";

fn call(arguments: &[&str]) -> Output {
    turntable().arg("call").args(arguments).output().unwrap()
}

fn error(output: &Output) -> (Option<i32>, String) {
    assert_eq!(output.stdout, b"");
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    (output.status.code(), error)
}

/// A terminal would carry out what some characters of ids and texts mean.
#[test]
fn answer_on_a_terminal_has_characters_that_are_not_seen_as_escapes() {
    let server = Server::start();
    let _user = server.user("1:\u{202e}mel");
    let url = format!("http://{}", server.management);
    let answer = call(&["user", "listAll", "--url", &url]);
    assert_eq!(answer.stdout, b"[\"1:\\u202emel\"]\n", "{answer:?}");
}

#[test]
fn token_is_of_a_file_or_of_the_environment() {
    let entry = format!("{{ token = \"{TOKEN}\", role = \"read\" }}");
    let server = Server::with(&[
        ("management.token_required", "true"),
        ("management.tokens.reader", &entry),
    ]);
    let url = format!("http://{}", server.management);
    let arguments = ["user", "listAll", "--url", &url];
    let (code, message) = error(&call(&arguments));
    assert_eq!(code, Some(1));
    assert!(message.starts_with("unauthorized: "), "{message}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let mut of_file = turntable();
    of_file
        .arg("call")
        .args(arguments)
        .arg("--token-file")
        .arg(&file);
    // It wins.
    of_file.env("TURNTABLE_TOKEN", "wrong-0123456789");
    let mut of_variable = turntable();
    of_variable
        .arg("call")
        .args(arguments)
        .env("TURNTABLE_TOKEN", TOKEN);
    for mut command in [of_file, of_variable] {
        let output = command.output().unwrap();
        assert_eq!(output.stdout, b"[]\n", "{output:?}");
        assert!(output.status.success());
    }
    let missing = call(&[
        "user",
        "listAll",
        "--url",
        &url,
        "--token-file",
        "/nowhere/token",
    ]);
    assert_eq!(error(&missing).0, Some(1));
}

#[test]
fn other_commands_accept_the_variable_of_the_token() {
    let mut config = turntable();
    let output = config.arg("config").env("TURNTABLE_TOKEN", TOKEN).output();
    assert!(output.unwrap().status.success());
}

#[test]
fn secret_is_read_from_standard_input_and_sent_in_the_body() {
    let listener = Listener::answering("200 OK", "", "1.50");
    let url = format!("http://{}/ops/", listener.address);
    let mut command = turntable();
    command.args(["call", "user", "setPassword", "--json", "-", "--url", &url]);
    command.env("TURNTABLE_TOKEN", TOKEN);
    let object = r#"{"userId": "1:8", "password": "open sesame"}"#;
    let output = with_input(&mut command, object);
    // As the server wrote it.
    assert_eq!(output.stdout, b"1.50\n", "{output:?}");
    let request = listener.request();
    assert_eq!(request.line(), "POST /ops/rpc/user/setPassword HTTP/1.1");
    assert_eq!(
        request.header("Authorization"),
        Some("Bearer 0123456789abcdef")
    );
    let (sent, expected): (Value, Value) = (
        serde_json::from_str(&request.body).unwrap(),
        serde_json::from_str(object).unwrap(),
    );
    assert_eq!(sent, expected);
}

#[test]
fn method_of_another_version_is_called_by_names() {
    let listener = Listener::answering("200 OK", "", "true");
    let url = format!("http://{}", listener.address);
    let output = call(&["future", "method", "--json", "{\"a\":1}", "--url", &url]);
    assert_eq!(output.stdout, b"true\n", "{output:?}");
    let request = listener.request();
    assert_eq!(request.line(), "POST /rpc/future/method HTTP/1.1");
    assert_eq!(request.body, "{\"a\":1}");
}

#[test]
fn without_an_answer_the_exit_code_is_1() {
    let silent = Listener::at("127.0.0.1", None).unwrap();
    let url = format!("http://{}", silent.address);
    let (code, message) = error(&call(&["user", "listAll", "--url", &url, "--timeout", "1"]));
    let expected = format!("timeout: {url}: no answer within 1000 ms\n");
    assert_eq!((code, message), (Some(1), expected));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let (code, message) = error(&call(&["user", "listAll", "--url", &url]));
    assert_eq!(code, Some(1));
    assert!(message.starts_with("unreachable: "), "{message}");
    let html = Listener::answering("502 Bad Gateway", "", "<html>");
    let url = format!("http://{}", html.address);
    let (code, message) = error(&call(&["user", "listAll", "--url", &url]));
    assert_eq!(code, Some(1));
    assert!(
        message.starts_with("bad_answer: the status is 502"),
        "{message}"
    );
}

#[test]
fn methods_are_listed_of_all_services_or_of_one() {
    let listed = |arguments: &[&str]| String::from_utf8(call(arguments).stdout).unwrap();
    let (all, user) = (listed(&[]), listed(&["user"]));
    for line in [
        "auth set userId sessionId",
        "user ban userId seconds [reason]",
    ] {
        assert!(all.lines().any(|of| of == line), "{all}");
    }
    assert!(all.contains(&user) && all.len() > user.len());
    assert!(user.contains("    Ends a ban. Returns whether there was one. (operate)\n"));
    assert!(!user.contains("auth set"));
}

#[test]
fn wrong_command_line_has_exit_code_2() {
    for (arguments, part) in [
        (&["nothing"][..], "there is no such service; there are auth"),
        (&["user", "nothing"], "there is no such method"),
        (&["user", "unban", "1", "2"], "the arguments are userId"),
        (
            &["user", "kick", "--json", "[1]"],
            "--json takes a JSON object",
        ),
        (&["user", "kick", "--json", "{}", "1:1"], "--json"),
        (&["user", "kick", "1", "--timeout", "0"], "--timeout"),
        (&["user", "kick", "1", "--token", "secret"], "--token"),
    ] {
        let (code, message) = error(&call(arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {message}");
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
}

#[test]
fn wrong_url_is_a_sentence() {
    for url in [
        "127.0.0.1:8181",
        "http://mel:secret@a.example",
        "http://a.example/?x",
    ] {
        let (code, message) = error(&call(&["user", "listAll", "--url", url]));
        assert_eq!(code, Some(1), "{message}");
        assert!(message.contains("accepted is a URL"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
}
