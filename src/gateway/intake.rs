//! Whether a gateway reads from its sockets.
//!
//! It stops while a worker of the node is behind: more messages wait there than
//! `server.mailbox_max`. What clients send then waits in their sockets, and TCP
//! slows them down, instead of filling a mailbox that has no bound. Only reading
//! stops: deliveries are taken and written, timers run and HTTP requests are
//! served, so a worker that is behind always gets on.
//!
//! It also stops for the rest of a turn when commands have made much work: each counts, and so
//! does each user that it names. What else came in since then has its turn before the rest.
//! Commands that came in one read or one request take turns in the same way: behind some of
//! them the connection waits (`Effect::Continue`), and goes on in the next turn if this one
//! had its work. So do the parts of a command that names many users, and the commands of
//! requests beside a connection (`session/command_queue.rs`). While calls wait at a worker, less of
//! them goes on: those that they make would be before those of others.

use crate::cluster::burst::Burst;
use crate::gateway::Gateway;
use turntable_core::key::ConnKey;

/// Bytes read between two looks at the mailboxes.
const LOOK_BYTES: u64 = 16_384;

/// Work of commands in one turn, before the rest waits for the next: users that are named.
const WORK_PER_TURN: usize = 256;

/// More of it that sockets may make which have little to be read: their clients do not wait
/// for those that name many users.
const LITTLE_WORK: usize = 256;

/// Bytes that are little.
const LITTLE_BYTES: usize = 512;

/// What a command counts for beside them.
const COMMAND_WORK: usize = 1;

/// Commands that are taken of one read or one request before its connection waits for others.
pub(crate) const COMMANDS_AT_ONCE: usize = 32;

/// Calls that wait at a worker while what takes turns waits for them to be handled.
const CROWD: u64 = 1_000;

/// Users of a command that are taken before it waits for others.
pub(crate) const USERS_AT_ONCE: usize = 64;

/// Whether sockets are read. Pure.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    is_paused: bool,
    /// Whether nothing is read any more, as the process ends.
    is_stopped: bool,
    /// Bytes read since the last look.
    unlooked_bytes: u64,
    /// What the commands of this turn count for.
    work: usize,
    /// What sessions left that ended in this turn: users that they watched.
    left: usize,
    /// Whether none of those that wait went on in the last turn.
    has_waited: bool,
    /// The messages of the mailbox since the last turn.
    pub(crate) burst: Burst,
}

impl Intake {
    /// Whether reading has stopped.
    pub(crate) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Nothing is read from now on.
    pub(crate) const fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Whether sockets are read, in this turn or in the next.
    pub(crate) const fn reads(&self) -> bool {
        !(self.is_paused || self.is_stopped)
    }

    /// Whether nothing more is read in this turn.
    pub(crate) const fn is_over(&self) -> bool {
        !self.reads() || self.is_spent()
    }

    /// Whether the commands of this turn have made as much work as they may.
    pub(crate) const fn is_spent(&self) -> bool {
        self.work >= WORK_PER_TURN
    }

    /// Whether sockets are read that have little.
    const fn takes_little(&self) -> bool {
        self.reads() && self.work < WORK_PER_TURN + LITTLE_WORK
    }

    /// Whether connections that wait go on in this turn, while workers are crowded or not; in
    /// each second one they do.
    pub(crate) const fn goes_on(&mut self, is_crowded: bool) -> bool {
        let goes_on = !(self.is_spent() || is_crowded) || self.has_waited;
        self.has_waited = !goes_on;
        goes_on
    }

    /// Another turn begins.
    pub(crate) const fn begin_turn(&mut self) {
        self.work = 0;
        self.left = 0;
        self.burst.begin();
    }

    /// A command is carried out.
    pub(crate) const fn serves(&mut self) {
        self.names(COMMAND_WORK);
    }

    /// A command names so many users.
    pub(crate) const fn names(&mut self, users: usize) {
        self.work = self.work.saturating_add(users);
    }

    /// A session ends that watched so many users.
    pub(crate) const fn leaves(&mut self, users: usize) {
        self.left = self.left.saturating_add(COMMAND_WORK + users);
    }

    /// Whether no more sessions end in this turn because their time is over.
    pub(crate) const fn has_ended_many(&self) -> bool {
        self.left >= WORK_PER_TURN
    }

    /// So many bytes were read. Returns whether it is time to look at the mailboxes.
    fn read(&mut self, bytes: u64) -> bool {
        self.unlooked_bytes += bytes;
        self.unlooked_bytes >= LOOK_BYTES
    }

    /// So many messages wait where the most do. Reading stops above `max` and begins
    /// again at half of it, so that it does not change with every message. Returns
    /// whether it stopped now.
    fn look(&mut self, waiting: u64, max: u64) -> bool {
        self.unlooked_bytes = 0;
        let was_paused = self.is_paused;
        self.is_paused = match was_paused {
            true => waiting > max / 2,
            false => waiting > max,
        };
        self.is_paused && !was_paused
    }
}

impl Gateway {
    /// Whether so many calls wait at a worker that those of other clients would wait for those
    /// of commands that take turns.
    pub(crate) fn is_crowded(&self) -> bool {
        let crowd = CROWD.min(self.settings.mailbox_max as u64);
        self.intake.is_paused() || self.shared.mailboxes.most_calls() >= crowd
    }

    /// Looks whether a worker is behind.
    pub(crate) fn look_at_mailboxes(&mut self) {
        let waiting = self.shared.mailboxes.most_waiting();
        if self.intake.look(waiting, self.settings.mailbox_max as u64) {
            self.shared.metrics.reading_paused.inc();
            log::debug!("{waiting} messages wait at a worker; reading pauses");
        }
    }

    /// So many bytes were read.
    pub(crate) fn note_read(&mut self, bytes: u64) {
        if self.intake.read(bytes) {
            self.look_at_mailboxes();
        }
    }

    /// Whether a connection's socket has little to be read.
    fn has_little(&self, key: ConnKey) -> bool {
        let connection = self.connections.get(key);
        let io = connection.and_then(|connection| connection.io.as_ref());
        io.is_some_and(|io| io.has_at_most(LITTLE_BYTES))
    }

    /// Reads a connection's socket, unless reading has stopped; then later.
    pub(crate) fn read_or_wait(&mut self, key: ConnKey) {
        if !self.intake.is_over() || (self.intake.takes_little() && self.has_little(key)) {
            return self.read(key);
        }
        if let Some(connection) = self.connections.get_mut(key)
            && !std::mem::replace(&mut connection.has_unread, true)
        {
            self.lists.unread.push(key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::connection::io::Io;
    use crate::gateway::testing::{Noted, connect, gateway};
    use turntable_core::key::WorkerId;

    #[test]
    fn sockets_wait_unread_while_another_worker_is_behind() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let connection = connect(&mut gateway);
        let mailboxes = gateway.shared.mailboxes.clone();
        let queues = mailboxes.of(WorkerId(1)).unwrap();
        for _ in 0..=gateway.settings.mailbox_max {
            queues.calls.put();
        }
        gateway.look_at_mailboxes();
        for _ in 0..2 {
            gateway.read_or_wait(connection);
            assert!(!gateway.read_unread(), "nothing is to be done now");
            assert_eq!(gateway.lists.unread, [connection]);
        }
        for _ in 0..=gateway.settings.mailbox_max / 2 {
            queues.calls.take();
        }
        gateway.look_at_mailboxes();
        assert!(!gateway.read_unread());
        assert!(gateway.lists.unread.is_empty(), "it was read");
        assert_eq!(gateway.shared.metrics.reading_paused.get(), 1);
    }

    #[test]
    fn sockets_wait_for_the_next_turn_when_many_users_were_named() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let (first, second) = (connect(&mut gateway), connect(&mut gateway));
        gateway.intake.names(WORK_PER_TURN - 1);
        gateway.read_or_wait(first);
        assert!(gateway.lists.unread.is_empty());
        gateway.intake.names(1);
        gateway.read_or_wait(second);
        assert!(gateway.read_unread(), "the next turn is due at once");
        assert_eq!(gateway.lists.unread, [second]);
        gateway.intake.begin_turn();
        assert!(!gateway.read_unread());
        assert!(gateway.lists.unread.is_empty(), "it was read");
    }

    #[test]
    fn socket_with_little_is_read_beside_those_that_wait() {
        use std::io::Write as _;

        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut clients = Vec::new();
        let mut connect_with = |gateway: &mut Gateway, bytes: usize| {
            let key = connect(gateway);
            let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, _) = listener.accept().unwrap();
            client.write_all(&vec![b' '; bytes]).unwrap();
            let mut first = [0];
            server.peek(&mut first).unwrap();
            server.set_nonblocking(true).unwrap();
            let io = Io::Plain(mio::net::TcpStream::from_std(server));
            gateway.connections.get_mut(key).unwrap().io = Some(io);
            clients.push(client);
            key
        };
        let much = connect_with(&mut gateway, 2 * LITTLE_BYTES);
        let little = connect_with(&mut gateway, LITTLE_BYTES / 2);
        let waiting = |gateway: &mut Gateway, key| {
            gateway.read_or_wait(key);
            gateway.lists.unread.contains(&key)
        };
        gateway.intake.names(WORK_PER_TURN);
        assert!(waiting(&mut gateway, much));
        assert!(!waiting(&mut gateway, little));
        gateway.intake.names(LITTLE_WORK);
        assert!(waiting(&mut gateway, little), "they have an end, too");
    }

    #[test]
    fn connections_that_wait_go_on_in_each_second_turn() {
        let mut intake = Intake::default();
        let mut turn = |work| {
            intake.begin_turn();
            intake.names(work);
            intake.goes_on(false)
        };
        assert!(turn(1));
        let turns = [WORK_PER_TURN; 4].map(&mut turn);
        assert_eq!(turns, [false, true, false, true]);
    }

    #[test]
    fn reading_stops_above_the_limit_and_begins_again_at_half_of_it() {
        let mut intake = Intake::default();
        assert!(!intake.look(100, 100));
        assert!(!intake.is_paused());
        assert!(intake.look(101, 100));
        assert!(!intake.look(500, 100), "it has stopped already");
        assert!(!intake.look(51, 100));
        assert!(intake.is_paused());
        assert!(!intake.look(50, 100));
        assert!(!intake.is_paused());
        assert!(intake.look(101, 100));
    }

    #[test]
    fn mailboxes_are_looked_at_between_large_reads() {
        let mut intake = Intake::default();
        assert!(!intake.read(LOOK_BYTES - 1));
        assert!(intake.read(1));
        intake.look(0, 100);
        assert!(!intake.read(LOOK_BYTES - 1));
    }
}
