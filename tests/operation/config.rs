//! The command line and the configuration: the binary, its output, its exit codes.

use std::path::{Path, PathBuf};
use std::process::Output;

use turntable_testkit::Server;
use turntable_testkit::workspace::{root, turntable};

/// Runs the binary with these arguments and variables.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    turntable()
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn shard_prints_slot_of_every_test_vector() {
    let vectors = [
        ("1:12345", [0, 2, 2, 1, 2]),
        ("1:2345", [1, 0, 3, 0, 3]),
        ("1:3456", [0, 2, 0, 1, 3]),
        ("CStrike", [1, 1, 3, 4, 3]),
        ("1:789", [0, 2, 0, 1, 5]),
        ("2:1", [1, 1, 1, 3, 1]),
    ];
    for (id, slots) in vectors {
        for (k, slot) in ["2", "3", "4", "5", "7"].into_iter().zip(slots) {
            let output = run(&["shard", id, "--slots", k], &[]);
            assert_eq!(code(&output), 0, "{}", err(&output));
            assert_eq!(out(&output), format!("{slot}\n"), "{id} of {k}");
        }
    }
}

#[test]
fn shard_accepts_any_id_and_refuses_invalid_slot_counts() {
    for id in ["", "-x", "--slots", "a b", "ü", "*"] {
        let output = run(&["shard", "--slots", "1", "--", id], &[]);
        assert_eq!((code(&output), out(&output).as_str()), (0, "0\n"), "{id:?}");
    }
    let output = run(&["shard", "-x", "--slots", "1"], &[]);
    assert_eq!((code(&output), out(&output).as_str()), (0, "0\n"));
    for slots in ["0", "-1", "4294967296", "many", ""] {
        let output = run(&["shard", "1:1", "--slots", slots], &[]);
        assert_eq!(code(&output), 2, "{slots}");
        assert!(err(&output).contains("--slots"), "{}", err(&output));
        assert_eq!(out(&output), "");
    }
    assert_eq!(code(&run(&["shard", "1:1"], &[])), 2);
}

#[test]
fn help_lists_commands_and_version_matches_package() {
    let help = run(&["--help"], &[]);
    assert_eq!(code(&help), 0);
    for word in ["serve", "check", "config", "shard", "Examples", "RUST_LOG"] {
        assert!(out(&help).contains(word), "{word}");
    }
    for command in ["serve", "check", "config", "shard"] {
        let help = run(&[command, "--help"], &[]);
        assert_eq!(code(&help), 0);
        assert!(out(&help).contains("Usage: turntable"), "{command}");
    }
    let version = run(&["--version"], &[]);
    assert_eq!(
        out(&version),
        format!("turntable {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(code(&run(&["nonsense"], &[])), 2);
}

#[test]
fn check_accepts_the_shipped_file_and_warns_of_an_empty_one() {
    let folder = Folder::new();
    let shipped = root().join("config.toml");
    let comment = folder.file("comment.toml", "# The defaults.\n");
    let empty = folder.file("empty.toml", " \n");
    for (file, warning) in [(&shipped, ""), (&comment, ""), (&empty, "is empty")] {
        let output = run(&["check", text(file)], &[]);
        assert_eq!((code(&output), out(&output).as_str()), (0, "OK\n"));
        assert_eq!(err(&output).is_empty(), warning.is_empty());
        assert!(err(&output).contains(warning), "{}", err(&output));
    }
    // A server that restarts in place would lose its configuration.
    let version = turntable::restart::file::VERSION.to_string();
    let output = run(&["check", "--state-version", &version, text(&empty)], &[]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("is empty"), "{}", err(&output));
}

#[test]
fn plain_http_to_another_machine_is_warned_of_by_check_and_once_at_the_start() {
    let folder = Folder::new();
    let config = "[services.forum]\nurl = \"http://192.0.2.1:9000/forum?key=geheim\"\n\
                  functions = [\"f\"]\n[services.chat]\nurl = \"http://127.0.0.1:9/\"\n\
                  functions = [\"f\"]\n";
    let file = folder.file("exposed.toml", config);
    let output = run(&["check", text(&file)], &[]);
    assert_eq!((code(&output), out(&output).as_str()), (0, "OK\n"));
    let warning = "services.forum.url = http://192.0.2.1:9000/forum is plain HTTP";
    let warned = err(&output);
    assert!(
        warned.starts_with(&format!("warning: {warning}")),
        "{warned}"
    );
    assert_eq!(warned.lines().count(), 1, "{warned}");
    let server = Server::configured(config, &[]);
    server.user("1:1").bye();
    let log = server.log();
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    assert!(
        !log.contains("geheim") && !log.contains("services.chat.url"),
        "{log}"
    );
}

#[test]
fn check_reports_every_error_with_position_value_and_range() {
    let folder = Folder::new();
    let file = folder.file(
        "wrong.toml",
        "[server]\nworkers = 9999\nlisen = \"127.0.0.1:1\"\n\n[session]\nheartbeat_ms = \"soon\"\n",
    );
    let name = text(&file);
    let output = run(&["check", name], &[("TURNTABLE_SERVER__ECHO", "maybe")]);
    assert_eq!((code(&output), out(&output).as_str()), (1, ""));
    let errors = err(&output);
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 4, "{errors}");
    assert_eq!(
        lines[0],
        format!("{name}:2:1: server.workers = 9999: accepted is 0 to 1024")
    );
    assert!(lines[1].starts_with(&format!(
        "{name}:3:1: server.lisen: unknown key `lisen`, expected one of `listen`"
    )));
    assert_eq!(
        lines[2],
        format!(
            "{name}:6:1: session.heartbeat_ms = \"soon\": \
             accepted is a whole number, 100 to 600000"
        )
    );
    assert_eq!(
        lines[3],
        "TURNTABLE_SERVER__ECHO: server.echo = maybe: accepted is true or false"
    );
}

#[test]
fn missing_or_malformed_file_is_refused() {
    let folder = Folder::new();
    let missing = folder.0.path().join("missing.toml");
    for arguments in [
        &["check", text(&missing)][..],
        &["config", "--config", text(&missing)],
        &["serve", "--config", text(&missing)],
        &["--config", text(&missing)],
    ] {
        let output = run(arguments, &[]);
        assert_eq!((code(&output), out(&output).as_str()), (1, ""));
        assert!(err(&output).starts_with(text(&missing)), "{arguments:?}");
    }
    let broken = folder.file("broken.toml", "[server\n");
    let output = run(&["check", text(&broken)], &[]);
    assert_eq!(code(&output), 1);
    assert!(
        err(&output).starts_with(&format!("{}:1:", text(&broken))),
        "{}",
        err(&output)
    );
}

#[test]
fn serve_refuses_invalid_configuration_before_listening() {
    for arguments in [&[][..], &["serve"]] {
        let output = run(arguments, &[("TURNTABLE_SERVER__CONNECTIONS_MAX", "0")]);
        assert_eq!((code(&output), out(&output).as_str()), (1, ""));
        assert_eq!(
            err(&output),
            "TURNTABLE_SERVER__CONNECTIONS_MAX: server.connections_max = 0: \
             accepted is 1 to 10000000\n"
        );
    }
}

#[test]
fn environment_overrides_file_and_file_overrides_defaults() {
    let folder = Folder::new();
    let file = folder.file(
        "config.toml",
        "[server]\nworkers = 3\nshutdown_ms = 7\n[games.chess]\nmembers_max = 2\n",
    );
    let shown = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = run(arguments, variables);
        assert_eq!(code(&output), 0, "{}", err(&output));
        out(&output).parse::<toml::Table>().unwrap()
    };
    let defaults = shown(&["config"], &[]);
    assert_eq!(defaults["server"]["shutdown_ms"].as_integer(), Some(5_000));
    assert_eq!(
        defaults["server"]["listen"].as_str(),
        Some("127.0.0.1:8080")
    );

    let both = [
        ("TURNTABLE_CONFIG", text(&file)),
        ("TURNTABLE_SERVER__WORKERS", "1"),
        ("TURNTABLE_SERVER__LISTEN", "127.0.0.1:0"),
        ("TURNTABLE_LIMITS__PUBLISH__BURST", "10"),
        ("TURNTABLE_GAMES__STRIKE__TICK_MS", "35"),
        ("TURNTABLE_GAMES__CHESS__TEAMS", r#"["white", "black"]"#),
        ("TURNTABLE_GAMES__GO__TEAMS", r#"["white", "black"]"#),
    ];
    let table = shown(&["config"], &both);
    assert_eq!(table["server"]["workers"].as_integer(), Some(1));
    assert_eq!(table["server"]["shutdown_ms"].as_integer(), Some(7));
    assert_eq!(table["server"]["listen"].as_str(), Some("127.0.0.1:0"));
    let publish = &table["limits"]["publish"];
    assert_eq!(publish["burst"].as_integer(), Some(10));
    assert_eq!(publish["per_second"].as_integer(), Some(500));
    let games = &table["games"];
    assert_eq!(games["strike"]["tick_ms"].as_integer(), Some(35));
    assert_eq!(games["strike"]["members_max"].as_integer(), Some(8));
    assert_eq!(games["chess"]["members_max"].as_integer(), Some(2));
    assert_eq!(games["chess"]["teams"][1].as_str(), Some("black"));
    assert_eq!(games["go"]["teams"][0].as_str(), Some("white"));

    let from_argument = shown(
        &["config", "--config", text(&file)],
        &[("TURNTABLE_CONFIG", "/nowhere/else.toml")],
    );
    assert_eq!(from_argument["server"]["workers"].as_integer(), Some(3));
}

#[test]
fn check_and_serve_find_the_same_file_and_name_it() {
    let folder = Folder::new();
    let file = folder.file("config.toml", "[presence]\nwatch_max = 7\n");
    let named = ("TURNTABLE_CONFIG", text(&file));
    let line = format!("the configuration file is {}", text(&file));
    let output = run(&["check"], &[named]);
    assert_eq!((code(&output), out(&output).as_str()), (0, "OK\n"));
    assert_eq!(err(&output), format!("note: {line}\n"));
    let mut command = turntable();
    command.env(named.0, named.1);
    let _ = Server::of_variables(command).await_log(&line);
    // One with an error, one that is not there, and none.
    let wrong = folder.file("wrong.toml", "[presence]\nwatch_max = -7\n");
    let output = run(&["check"], &[("TURNTABLE_CONFIG", text(&wrong))]);
    assert_eq!(code(&output), 1);
    assert!(
        err(&output).contains("wrong.toml:2:1: presence.watch_max"),
        "{}",
        err(&output)
    );
    let output = run(&["check"], &[("TURNTABLE_CONFIG", "/no/such.toml")]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("/no/such.toml"), "{}", err(&output));
    let none = "there is no configuration file: the defaults hold";
    let output = run(&["check"], &[]);
    assert_eq!((code(&output), out(&output).as_str()), (0, "OK\n"));
    assert_eq!(err(&output), format!("note: {none}\n"));
    let _ = Server::start().await_log(none);
}

#[test]
fn config_output_passes_check() {
    let folder = Folder::new();
    let printed = run(&["config"], &[("TURNTABLE_SERVER__WORKERS", "2")]);
    let file = folder.file("printed.toml", &out(&printed));
    let output = run(&["check", text(&file)], &[]);
    assert_eq!((code(&output), out(&output).as_str()), (0, "OK\n"));
}

#[test]
fn unknown_variables_are_refused() {
    for name in [
        "TURNTABLE_SERVER__LISEN",
        "TURNTABLE_LISTEN",
        "TURNTABLE_SERVER_LISTEN",
    ] {
        let output = run(&["config"], &[(name, "1")]);
        assert_eq!((code(&output), out(&output).as_str()), (1, ""));
        assert!(err(&output).starts_with(&format!("{name}: ")), "{name}");
    }
}

#[test]
fn schema_path_is_relative_to_file_and_checked() {
    let folder = Folder::new();
    let file = folder.file("config.toml", "[games.chess]\nschema = \"chess.json\"\n");
    let check = || run(&["check", text(&file)], &[]);

    let output = check();
    assert_eq!(code(&output), 1);
    assert!(
        err(&output).starts_with(&format!(
            "{}:2:1: games.chess.schema = \"chess.json\": ",
            text(&file)
        )),
        "{}",
        err(&output)
    );

    folder.file("chess.json", "{ \"type\": 5 }");
    assert_eq!(code(&check()), 1);
    folder.file("chess.json", "{ \"type\": ");
    assert_eq!(code(&check()), 1);

    folder.file("chess.json", "{ \"type\": \"object\" }");
    let output = check();
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
}

#[test]
fn check_reports_checkers_files_and_urls() {
    let folder = Folder::new();
    let short = folder.file("short", "geheim");
    let file = folder.file(
        "c.toml",
        &format!(
            "[portal]\ncheckers = [\"http\", \"jwtt\", \"jwt\"]\nguest_key_file = {:?}\n\
             [portal.http]\nurl = \"login.example\"\n\
             [portal.jwt]\nissuer = \"a\"\naudience = \"b\"\nkeys_file = \"no/such/file\"\n",
            text(&short)
        ),
    );
    let output = run(&["check", text(&file)], &[]);
    assert_eq!(code(&output), 1);
    let errors = err(&output);
    let lines: Vec<&str> = errors.lines().collect();
    for (line, part) in lines.iter().zip([
        "portal.http.url: \"login.example\" does not begin with http:// or https://",
        "portal.checkers: there is no checker \"jwtt\"; known are anonymous, ",
        "cannot read the keys in no/such/file",
        "a key has at least 32",
    ]) {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(lines.len(), 4, "{errors}");
    assert!(!errors.contains("geheim"));
}

#[test]
fn tokens_of_services_are_hidden_in_what_is_printed() {
    let folder = Folder::new();
    let file = folder.file(
        "config.toml",
        "[services.forum]\nproviders = [\"service:forum\"]\ntoken = \"a-secret\"\n\
         [services.open]\nproviders = [\"*\"]\n",
    );
    let output = run(&["config", "--config", text(&file)], &[]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let printed = out(&output);
    assert!(!printed.contains("a-secret"), "{printed}");
    assert_eq!(printed.matches("(hidden)").count(), 1, "{printed}");
}
