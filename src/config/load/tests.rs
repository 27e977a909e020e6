//! Files and variables, and the resulting configurations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::config::games;
use turntable_core::model::game::GameSettings;

fn no_schema(_: &Path) -> io::Result<String> {
    Err(io::ErrorKind::NotFound.into())
}

fn composed(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables: Vec<(String, String)> = variables
        .iter()
        .map(|&(name, text)| (name.to_owned(), text.to_owned()))
        .collect();
    compose(Some(("c.toml", file)), &variables, &no_schema).map_err(|error| error.to_string())
}

#[test]
fn empty_input_is_the_defaults() {
    assert_eq!(compose(None, &[], &no_schema), Ok(Config::default()));
    assert_eq!(composed("", &[]), Ok(Config::default()));
    assert_eq!(
        composed("[server]\n[limits.game]\n", &[]),
        Ok(Config::default())
    );
}

#[test]
fn the_environment_overrides_the_file_key_by_key() {
    let config = composed(
        "[server]\nworkers = 3\necho = true\n[limits]\npublish = { burst = 7 }\n",
        &[
            ("TURNTABLE_SERVER__WORKERS", "1"),
            ("TURNTABLE_LIMITS__PUBLISH__PER_SECOND", "10"),
            ("PATH", "/bin"),
            ("TURNTABLE_CONFIG", "c.toml"),
            ("TURNTABLE_TOKEN", "0123456789abcdef"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.workers, 1);
    assert!(config.server.echo);
    assert_eq!(config.limits.publish.burst, 7);
    assert_eq!(config.limits.publish.per_second, 10);
    let mut rest = config;
    rest.server = Config::default().server;
    rest.limits.publish = Config::default().limits.publish;
    assert_eq!(rest, Config::default());
}

#[test]
fn variable_has_the_type_of_its_key() {
    let config = composed(
        "",
        &[
            ("TURNTABLE_SERVER__LISTEN", "[::1]:0"),
            ("TURNTABLE_SERVER__ECHO", "true"),
            (
                "TURNTABLE_SERVER__ALLOWED_ORIGINS",
                r#"["https://a", "https://b:8"]"#,
            ),
            ("TURNTABLE_PORTAL__REALMS", "[]"),
            ("TURNTABLE_SESSION__REPLAY_BYTES_MAX", "1_000"),
            ("TURNTABLE_LIMITS__CALL", "{ burst = 9 }"),
            ("TURNTABLE_Presence__Grace_ms", "0"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.listen, "[::1]:0".parse().unwrap());
    assert!(config.server.echo);
    assert_eq!(config.server.allowed_origins, ["https://a", "https://b:8"]);
    assert_eq!(config.session.replay_bytes_max, 1_000);
    assert_eq!(config.limits.call.burst, 9);
    assert_eq!(config.limits.call.per_second, 50);
    assert_eq!(config.presence.grace_ms, 0);
}

#[test]
fn invalid_value_in_a_file_is_reported_with_its_position() {
    for (file, expected) in [
        (
            "[server]\nworkers = 9999",
            "c.toml:2:1: server.workers = 9999: accepted is 0 to 1024",
        ),
        (
            "server.workers = -1",
            "c.toml:1:8: server.workers = -1: accepted is a whole number, 0 to 1024",
        ),
        (
            "[server]\n  workers = \"many\"",
            "c.toml:2:3: server.workers = \"many\": accepted is a whole number, 0 to 1024",
        ),
        (
            "[server]\nworkers = 99999999999999999999",
            "c.toml:2:1: server.workers = 99999999999999999999: \
             accepted is a whole number, 0 to 1024",
        ),
        (
            "[server]\nconnections_max = 0",
            "c.toml:2:1: server.connections_max = 0: accepted is 1 to 10000000",
        ),
        (
            "[server]\necho = 1",
            "c.toml:2:1: server.echo = 1: accepted is true or false",
        ),
        (
            "[server]\nlisten = \"localhost\"",
            "c.toml:2:1: server.listen = \"localhost\": \
             accepted is ADDRESS:PORT, like 127.0.0.1:8080 or [::1]:0",
        ),
        (
            "[portal]\nrealms = \"1\"",
            "c.toml:2:1: portal.realms = \"1\": accepted is a list, like [\"a\", \"b\"]",
        ),
        (
            "[portal]\nrealms = [\"1:2\"]",
            "c.toml:2:1: portal.realms = [\"1:2\"]: \"1:2\" is not a realm; \
             accepted is 1 to 32 characters of A-Z, a-z, 0-9, _ and -",
        ),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.0/33\"]",
            "c.toml:2:1: server.trusted_proxies = [\"10.0.0.0/33\"]: \"10.0.0.0/33\" is no \
             address and no network, like \"10.0.0.1\" or \"10.0.0.0/8\"",
        ),
        (
            "[server]\nhosts = [\"https://game.example\"]",
            "c.toml:2:1: server.hosts = [\"https://game.example\"]: \"https://game.example\" is \
             not a name; accepted is *, or a name with or without a port, like game.example or \
             game.example:8443",
        ),
        (
            "[server]\nproxy_protocol = true",
            "c.toml:2:1: server.proxy_protocol = true: only the proxies in \
             server.trusted_proxies may send the header of the PROXY protocol, and there are none",
        ),
        (
            "[time]\nkernel_rtt = 7",
            "c.toml:2:1: time.kernel_rtt = 7: accepted is a string, like \"report\"",
        ),
        (
            "[limits]\ngame = { burst = 0 }",
            "c.toml:2:10: limits.game.burst = 0: accepted is 1 to 1000000",
        ),
        (
            "[limits]\ngame = 5",
            "c.toml:2:1: limits.game = 5: accepted is a section, [limits.game]",
        ),
        (
            "server = 5",
            "c.toml:1:1: server = 5: accepted is a section, [server]",
        ),
        (
            "[management]\nlisten = \"127.0.0.1:8080\"",
            "c.toml:2:1: management.listen = \"127.0.0.1:8080\": server.listen \
             127.0.0.1:8080 and management.listen 127.0.0.1:8080 use the same port",
        ),
        (
            "[server]\nlisten = \"127.0.0.1:8181\"",
            "c.toml:2:1: server.listen = \"127.0.0.1:8181\": server.listen \
             127.0.0.1:8181 and management.listen 127.0.0.1:8181 use the same port",
        ),
        (
            "[session]\noutbox_bytes_max = 65536",
            "c.toml:2:1: session.outbox_bytes_max = 65536: session.outbox_bytes_max must be \
             at least 69632: server.max_message_bytes and 4096 for the envelope\n\
             c.toml:2:1: session.outbox_bytes_max = 65536: session.outbox_bytes_max must be \
             at least 69632: room.tick_bytes_max and 4096 for the envelope",
        ),
        (
            "[server]\nincomplete_bytes_per_address_max = 131072\nmax_message_bytes = 131000",
            "c.toml:2:1: server.incomplete_bytes_per_address_max = 131072: \
             server.incomplete_bytes_per_address_max must be at least 163768: \
             server.max_message_bytes and 32768 for its buffer",
        ),
        (
            "[server]\nincomplete_bytes_per_address_max = 200000\nincomplete_bytes_max = 399999",
            "c.toml:3:1: server.incomplete_bytes_max = 399999: server.incomplete_bytes_max must be at least \
             400000: twice server.incomplete_bytes_per_address_max, so that one address cannot take it all",
        ),
    ] {
        assert_eq!(composed(file, &[]), Err(expected.to_owned()), "{file}");
    }
}

#[test]
fn unknown_key_is_refused_with_the_known_ones() {
    for (file, place) in [
        ("[server]\nlisen = 1", "c.toml:2:1: server.lisen: "),
        ("[sever]\nlisten = 1", "c.toml:1:2: sever: "),
        ("[sever]", "c.toml:1:2: sever: "),
        ("listen = 1", "c.toml:1:1: listen: "),
        ("[limits]\ngames.burst = 1", "c.toml:2:1: limits.games: "),
    ] {
        let error = composed(file, &[]).unwrap_err();
        assert!(error.starts_with(place), "{error}");
        assert!(error.contains("unknown key `"), "{error}");
        assert!(error.contains("expected one of `"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn invalid_variable_is_reported_with_its_name() {
    for (name, text, expected) in [
        (
            "TURNTABLE_SERVER__WORKERS",
            "9999",
            "server.workers = 9999: accepted is 0 to 1024",
        ),
        (
            "TURNTABLE_SERVER__WORKERS",
            "",
            "server.workers = : accepted is a whole number, 0 to 1024",
        ),
        (
            "TURNTABLE_SERVER__WORKERS__X",
            "1",
            "server.workers.x: unknown key: workers is a value and has no keys",
        ),
        (
            "TURNTABLE_SERVER",
            "1",
            "server = 1: accepted is a section, [server]",
        ),
        (
            "TURNTABLE_LIMITS__GAME",
            "{ burst = 0 }",
            "limits.game.burst = 0: accepted is 1 to 1000000",
        ),
    ] {
        assert_eq!(
            composed("", &[(name, text)]),
            Err(format!("{name}: {expected}"))
        );
    }
    for unknown in ["TURNTABLE_SERVER__LISEN", "TURNTABLE_LISTEN", "TURNTABLE_"] {
        let error = composed("", &[(unknown, "1")]).unwrap_err();
        assert!(error.starts_with(&format!("{unknown}: ")), "{error}");
        assert!(error.contains("unknown key `"), "{error}");
    }
    let mistyped = ("TURNTABLE_SERVICE__FORUM__TOKEN", "geheim");
    let error = composed("", &[mistyped]).unwrap_err();
    assert!(!error.contains("geheim"), "{error}");
}

#[test]
fn all_problems_are_reported_together() {
    let error = composed(
        "[session]\nheartbeat_ms = 1\n[server]\nfoo = 1\nworkers = 2000\n\
         [management]\nlisten = \"0.0.0.0:1\"\n",
        &[
            ("TURNTABLE_SERVER__ECHO", "perhaps"),
            ("TURNTABLE_SERVER__WORKERS", "1"),
        ],
    )
    .unwrap_err();
    let begins: Vec<&str> = error
        .lines()
        .map(|line| line.split(" = ").next().unwrap())
        .map(|line| line.split(": unknown").next().unwrap())
        .collect();
    assert_eq!(
        begins,
        [
            "c.toml:2:1: session.heartbeat_ms",
            "c.toml:4:1: server.foo",
            "c.toml:5:1: server.workers",
            "TURNTABLE_SERVER__ECHO: server.echo",
            "c.toml:7:1: management.listen",
        ],
        "{error}"
    );
}

#[test]
fn invalid_key_causes_no_second_problem() {
    let error = composed(
        "[server]\nlisten = 5\n[management]\nlisten = \"127.0.0.1:8080\"\n",
        &[],
    )
    .unwrap_err();
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn invalid_toml_is_reported_with_its_position() {
    let error = composed("[server]\nworkers = \n", &[]).unwrap_err();
    assert!(error.starts_with("c.toml:2:"), "{error}");
    let error = composed("[server]\nworkers = 1\nworkers = 2\n", &[]).unwrap_err();
    assert!(error.starts_with("c.toml:3:1: duplicate key"), "{error}");
}

#[test]
fn outbox_follows_a_raised_message_limit_unless_it_is_set() {
    let raised = [("TURNTABLE_SERVER__MAX_MESSAGE_BYTES", "16777216")];
    let config = composed("", &raised).unwrap();
    assert_eq!(config.session.outbox_bytes_max, 16_777_216 + ENVELOPE_BYTES);
    let error = composed("session.outbox_bytes_max = 1048576", &raised).unwrap_err();
    assert!(error.starts_with("c.toml:1:9: session.outbox_bytes_max"));
    let lowered = [("TURNTABLE_SERVER__MAX_MESSAGE_BYTES", "1024")];
    assert_eq!(
        composed("", &lowered).unwrap().session.outbox_bytes_max,
        1_048_576
    );
}

#[test]
fn games_are_added_and_demo_games_overridden_key_by_key() {
    let config = composed(
        "[games.strike]\ntick_ms = 50\n[games.Chess]\nteams = [\"white\", \"black\"]\n\
         seat_ms = 9\n[games.empty]\n",
        &[
            ("TURNTABLE_GAMES__STRIKE__MEMBERS_MAX", "4"),
            ("TURNTABLE_GAMES__CHESS__MEMBERS_MAX", "2"),
            ("TURNTABLE_GAMES__GO", "{ members_max = 3 }"),
        ],
    )
    .unwrap();
    let demos = games::demos();
    let strike = &config.games["strike"];
    assert_eq!((strike.tick_ms, strike.members_max), (50, Some(4)));
    assert_eq!(strike.teams, demos["strike"].teams);
    assert_eq!(config.games["four"], demos["four"]);
    assert_eq!(config.games["Chess"].members_max, Some(2));
    assert_eq!(config.games["Chess"].seat_ms, Some(9));
    assert_eq!(config.games["Chess"].teams, ["white", "black"]);
    assert_eq!(config.games["go"].members_max, Some(3));
    assert_eq!(config.games["empty"], GameSettings::default());
    assert_eq!(config.games.len(), 5);
}

#[test]
fn a_schema_is_found_beside_the_file() {
    let read = |path: &Path| {
        assert_eq!(path, Path::new("/etc/turntable/chess.json"));
        Ok("{}".to_owned())
    };
    let file = "[games.chess]\nschema = \"chess.json\"";
    let config = compose(Some(("/etc/turntable/c.toml", file)), &[], &read).unwrap();
    assert_eq!(
        config.games["chess"].schema.as_deref(),
        Some(Path::new("/etc/turntable/chess.json"))
    );
    let none = "[games.chess]\nschema = \"\"";
    let config = compose(Some(("/etc/turntable/c.toml", none)), &[], &read).unwrap();
    assert_eq!(config.games["chess"].schema, None);
}

#[test]
fn invalid_game_is_reported_with_its_position() {
    for (file, expected) in [
        (
            "[games.a]\nteams = [\"x\", \"x\"]",
            "c.toml:2:1: games.a.teams = [\"x\", \"x\"]: ",
        ),
        (
            "[games.a]\nrealms = [\"1:\"]",
            "c.toml:2:1: games.a.realms = [\"1:\"]: ",
        ),
        (
            "[games.a]\nkeep_state = 1",
            "c.toml:2:1: games.a.keep_state = 1: accepted is true or false",
        ),
        (
            "[games.a]\nmembers_max = 0",
            "c.toml:2:1: games.a.members_max = 0: accepted is 1 to 10000",
        ),
        (
            "[games.a]\nmembers_max = \"8\"",
            "c.toml:2:1: games.a.members_max = \"8\": accepted is a whole number, 1 to 10000",
        ),
        (
            "[games.a]\nmembers = 8",
            "c.toml:2:1: games.a.members: unknown key `members`",
        ),
        (
            "[games]\na = 8",
            "c.toml:2:1: games.a = 8: accepted is a section, [games.a]",
        ),
        (
            "[games.a]\nschema = \"a.json\"",
            "c.toml:2:1: games.a.schema = \"a.json\": a.json: ",
        ),
        ("[games.\"\"]", "c.toml:1:8: games. = "),
    ] {
        let error = composed(file, &[]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn invalid_namespace_is_reported_with_its_key_and_position() {
    let of = |line: &str| format!("[channels.\"lobby/**\"]\nhistory_ms = 5000\n{line}");
    for (file, expected) in [
        (
            of("history_max = -1"),
            "c.toml:3:1: channels.lobby/**.history_max = -1: accepted is a whole number, 0 to ",
        ),
        (
            of("history_max = \"x\""),
            "c.toml:3:1: channels.lobby/**.history_max = \"x\": accepted is a whole number, 0 to ",
        ),
        (
            of("retained = 1"),
            "c.toml:3:1: channels.lobby/**.retained = 1: accepted is true or false",
        ),
        (
            of("colour = 1"),
            "c.toml:3:1: channels.lobby/**.colour: unknown key `colour`",
        ),
        (
            "[channels.\"a/**/b\"]\nhistory_ms = 5000".to_owned(),
            "c.toml:2:1: channels.a/**/b: \"a/**/b\" is not a pattern",
        ),
    ] {
        let error = composed(&file, &[]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn printed_configuration_round_trips() {
    let mut config = Config::default();
    config.server.allowed_origins = vec!["*".to_owned()];
    config.limits.game.burst = 17;
    let text = toml::to_string(&config).unwrap();
    assert_eq!(composed(&text, &[]), Ok(config));
}

proptest::proptest! {
    #[test]
    fn any_text_is_parsed_or_refused_without_a_panic(
        file in r#"(\[(server|games|limits|x|\.|"|a){0,4}\]\n|(workers|a|listen|game) ?= ?(1|-|"x|\[|\{a=|\}|true|é)*\n){0,6}"#,
        name in "TURNTABLE_(SERVER|GAMES|LIMITS|_|A|é){0,5}",
        text in r#"(1|"|\[|\{|x|=| |é){0,6}"#,
    ) {
        if let Err(found) = composed(&file, &[(&name, &text)]) {
            assert!(!found.is_empty());
        }
    }
}

#[test]
fn schema_that_is_no_plain_file_is_refused_when_games_are_made() {
    let mut config = Config::default();
    let game = config.games.values_mut().next().unwrap();
    game.schema = Some("/dev/zero".into());
    let error = config.games().unwrap_err().to_string();
    assert!(error.contains("it is no plain file"), "{error}");
}
