//! Many users who do everything at random, for a while: every transport, cuts,
//! resumes, slow readers, floods, garbage and lost actors. At the end every view is
//! right, and after the timeouts nothing is left.
//!
//! It runs for a few seconds with all tests, and for `TURNTABLE_TEST_SOAK_SECONDS` where
//! that is set (`cargo xtask soak`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod life;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use turntable_testkit::metric::{
    ABSENT_WATCHED, ACTORS_LOST, AVATARS, CHANNELS, CLOSED_TOO_SLOW, CONNECTIONS, HTTP_CONNECTIONS,
    INVITES, ROOMS, SESSIONS,
};
use turntable_testkit::{Client, DEADLINE, Opcode, Random, Server};

/// Users who take part.
const USERS: u64 = 40;
/// Lives at one time.
const LIVES: u64 = 12;
/// How long a soak takes without another word, in seconds.
const SECONDS: u64 = 6;

/// From how many lives on the memory has settled.
const MANY_LIVES: u64 = 50_000;

/// A client that was too slow has 30 s to read up to its end, and one whose transport
/// has no socket of its own may come back for it.
const EMPTY_WITHIN: Duration = Duration::from_secs(45);

/// What is 0 some time after everyone has gone.
const EMPTIED: [&str; 13] = [
    SESSIONS,
    "turntable_sessions_detached",
    CONNECTIONS,
    HTTP_CONNECTIONS,
    AVATARS,
    ROOMS,
    CHANNELS,
    INVITES,
    ABSENT_WATCHED,
    "turntable_history_bytes",
    "turntable_outbox_bytes",
    "turntable_answer_bytes",
    "turntable_waiting_calls",
];

const KEYS: &[(&str, &str)] = &[
    ("test_faults", "1"),
    ("presence.grace_ms", "200"),
    ("session.resume_ms", "1500"),
    ("session.outbox_bytes_max", "262144"),
    ("session.replay_bytes_max", "65536"),
    ("room.seat_ms", "500"),
    ("room.empty_ms", "300"),
    ("room.invite_ttl_ms", "1000"),
    ("channel.empty_ms", "300"),
    ("poll.gone_ms", "1000"),
    ("tunnel.gap_ms", "500"),
    ("socketio.ping_interval_ms", "500"),
    // A client is never so late, also on a machine that has other work.
    ("socketio.ping_timeout_ms", "15000"),
    ("session.identify_timeout_ms", "1000"),
    ("session.error_burst", "1000"),
    ("limits.session", "{ per_second = 0, burst = 1 }"),
    ("limits.connection_session", "{ per_second = 0, burst = 1 }"),
    ("limits.resume", "{ per_second = 0, burst = 1 }"),
    ("limits.tls_handshake", "{ per_second = 0, burst = 1 }"),
];

fn user(number: u64) -> String {
    format!("1:{number}")
}

/// What one watcher believes of all users.
struct View {
    client: Client,
    states: HashMap<String, Value>,
}

impl View {
    fn open(server: &Server, name: &str) -> Self {
        let mut client = server.user(name);
        let users: Vec<String> = (0..USERS).map(user).collect();
        client.command("subscribe", json!(users));
        Self {
            client,
            states: HashMap::new(),
        }
    }

    /// Reads what has come by now.
    fn catch_up(&mut self) {
        // Not as often as the rate of `time` would refuse.
        std::thread::sleep(Duration::from_millis(60));
        self.client
            .send(json!({"command": "time", "data": {"t0": 0}, "id": "caught up"}));
        loop {
            let message = self.client.next();
            if message["id"] == "caught up" {
                return;
            }
            if message["command"] == "userchange" {
                for (user, state) in message["data"].as_object().unwrap() {
                    self.states.insert(user.clone(), state.clone());
                }
            }
        }
    }
}

/// What a fresh look says of all users.
fn truth(server: &Server, name: &str) -> HashMap<String, Value> {
    let mut view = View::open(server, name);
    while view.states.len() < USERS as usize {
        view.catch_up();
    }
    let states = std::mem::take(&mut view.states);
    view.client.bye();
    states
}

#[test]
fn nothing_is_wrong_and_nothing_is_left() {
    let seconds = std::env::var("TURNTABLE_TEST_SOAK_SECONDS")
        .map_or(SECONDS, |seconds| seconds.parse().unwrap());
    // Histories end with the test, and are cut by count, size and age meanwhile.
    let file = "[channels.\"**\"]\nhistory_max = 10\nhistory_ms = 1000\nhistory_bytes_max = 4096\n";
    let server = Server::configured(file, KEYS);
    let mut views: Vec<View> = (0..3)
        .map(|number| View::open(&server, &format!("9:{number}")))
        .collect();
    let (is_over, lived) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let mut middle = 0;
    std::thread::scope(|scope| {
        for seed in 0..LIVES {
            let (server, is_over, lived) = (&server, &is_over, &lived);
            scope.spawn(move || {
                let mut random = Random::new(seed + begun.elapsed().as_nanos() as u64);
                while !is_over.load(Ordering::Relaxed) {
                    life::live(server, &mut random, &user(random_user(seed, lived)));
                    lived.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            let is_over = || is_over.load(Ordering::Relaxed);
            for number in (0..).take_while(|_| !is_over()) {
                // The first of them is seen to its end in the shortest run, too.
                life::read_too_slowly(&server, number, || number > 0 && is_over());
            }
        });
        while begun.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_millis(100));
            for view in &mut views {
                view.catch_up();
            }
            if middle == 0 && begun.elapsed() > Duration::from_secs(seconds) / 2 {
                middle = server.resident_bytes();
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    println!(
        "{} lives in {seconds} s; {} MB resident in the middle, {} MB at the end",
        lived.load(Ordering::Relaxed),
        middle / 1_000_000,
        server.resident_bytes() / 1_000_000
    );
    // Everyone has gone: each view gets there, and is what a fresh look says.
    let until = Instant::now() + DEADLINE;
    loop {
        let truth = truth(&server, "9:truth");
        for view in &mut views {
            view.catch_up();
        }
        let is_right = views.iter().all(|view| view.states == truth);
        let is_quiet = truth.values().all(|state| state == "offline");
        if is_right && is_quiet {
            break;
        }
        assert!(
            Instant::now() < until,
            "a view differs from {truth:?}: {:?}",
            views.iter().map(|view| &view.states).collect::<Vec<_>>()
        );
    }
    for view in views {
        view.client.bye();
    }
    for metric in EMPTIED {
        await_nothing(&server, metric);
    }
    for line in gauges(&server) {
        let is_of_transport = line.starts_with("turntable_connections_by_transport");
        assert!(!is_of_transport || line.ends_with(" 0"), "{line}");
    }
    assert!(server.metric(ACTORS_LOST) > 0.0, "no actor was lost");
    assert!(server.metric(CLOSED_TOO_SLOW) > 0.0, "nobody was too slow");
    if lived.load(Ordering::Relaxed) >= MANY_LIVES {
        let end = server.resident_bytes();
        assert!(end < middle * 5 / 4, "{end} bytes, {middle} in the middle");
    }
    let log = server.log();
    let errors = log.lines().filter(|line| line.contains(" ERROR "));
    let unexpected: Vec<&str> = errors
        .filter(|line| !line.contains("a fault for a test") && !line.contains("panicked"))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

/// Waits until a metric and those of its workers are 0, and says what else is left if one
/// is not.
fn await_nothing(server: &Server, metric: &str) {
    let of_metric = |line: &String| line.split(['{', ' ']).next() == Some(metric);
    let until = Instant::now() + EMPTY_WITHIN;
    loop {
        let gauges = gauges(server);
        let mut counts = gauges.iter().filter(|line| of_metric(line));
        if counts.all(|line| line.ends_with(" 0")) {
            return;
        }
        let left: Vec<_> = gauges.iter().filter(|line| !line.ends_with(" 0")).collect();
        assert!(Instant::now() < until, "{metric} is not 0: {left:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The lines of all metrics that count what is there now.
fn gauges(server: &Server) -> Vec<String> {
    let page = server.manage("/metrics");
    let is_gauge = |line: &&str| !line.contains("_total") && !line.contains("_bucket");
    let lines = page.text().lines().filter(|line| !line.starts_with('#'));
    lines.filter(is_gauge).map(str::to_owned).collect()
}

/// The next user of a life, so that some of them share one.
fn random_user(seed: u64, lived: &AtomicU64) -> u64 {
    Random::new(seed * 1_000_003 + lived.load(Ordering::Relaxed)).below(USERS)
}

/// Whether a frame ends a connection.
fn is_close(frame: &turntable_testkit::Frame) -> bool {
    frame.opcode == Opcode::CLOSE
}
