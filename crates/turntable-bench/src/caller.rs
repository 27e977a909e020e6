//! Clients that call and wait for the answer, each with some calls in flight: a closed
//! loop over every connection.

use std::time::{Duration, Instant};

use super::client::{Client, Script};
use super::encoding::{command, idme};
use super::error::BenchError;
use super::frame::ClientFrame;
use super::histogram::Histogram;
use super::links::{Address, Links};
use super::meter::{Cost, Meter};
use super::process::Process;
use super::server::Server;
use super::stamp::{BLANK, Finder, Stamp};

type Result<T> = std::result::Result<T, BenchError>;

/// Seconds that the last answers may take.
const PATIENCE_SECONDS: u64 = 10;
/// The id of every call: its answer is known by its stamp.
const ID: u32 = 7;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answerer {
    /// The server sends each frame back.
    Echo,
    /// A service of this name, with the function `echo`.
    Service(&'static str),
    /// A socket.io server acknowledges the event `call`.
    SocketIo,
}

impl Answerer {
    /// Its address at a server.
    fn address(self, server: &Address) -> Address {
        let path = match self {
            Self::Echo => "/echo",
            Self::Service(_) => &server.path,
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        };
        Address {
            path: path.to_owned(),
            ..server.clone()
        }
    }

    /// A call with so many bytes of arguments.
    fn call(self, bytes: usize) -> String {
        let bare = format!(r#"{{"pad":"","at":"{BLANK}"}}"#);
        let padding = "x".repeat(bytes.saturating_sub(bare.len()));
        let args = format!(r#"{{"pad":"{padding}","at":"{BLANK}"}}"#);
        match self {
            // As long as a call to a service.
            Self::Echo => Self::Service("local").call(bytes),
            Self::Service(name) => format!(
                r#"{{"command":"call","data":{{"f":"{name}:echo","args":{args}}},"id":{ID}}}"#
            ),
            Self::SocketIo => format!(r#"42{ID}["call",{args}]"#),
        }
    }
}

/// The measurements of one answerer.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) calls: u64,
    pub(super) cost: Cost,
    /// Processor seconds of a service that is a process of its own.
    pub(super) service_cpu: f64,
    pub(super) latency_us: Histogram,
    /// Answers that are missing, doubled or errors.
    pub(super) faults: u64,
}

impl Sample {
    /// The sum of all rounds; `None` if there was none.
    pub(super) fn sum(samples: &[Self]) -> Option<Self> {
        samples.iter().cloned().reduce(|mut sum, sample| {
            sum.calls += sample.calls;
            sum.cost.add(sample.cost);
            sum.service_cpu += sample.service_cpu;
            sum.latency_us.merge(&sample.latency_us);
            sum.faults += sample.faults;
            sum
        })
    }
}

/// The calls of one connection.
#[derive(Clone, Default)]
struct Caller {
    /// The number of its next call.
    next: u32,
    /// The numbers of the calls without an answer.
    open: Vec<u32>,
}

/// Clients of one answerer.
pub(super) struct Callers<'a> {
    server: &'a Server,
    service: Option<Process>,
    client: Client,
    script: Calls,
}

impl<'a> Callers<'a> {
    /// Connects all clients, and waits until the answerer can be called.
    ///
    /// # Errors
    /// If the server refuses one or fails.
    pub(super) fn gather(
        server: &'a Server,
        answerer: Answerer,
        service: Option<Process>,
        clients: usize,
        in_flight: usize,
        bytes: usize,
    ) -> Result<Self> {
        let mut client = Client::new()?;
        let frame = ClientFrame::text(&answerer.call(bytes));
        let mut script = Calls {
            answerer,
            in_flight,
            stamp_offset: frame.offset_of(BLANK).unwrap_or_default(),
            frame,
            finder: Finder::default(),
            callers: vec![Caller::default(); clients],
            ready: 0,
            is_running: false,
            latency_us: Histogram::new(),
            faults: 0,
        };
        let address = answerer.address(&server.address);
        client.open(&mut script, &address, clients)?;
        Ok(Self {
            server,
            service,
            client,
            script,
        })
    }

    /// Calls for `length`, and waits for the answers that are under way at its end.
    ///
    /// # Errors
    /// If the server fails.
    pub(super) fn turn(&mut self, length: Duration) -> Result<Sample> {
        let Self {
            server,
            service,
            client,
            script,
        } = self;
        script.is_running = true;
        for link in 0..script.callers.len() {
            script.fill(&mut client.links, link)?;
        }
        // The previous round was another answerer's: caches are cold.
        client.turn_until(script, Instant::now() + length / 10)?;
        script.latency_us.clear();
        let cpu = |service: &Option<Process>| service.map_or(Ok(0.0), Process::cpu_seconds);
        let service_before = cpu(service)?;
        let meter = Meter::start(server.process, client)?;
        client.turn_until(script, Instant::now() + length)?;
        let cost = meter.stop(client)?;
        let service_cpu = cpu(service)? - service_before;
        let (calls, latency_us) = (script.latency_us.total(), script.latency_us.clone());
        script.is_running = false;
        client.turn_while(script, PATIENCE_SECONDS, Calls::open, |script| {
            format!("the answers to {} calls", script.open_calls())
        })?;
        Ok(Sample {
            calls,
            cost,
            service_cpu,
            latency_us,
            faults: std::mem::take(&mut script.faults),
        })
    }
}

/// What the connections send and receive.
struct Calls {
    answerer: Answerer,
    in_flight: usize,
    frame: ClientFrame,
    stamp_offset: usize,
    finder: Finder,
    callers: Vec<Caller>,
    ready: usize,
    /// Whether an answer is followed by the next call.
    is_running: bool,
    latency_us: Histogram,
    faults: u64,
}

impl Calls {
    fn open_calls(&self) -> u64 {
        let open = self.callers.iter().map(|caller| caller.open.len() as u64);
        open.sum()
    }

    fn open(&self) -> bool {
        self.open_calls() > 0
    }

    /// Calls until as many are in flight as may be.
    fn fill(&mut self, links: &mut Links, link: usize) -> Result<()> {
        let Some(caller) = self.callers.get_mut(link) else {
            return Ok(());
        };
        let mut unsent = Vec::new();
        while caller.open.len() < self.in_flight {
            let stamp = Stamp {
                at_us: links.now_us(),
                number: caller.next,
            };
            caller.open.push(caller.next);
            caller.next = caller.next.wrapping_add(1);
            self.frame.patch(self.stamp_offset, &stamp.encode());
            unsent.extend_from_slice(self.frame.bytes());
        }
        if unsent.is_empty() {
            return Ok(());
        }
        links.send(link, &unsent)
    }

    /// An answer.
    fn answered(&mut self, link: usize, stamp: Stamp, now_us: u64) {
        self.latency_us.record(now_us.saturating_sub(stamp.at_us));
        if let Some(caller) = self.callers.get_mut(link) {
            let at = caller.open.iter().position(|open| *open == stamp.number);
            match at {
                Some(at) => drop(caller.open.swap_remove(at)),
                None => self.faults += 1,
            }
        }
    }

    /// Whether a message says that the service can be called.
    fn is_up(&self, payload: &[u8]) -> bool {
        let Answerer::Service(name) = self.answerer else {
            return false;
        };
        let enabled = format!(r#""{name}":{{"state":"enabled""#);
        super::carrier::find(payload, enabled.as_bytes()).is_some()
    }
}

impl Script for Calls {
    fn opened(&mut self, _: &mut Links, _: usize) -> Result<()> {
        self.ready += usize::from(self.answerer == Answerer::Echo);
        Ok(())
    }

    fn message(
        &mut self,
        links: &mut Links,
        link: usize,
        payload: &[u8],
        now_us: u64,
    ) -> Result<()> {
        if let Some(stamp) = self.finder.one(payload) {
            self.answered(link, stamp, now_us);
            return match self.is_running {
                true => self.fill(links, link),
                false => Ok(()),
            };
        }
        match (self.answerer, payload) {
            (Answerer::SocketIo, [b'0', ..]) => links.send_text(link, "40"),
            (Answerer::SocketIo, [b'2']) => links.send_text(link, "3"),
            (Answerer::SocketIo, [b'4', b'0', ..]) => {
                self.ready += 1;
                Ok(())
            }
            (Answerer::Service(_), _) if command(payload) == b"idyou" => {
                links.send_text(link, &idme(link))
            }
            (Answerer::Service(_), _) => {
                self.ready += usize::from(self.is_up(payload));
                super::refused(payload)
            }
            _ => Ok(()),
        }
    }

    fn ready(&self) -> usize {
        self.ready
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_the_form_of_their_protocols() {
        let local = Answerer::Service("local").call(128);
        let call: serde_json::Value = serde_json::from_str(&local).unwrap();
        assert_eq!(call.pointer("/data/f").unwrap(), "local:echo");
        let args = call.pointer("/data/args").unwrap();
        assert_eq!(args.to_string().len(), 128);
        assert_eq!(Answerer::Echo.call(128).len(), local.len());
        let event = Answerer::SocketIo.call(128);
        let event = event.strip_prefix("427").unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(event).is_ok());
    }

    #[test]
    fn doubled_answers_are_faults_and_lost_ones_stay_open() {
        let frame = ClientFrame::text("x");
        let mut calls = Calls {
            answerer: Answerer::Echo,
            in_flight: 2,
            stamp_offset: 0,
            frame,
            finder: Finder::default(),
            callers: vec![Caller {
                next: 5,
                open: vec![2, 3, 4],
            }],
            ready: 1,
            is_running: false,
            latency_us: Histogram::new(),
            faults: 0,
        };
        let mut answer = |number| {
            let stamp = Stamp { at_us: 1, number };
            calls.answered(0, stamp, 3);
            (calls.faults, calls.open_calls())
        };
        assert_eq!(answer(4), (0, 2));
        assert_eq!(answer(2), (0, 1));
        assert_eq!(answer(2), (1, 1));
    }
}
