//! What a client commands over all its connections, and proof that each command
//! took effect once and in order.
//!
//! The client repeats what the server has not accepted, as it learns from the
//! server. Witnesses, clients whose connections are never cut, read the effects:
//! messages on a channel, actions in a room, attributes of the user.

use std::collections::{BTreeSet, VecDeque};

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
    /// Calls a service that nobody offers: refused.
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

/// All commands of one client.
#[derive(Debug)]
pub struct Journal {
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
    /// user, channel and room.
    pub fn new(name: &str) -> Self {
        Self {
            user: format!("j:{name}"),
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
        for kind in [Kind::Publish, Kind::Game, Kind::Set] {
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
            Kind::Call => ("call", json!({"f": "forum:createPost", "args": number})),
            Kind::Unknown | Kind::Unreadable => ("dance", json!(number)),
        }
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
        let is_refused = matches!(issued.kind, Kind::Call | Kind::Unknown);
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
        let kinds = [Kind::Call, Kind::Unknown, Kind::Unreadable];
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
}

impl Witness {
    /// Begins to watch.
    pub fn new(server: &Server, journal: &Journal) -> Self {
        let mut other = server.user(&format!("w{}", journal.user));
        other.request("joinchannel", json!({"channel": journal.channel}));
        let join = json!({"channel": journal.room, "self": format!("w{}", journal.user)});
        other.command("joingame", join);
        other.expect("joined");
        let mirror = server.user(&journal.user);
        Self { other, mirror }
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
                Some("memberchange") => {}
                _ => panic!("{message}"),
            }
        }
        assert_eq!(messages, published);
        assert_eq!(actions, acted);
        let set = journal.numbers(Kind::Set);
        let mut attributes = Vec::new();
        while attributes.last() != set.last() {
            let data = self.mirror.expect("attributes");
            attributes.extend(data["number"].as_u64());
        }
        assert_eq!(attributes, set);
    }
}
