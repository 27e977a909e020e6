//! What a client commands over all its connections, and proof that each command
//! took effect once and in order.
//!
//! The client repeats what the server has not accepted, as it learns from the
//! server. Witnesses, clients whose connections are never cut, read the effects:
//! messages on a channel, actions in a room, attributes of the user, calls of a service.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::{Client, Random, Server};

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Publishes its number.
    Publish,
    /// Sends its number as an action.
    Game,
    /// Sets an attribute to its number.
    Set,
    /// Calls a service with its number.
    Call,
    /// No command of the protocol: refused.
    Unknown,
    /// What no decoder reads: refused, and the error has no `id`.
    Unreadable,
}

/// A command, by its place among all of its client.
#[derive(Debug, Clone, Copy)]
pub struct Issued {
    /// What it is for.
    pub kind: Kind,
    /// Its number, from 1; also its `id`.
    pub number: u64,
}

/// How many journals one process may have.
const JOURNALS_MAX: usize = 16;

/// The number of the next journal of this process.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A server with a service for each journal of this process, and these keys.
pub fn server(keys: &[(&str, &str)]) -> Server {
    let mut file = String::new();
    for number in 0..JOURNALS_MAX {
        // A user is sent the services that it may call, and of no other.
        writeln!(
            file,
            "[services.journal{number}]\nproviders = [\"p:{number}\"]\n\
             callers = [\"j:{number}\"]\ntimeout_ms = 60000\nin_flight_max = 100000"
        )
        .unwrap();
    }
    Server::configured(&file, keys)
}

/// All commands of one client.
#[derive(Debug)]
pub struct Journal {
    number: usize,
    user: String,
    channel: String,
    room: String,
    issued: Vec<Issued>,
    /// How many commands were accepted before the first.
    before: u64,
    /// How many of `issued` are known to be accepted.
    accepted: usize,
    answered: BTreeSet<u64>,
    unreadable_errors: usize,
    /// Actions that were sent and did not come back yet.
    actions: VecDeque<u64>,
}

impl Journal {
    /// The journal of a client that has not commanded anything; `name` makes its
    /// channel and room. Its server is of [`server`].
    pub fn new(name: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(number < JOURNALS_MAX);
        Self {
            number,
            user: format!("j:{number}"),
            channel: format!("journal/{name}"),
            room: format!("journal-{name}"),
            issued: Vec::new(),
            before: 0,
            accepted: 0,
            answered: BTreeSet::new(),
            unreadable_errors: 0,
            actions: VecDeque::new(),
        }
    }

    /// Its client's user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The channel it publishes on.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The data of the `joingame` that has to come first.
    pub fn join(&self) -> Value {
        json!({"channel": self.room, "self": self.user})
    }

    /// The server has accepted so many commands by now, none of which is of the
    /// journal.
    pub fn begin_at(&mut self, accepted: u64) {
        self.before = accepted;
    }

    /// Adds one command.
    pub fn issue(&mut self, kind: Kind) {
        let number = self.issued.len() as u64 + 1;
        self.issued.push(Issued { kind, number });
        if kind == Kind::Game {
            self.actions.push_back(number);
        }
    }

    /// Adds the last commands: one of each kind that has an effect, so that an
    /// effect that came twice or late would come before theirs.
    pub fn issue_last(&mut self) {
        for kind in [Kind::Publish, Kind::Game, Kind::Set, Kind::Call] {
            self.issue(kind);
        }
    }

    /// Adds fewer than `bound` commands of any kind.
    pub fn issue_some(&mut self, random: &mut Random, bound: u64) {
        let kinds = [
            Kind::Publish,
            Kind::Publish,
            Kind::Game,
            Kind::Game,
            Kind::Set,
            Kind::Call,
            Kind::Unknown,
            Kind::Unreadable,
        ];
        for _ in 0..random.below(bound) {
            self.issue(kinds[random.index(kinds.len())]);
        }
    }

    /// The commands that are not known to be accepted.
    pub fn rest(&self) -> &[Issued] {
        &self.issued[self.accepted..]
    }

    /// The session's count of the first of [`rest`](Self::rest).
    pub fn next_count(&self) -> u64 {
        self.before + self.accepted as u64 + 1
    }

    /// The session's count of all commands.
    pub fn count(&self) -> u64 {
        self.before + self.issued.len() as u64
    }

    /// The server says that it has accepted so many, of the rest at most `sent`.
    pub fn accept(&mut self, count: u64, sent: usize) {
        let known = self.next_count() - 1;
        let possible = known..=known + sent as u64;
        assert!(possible.contains(&count), "{count} is not in {possible:?}");
        self.accepted = (count - self.before) as usize;
    }

    /// Name and data of a command, but of an unreadable one.
    pub fn command(&self, issued: Issued) -> (&'static str, Value) {
        let number = issued.number;
        match issued.kind {
            Kind::Publish => ("publish", json!({"channel": self.channel, "data": number})),
            Kind::Game => {
                let action = json!({"timestamp": 1, "from": self.user, "data": number});
                ("game", json!({"channel": self.room, "actions": [action]}))
            }
            Kind::Set => ("set", json!({"number": number})),
            Kind::Call => ("call", json!({"f": self.function(), "args": number})),
            Kind::Unknown | Kind::Unreadable => ("dance", json!(number)),
        }
    }

    /// The function that it calls.
    fn function(&self) -> String {
        format!("journal{}:record", self.number)
    }

    /// A message or entry that the client received: an answer comes once, and
    /// actions come back in order.
    pub fn receive(&mut self, message: &Value) {
        if message["command"] == "game" {
            for action in message["data"]["actions"].as_array().unwrap() {
                assert_eq!(self.actions.pop_front(), action["data"].as_u64());
            }
            return;
        }
        let is_error = message["command"] == "error" || message["error"].is_object();
        let Some(number) = message["id"].as_u64() else {
            self.unreadable_errors += usize::from(is_error);
            return;
        };
        let issued = self.issued[number as usize - 1];
        let is_refused = issued.kind == Kind::Unknown;
        assert_eq!(is_error, is_refused, "{issued:?} is answered by {message}");
        assert!(self.answered.insert(number), "answered twice: {message}");
    }

    /// A command is sent in a form that is not answered.
    pub fn has_no_answer(&mut self, number: u64) {
        self.answered.insert(number);
    }

    /// Whether every command was answered that has an answer. Errors without an
    /// `id` count where `with_errors`.
    pub fn is_answered(&self, with_errors: bool) -> bool {
        let of = |kind| self.numbers(kind).len();
        let answers = of(Kind::Publish) + of(Kind::Set) + of(Kind::Call) + of(Kind::Unknown);
        let errors = of(Kind::Unreadable);
        assert!(self.unreadable_errors <= errors);
        self.answered.len() == answers
            && self.actions.is_empty()
            && (!with_errors || self.unreadable_errors == errors)
    }

    /// How many commands are refused.
    pub fn refused(&self) -> usize {
        let kinds = [Kind::Unknown, Kind::Unreadable];
        kinds.map(|kind| self.numbers(kind).len()).iter().sum()
    }

    fn numbers(&self, kind: Kind) -> Vec<u64> {
        let issued = self.issued.iter().filter(|issued| issued.kind == kind);
        issued.map(|issued| issued.number).collect()
    }
}

/// Clients that see what the commands of a [`Journal`] do.
#[derive(Debug)]
pub struct Witness {
    /// On the channel and in the room.
    other: Client,
    /// Of the same user.
    mirror: Client,
    /// The service: the numbers that it was called with.
    service: JoinHandle<Vec<u64>>,
}

/// The number of the call that ends the service.
const END: u64 = 0;

/// Whether a new session of the journal's user is sent that the service is there. New
/// connections go to the workers in turn.
fn is_enabled(server: &Server, journal: &Journal, service: &str) -> bool {
    let mut client = server.connect();
    let welcome = client.identify(journal.user());
    client.bye();
    welcome["services"][service]["state"] == "enabled"
}

/// Provides the service of a journal, and records its calls until the last one.
fn provide(server: &Server, journal: &Journal) -> JoinHandle<Vec<u64>> {
    let mut client = server.user(&format!("p:{}", journal.number));
    let service = format!("journal{}", journal.number);
    let services = json!({"services": {service: ["record"]}});
    client.send(json!({"command": "provide", "data": services, "id": 1}));
    client.await_command("reply");
    // Both workers know it, so that no client is sent it later.
    let service = format!("journal{}", journal.number);
    for _ in 0..4 {
        while !is_enabled(server, journal, &service) {}
    }
    std::thread::spawn(move || {
        let mut numbers = Vec::new();
        loop {
            let call = client.next();
            if call["command"] != "call" {
                continue;
            }
            client.send(json!({"command": "reply", "data": null, "id": call["id"]}));
            match call["data"]["args"].as_u64().unwrap() {
                END => return numbers,
                number => numbers.push(number),
            }
        }
    })
}

impl Witness {
    /// Begins to watch.
    pub fn new(server: &Server, journal: &Journal) -> Self {
        let service = provide(server, journal);
        let mut other = server.user(&format!("w{}", journal.user));
        other.request("joinchannel", json!({"channel": journal.channel}));
        let join = json!({"channel": journal.room, "self": format!("w{}", journal.user)});
        other.command("joingame", join);
        other.expect("joined");
        let mirror = server.user(&journal.user);
        Self {
            other,
            mirror,
            service,
        }
    }

    /// The number of the next message on the channel.
    pub fn published(&mut self) -> u64 {
        self.other.await_command("message")["data"]
            .as_u64()
            .unwrap()
    }

    /// Every effect of the journal's commands has to be there once and in order,
    /// and no other. The journal ends with commands of all kinds that have an
    /// effect, behind which nothing may follow.
    pub fn check(mut self, journal: &Journal) {
        let published = journal.numbers(Kind::Publish);
        let acted = journal.numbers(Kind::Game);
        let (mut messages, mut actions) = (Vec::new(), Vec::new());
        while messages.last() != published.last() || actions.last() != acted.last() {
            let message = self.other.next();
            let data = &message["data"];
            match message["command"].as_str() {
                Some("message") => messages.extend(data["data"].as_u64()),
                Some("game") => {
                    let came = data["actions"].as_array().unwrap().iter();
                    actions.extend(came.filter_map(|action| action["data"].as_u64()));
                }
                // A worker may learn late of the journal's service.
                Some("memberchange" | "service") => {}
                _ => panic!("{message}"),
            }
        }
        assert_eq!(messages, published);
        assert_eq!(actions, acted);
        let set = journal.numbers(Kind::Set);
        let mut attributes = Vec::new();
        while attributes.last() != set.last() {
            let data = self.mirror.await_command("attributes");
            attributes.extend(data["number"].as_u64());
        }
        assert_eq!(attributes, set);
        let end = json!({"f": journal.function(), "args": END});
        self.mirror
            .send(json!({"command": "call", "data": end, "id": "end"}));
        self.mirror.await_command("reply");
        let called = self.service.join().unwrap();
        assert_eq!(called, journal.numbers(Kind::Call));
    }
}
