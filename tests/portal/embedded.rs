//! Credential checkers of a program that embeds the server: slow ones, and ones that
//! fail.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::entry::{ENTRIES, tunnel_query};
use turntable::app::{Extensions, Running};
use turntable::config::Config;
use turntable::portal::checker::{Checking, CredentialChecker, Identity, Verdict};
use turntable::portal::claim::Claim;
use turntable_core::packet::Reason;
use turntable_core::payload::Payload;
use turntable_testkit::Client;

const SLOW: Duration = Duration::from_millis(500);

/// What `credentials.do` says.
#[derive(Debug)]
struct Obedient;

impl CredentialChecker for Obedient {
    fn name(&self) -> &'static str {
        "obedient"
    }

    fn check<'c>(&'c self, claim: &'c Claim) -> Checking<'c> {
        Box::pin(async move {
            let Some(user) = claim.user() else {
                return Verdict::Pass;
            };
            let mut identity = Identity::new(user.clone());
            match claim.text("do") {
                Some("accept") => {
                    tokio::time::sleep(SLOW).await;
                    identity
                        .attributes
                        .push(("role".into(), Payload::from_json("\"admin\"")));
                    Verdict::Accept(identity)
                }
                Some("refuse") => {
                    tokio::time::sleep(SLOW).await;
                    Verdict::Refuse(turntable::portal::checker::Refusal::new(Reason::Expired))
                }
                Some("hang") => std::future::pending().await,
                Some("panic") => panic!("as the test wants it"),
                Some("fail") => Verdict::Fail("as the test wants it".to_owned()),
                _ => Verdict::Pass,
            }
        })
    }
}

fn start() -> Running {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.management.listen = ([127, 0, 0, 1], 0).into();
    config.server.workers = 1;
    config.portal.checkers = vec!["obedient".to_owned(), "session".to_owned()];
    config.portal.checker_timeout_ms = 1_000;
    Running::start_with(
        config,
        Extensions {
            checkers: vec![Arc::new(Obedient)],
            ..Extensions::default()
        },
    )
    .unwrap()
}

/// Does something that blocks while the server runs on.
async fn beside<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    actix_rt::task::spawn_blocking(work).await.unwrap()
}

fn claim(task: &str) -> Value {
    json!({"user": "1:1", "credentials": {"do": task}, "attributes": {"role": "none"}})
}

#[actix_rt::test]
async fn slow_checker_decides_over_every_transport() {
    let address = start().server;
    beside(move || {
        for (name, identify) in ENTRIES {
            let begun = Instant::now();
            let welcome = identify(address, &claim("accept")).expect(name);
            assert!(begun.elapsed() >= SLOW, "{name}");
            assert_eq!(welcome["attributes"]["role"], "admin", "{name}");
            let error = identify(address, &claim("refuse")).unwrap_err();
            assert_eq!(error["code"], "unauthorized", "{name}");
            assert_eq!(error["details"]["reason"], "expired", "{name}");
        }
    })
    .await;
}

#[actix_rt::test]
async fn checker_that_fails_is_unavailable_and_hurts_nobody() {
    let address = start().server;
    beside(move || {
        for task in ["hang", "panic", "fail"] {
            for (name, identify) in ENTRIES {
                let error = identify(address, &claim(task)).unwrap_err();
                assert_eq!(error["code"], "unavailable", "{name} {task}");
            }
        }
        // The connection goes on, and may try again.
        let mut client = Client::greeted(address);
        client.command("idme", claim("panic"));
        client.expect_error("unavailable");
        client.command("idme", claim("accept"));
        client.expect("welcome");
    })
    .await;
}

/// The bytes that come within `time`.
fn bytes_within(stream: &mut TcpStream, time: Duration) -> usize {
    stream.set_read_timeout(Some(time)).unwrap();
    match stream.read(&mut [0; 1024]) {
        Ok(count) => count,
        Err(error) => {
            let kind = error.kind();
            let is_quiet = matches!(
                kind,
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            );
            assert!(is_quiet, "{error}");
            0
        }
    }
}

fn open(address: SocketAddr, task: &str) -> TcpStream {
    use std::io::Write as _;
    let mut stream = TcpStream::connect(address).unwrap();
    let target = tunnel_query(&claim(task));
    let request = turntable_testkit::http::text(address, "GET", &target, "", "");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[actix_rt::test]
async fn tunnel_sends_no_byte_before_it_is_decided() {
    let address = start().server;
    beside(move || {
        for (task, status) in [("accept", "HTTP/1.1 200"), ("refuse", "HTTP/1.1 401")] {
            let mut stream = open(address, task);
            assert_eq!(bytes_within(&mut stream, SLOW / 2), 0, "{task}");
            stream.set_read_timeout(None).unwrap();
            let mut head = [0; 12];
            stream.read_exact(&mut head).unwrap();
            assert_eq!(std::str::from_utf8(&head).unwrap(), status);
        }
    })
    .await;
}

#[actix_rt::test]
async fn commands_wait_for_the_decision_and_others_do_not() {
    let address = start().server;
    beside(move || {
        let mut client = Client::greeted(address);
        client.command("idme", claim("accept"));
        client.send(json!({"command": "lookup", "data": ["1:1"], "id": 1}));
        // Another client of the same worker is served meanwhile.
        let begun = Instant::now();
        let mut other = Client::greeted(address);
        other.request("time", json!({"t0": 1}));
        assert!(begun.elapsed() < SLOW);
        client.expect("welcome");
        assert_eq!(client.expect("reply")["1:1"]["state"], "online");
        // One that goes away while it is checked leaves nothing.
        let mut gone = Client::greeted(address);
        gone.command("idme", claim("accept"));
        gone.drop_connection();
        // Behind a refusal the commands are refused, too.
        let mut client = Client::greeted(address);
        client.command("idme", claim("refuse"));
        client.send(json!({"command": "lookup", "data": ["1:1"], "id": 1}));
        client.expect_error("unauthorized");
        assert_eq!(client.expect_error("not_identified")["id"], 1);
    })
    .await;
}

#[actix_rt::test]
async fn program_kicks_a_user() {
    let running = start();
    let address = running.server;
    let mut client = beside(move || {
        let mut client = Client::greeted(address);
        client.command("idme", claim("accept"));
        client.expect("welcome");
        client
    })
    .await;
    let user = turntable_core::id::UserId::parse("1:1").unwrap();
    assert_eq!(running.kick(&user, None).await.unwrap(), 1);
    beside(move || {
        client.expect_error("forbidden");
        client.expect_close(4005);
    })
    .await;
}
