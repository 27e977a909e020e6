//! Drives a session over its connections: connects, carries out effects, and comes back
//! after a lost connection.
//!
//! One task for each client. Commands wait in the channel of the handles while there is
//! no connection, and while the session has no room for more; their callers give up at
//! their own deadlines.

mod effect;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::Uri;

use turntable_core::id::UserId;
use turntable_core::packet::ClientPacket;
use turntable_core::payload::Payload;

use crate::backoff::{Backoff, Loss, random};
use crate::client::{Line, Op, State};
use crate::connection::{Connection, Received, closed};
use crate::error::{Disconnection, Ended};
use crate::event::Event;
use crate::exchange::unix_ms;
use crate::follow::may_follow;
use crate::identity::Identity;
use crate::options::ClientBuilder;
use crate::service::{Answered, Services};
use crate::session::{Claim, Command, Delayed, Session};

/// How long a connection may take to its welcome.
const WELCOME: Duration = Duration::from_secs(20);
/// Messages, and commands, of one turn.
const TURN_MAX: usize = 256;
/// The longest sleep, where nothing else is due.
const LOOK: Duration = Duration::from_secs(60);

/// How a connection ended.
enum End {
    /// It was lost.
    Lost(Disconnection),
    /// It is of no use to this client. Perhaps the server said how long to wait.
    Dropped(Disconnection, Option<u64>),
    /// It is over.
    Over(Ended),
}

/// A move that the server requested.
struct Move {
    wait_ms: u64,
    url: Option<String>,
}

pub(crate) struct Driver {
    options: ClientBuilder,
    /// Where the client was sent to, and where it connects now.
    home: Uri,
    uri: Uri,
    identity: Identity,
    line: Line,
    session: Session,
    services: Services,
    answers: mpsc::UnboundedReceiver<Answered>,
    /// New credentials before the last ones expire.
    renewed: mpsc::UnboundedSender<Option<Payload>>,
    renewals: mpsc::UnboundedReceiver<Option<Payload>>,
    /// A command that waits for its rate.
    delayed: Option<Delayed>,
    /// An answer of a function that waits for the rate of bytes: commands do not delay it.
    delayed_answer: Option<Delayed>,
    moved: Option<Move>,
    backoff: Backoff,
    unsent: Vec<Message>,
    user: Option<UserId>,
    started: Instant,
}

impl Driver {
    pub(crate) fn new(options: ClientBuilder, uri: Uri, claim: Claim, line: Line) -> Self {
        let (answered, answers) = mpsc::unbounded_channel();
        let (renewed, renewals) = mpsc::unbounded_channel();
        let session = Session::new(options.encoding, options.credentials.is_renewable());
        Self {
            home: uri.clone(),
            uri,
            identity: Identity::new(claim, options.credentials.clone()),
            line,
            session,
            services: Services::new(answered),
            answers,
            renewed,
            renewals,
            delayed: None,
            delayed_answer: None,
            moved: None,
            backoff: Backoff::default(),
            unsent: Vec::new(),
            user: None,
            started: Instant::now(),
            options,
        }
    }

    /// Runs until the client ends.
    pub(crate) async fn run(mut self) {
        let why = loop {
            let (end, lasted) = self.live().await;
            self.leave();
            let (end, asked_ms, is_cut) = match end {
                End::Over(why) => break why,
                End::Lost(end) => {
                    let is_cut = end.code.is_none();
                    (end, None, is_cut)
                }
                End::Dropped(end, asked_ms) => (end, asked_ms, false),
            };
            let why = self.session.lost(&end);
            let why = why.or_else(|| match self.options.reconnect {
                Some(_) => None,
                None => Some(Ended::Lost(end.text.clone())),
            });
            self.line.state.send_replace(State::Away(self.user.clone()));
            if let Some(why) = why {
                self.tell(Event::Disconnected {
                    disconnection: end,
                    retry_ms: None,
                });
                break why;
            }
            let moved = self.moved.take();
            let asked_ms = asked_ms.or(moved.as_ref().map(|moved| moved.wait_ms));
            let loss = Loss {
                code: end.code,
                lasted,
                asked: asked_ms.map(Duration::from_millis),
                is_cut,
            };
            let bounds = self.options.reconnect.unwrap_or_default();
            let delay = self.backoff.delay(bounds, loss, random());
            self.choose(moved, lasted.is_some());
            let retry_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            self.tell(Event::Disconnected {
                disconnection: end,
                retry_ms: Some(retry_ms),
            });
            tokio::select! {
                () = sleep(delay) => {}
                () = closed(&mut self.line.closing) => break Ended::Closed,
            }
        };
        self.end(&why);
    }

    /// Where the next connection goes. An address that the server named and that did not
    /// work is left.
    fn choose(&mut self, moved: Option<Move>, was_online: bool) {
        let named = moved.and_then(|moved| moved.url);
        let named = named.and_then(|url| url.parse::<Uri>().ok());
        match named.filter(|uri| may_follow(&self.home, uri)) {
            Some(uri) => self.uri = uri,
            _ if !was_online => self.uri = self.home.clone(),
            _ => {}
        }
    }

    fn end(mut self, why: &Ended) {
        self.session.end(why);
        self.line.state.send_replace(State::Ended(why.clone()));
        // Commands in the channel end with it: their callers see the state.
    }

    /// One connection. Returns how long it had its welcome, too.
    async fn live(&mut self) -> (End, Option<Duration>) {
        let (uri, encoding) = (self.uri.clone(), self.options.encoding);
        let tls = self.options.tls.clone();
        let mut connection = tokio::select! {
            opened = Connection::open(&uri, encoding, tls) => match opened {
                Ok(connection) => connection,
                Err(end) => return (End::Lost(end), None),
            },
            () = closed(&mut self.line.closing) => return (End::Over(Ended::Closed), None),
        };
        let begun = Instant::now();
        let mut welcomed = None;
        loop {
            if let Err(end) = self.turn(&mut connection).await {
                return (end, welcomed.map(|at: Instant| at.elapsed()));
            }
            if welcomed.is_none() {
                if self.session.is_online() {
                    welcomed = Some(Instant::now());
                } else if begun.elapsed() > WELCOME {
                    let end = Disconnection::lost("no welcome in time");
                    return (End::Dropped(end, None), None);
                }
            }
        }
    }

    /// Waits for what comes next, and handles all that is there.
    async fn turn(&mut self, connection: &mut Connection) -> Result<(), End> {
        let has_room = self.session.has_room();
        let can_answer = has_room && self.delayed_answer.is_none();
        let can_send = has_room && self.delayed.is_none();
        let wait = self.wait();
        tokio::select! {
            received = connection.next() => {
                self.receive(received)?;
                for _ in 0..TURN_MAX {
                    match connection.ready() {
                        Some(received) => self.receive(received)?,
                        None => break,
                    }
                }
            }
            answered = self.answers.recv(), if can_answer => {
                if let Some(answered) = answered {
                    self.reply(answered);
                }
            }
            op = self.line.ops.recv(), if can_send => match op {
                Some(op) => self.serve(op),
                // All handles are dropped.
                None => return Err(self.bye(connection).await),
            },
            renewal = self.renewals.recv() => {
                let now_ms = self.now_ms();
                self.session.renew(renewal.flatten(), now_ms);
            }
            () = sleep(wait) => {}
            () = closed(&mut self.line.closing) => return Err(self.bye(connection).await),
        }
        self.pump();
        self.session.tick(self.now_ms(), unix_ms());
        self.apply().await?;
        if self.unsent.is_empty() {
            return Ok(());
        }
        let frames = std::mem::take(&mut self.unsent);
        connection.write(frames).await.map_err(End::Lost)
    }

    /// How long until something is due.
    fn wait(&self) -> Duration {
        let delayed = self.delayed.iter().chain(&self.delayed_answer);
        // Without room it is not sent when its time has come.
        let delayed = delayed.filter(|_| self.session.has_room());
        let delayed_ms = delayed.map(|delayed| delayed.until_ms).min();
        let due_ms = [delayed_ms, self.session.next_ms()]
            .into_iter()
            .flatten()
            .min();
        let wait = due_ms.map(|at_ms| Duration::from_millis(at_ms.saturating_sub(self.now_ms())));
        let most = if self.session.is_online() {
            LOOK
        } else {
            WELCOME
        };
        wait.unwrap_or(most).min(most)
    }

    fn receive(&mut self, received: Result<Received, Disconnection>) -> Result<(), End> {
        let now_ms = self.now_ms();
        match received.map_err(End::Lost)? {
            Received::Message(text) => self.session.message(&text, now_ms),
            Received::Sign => self.session.sign(now_ms),
            Received::Unreadable => self.session.unreadable_frame(now_ms),
        }
        Ok(())
    }

    /// Sends what waits: answers, desired state of a new session, commands.
    fn pump(&mut self) {
        for _ in 0..TURN_MAX {
            let has_room = self.session.has_room();
            if !(has_room && (self.send_answer() | self.send_command())) {
                return;
            }
        }
    }

    /// Sends the next answer. Returns whether there was one that may be sent.
    fn send_answer(&mut self) -> bool {
        let now_ms = self.now_ms();
        match self
            .delayed_answer
            .take_if(|delayed| delayed.until_ms <= now_ms)
        {
            Some(delayed) => self.answer(delayed.command),
            None if self.delayed_answer.is_some() => return false,
            None => match self.answers.try_recv() {
                Ok(answered) => self.reply(answered),
                Err(_) => return false,
            },
        }
        true
    }

    /// Sends the next command. Returns whether there was one that may be sent.
    fn send_command(&mut self) -> bool {
        let now_ms = self.now_ms();
        match self.delayed.take_if(|delayed| delayed.until_ms <= now_ms) {
            Some(delayed) => self.send(delayed.command),
            None if self.delayed.is_some() => return false,
            None => match self.session.restoring() {
                Some(command) => self.send(command),
                None => match self.line.ops.try_recv() {
                    Ok(op) => self.serve(op),
                    Err(_) => return false,
                },
            },
        }
        true
    }

    fn serve(&mut self, op: Op) {
        match op {
            Op::Send(command) => self.send(command),
            Op::Provide { name, table, done } => {
                let functions = table.names();
                self.services.provide(name.clone(), table);
                self.send(Command {
                    packet: ClientPacket::Provide(vec![(name.into(), functions)]),
                    answers: None,
                    done: Some(done),
                });
            }
            Op::Drain { name, done } => self.services.drain(name, done),
        }
    }

    fn send(&mut self, command: Command) {
        let now_ms = self.now_ms();
        self.delayed = self.session.send(command, now_ms);
    }

    /// A function has answered: the answer is sent if it is still awaited.
    fn reply(&mut self, answered: Answered) {
        let Answered {
            session,
            call,
            result,
        } = answered;
        if session == self.session.number() && self.services.awaits(call) {
            self.answer(Command {
                packet: ClientPacket::Reply { result },
                answers: Some(call),
                done: None,
            });
        }
    }

    fn answer(&mut self, reply: Command) {
        let (now_ms, call) = (self.now_ms(), reply.answers);
        self.delayed_answer = self.session.send(reply, now_ms);
        if let Some(call) = call
            && self.delayed_answer.is_none()
        {
            self.services.finish(call);
        }
    }

    fn tell(&self, event: Event) {
        // Nobody may listen.
        let _ = self.line.events.send(Arc::new(event));
    }

    /// Ends the session, behind the answers that are there.
    async fn bye(&mut self, connection: &mut Connection) -> End {
        self.pump();
        if self.apply().await.is_ok() {
            let mut frames = std::mem::take(&mut self.unsent);
            frames.push(self.session.bye());
            if connection.write(frames).await.is_ok() {
                connection.finish().await;
            }
        }
        End::Over(Ended::Closed)
    }

    fn now_ms(&self) -> u64 {
        let ms = self.started.elapsed().as_millis();
        u64::try_from(ms).unwrap_or(u64::MAX)
    }
}
