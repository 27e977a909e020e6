//! Polls: the cost of a request, and of a delivery in its response.
//!
//! Every session sends a request when all have received the responses to the previous
//! ones: empty requests first, then with messages published on a channel of all
//! sessions, which are in the next response. The first session publishes in its own
//! request. Messages are numbered as in fan-out.

use std::time::{Duration, Instant};

use super::carrier::Carrier;
use super::client::{Client, Script};
use super::encoding::user_id;
use super::error::BenchError;
use super::links::{Address, Links};
use super::meter::{Cost, LOAD_COLUMNS, Meter};
use super::report::{Cell, Table};
use super::server::{Server, Target};
use super::stamp::{self, BLANK, Stamp};
use super::transport::post;
use super::transports::TransportsArgs;

type Result<T> = std::result::Result<T, BenchError>;

const WARM_UP: Duration = Duration::from_millis(500);
/// Timeout for the last responses.
const DRAIN_SECONDS: u64 = 10;

/// Runs the scenario: a row for empty polls, and one for each number of messages
/// published between two polls.
///
/// # Errors
/// If the server cannot be started or fails.
pub(super) fn run(args: &TransportsArgs, server: Option<&Server>) -> Result<Table> {
    let server = &*Target::of(server, &[])?;
    let mut table = Table::new(
        format!(
            "Polls of {} sessions, {} bytes a message",
            args.subscribers, args.bytes
        ),
        [
            "messages_a_round",
            "requests_per_s",
            "cpu_s_per_million_requests",
            "deliveries_per_s",
            "cpu_s_per_million_deliveries",
            "more_for_a_million_deliveries",
            "bytes_per_request",
        ]
        .into_iter()
        .chain(LOAD_COLUMNS)
        .chain(["faults"]),
    );
    let mut client = Client::new()?;
    let mut polls = Polls::new(args.subscribers, args.bytes);
    let address = Address {
        socket: server.address.socket,
        path: String::new(),
        carrier: Carrier::Requests,
    };
    client.open(&mut polls, &address, args.subscribers)?;
    let length = Duration::from_secs_f64(args.seconds);
    let mut empty = None;
    for burst in std::iter::once(0).chain(args.in_flight.iter().copied()) {
        polls.burst = burst;
        polls.drive(&mut client, WARM_UP.min(length))?;
        let meter = Meter::start(server.process, &client)?;
        let before = polls.seen(&client);
        polls.drive(&mut client, length)?;
        let cost = meter.stop(&client)?;
        let seen = polls.seen(&client).since(before);
        polls.drain(&mut client)?;
        let a_request = cost.server_cpu / seen.requests as f64;
        let empty = *empty.get_or_insert(a_request);
        table.row(cells(
            burst,
            &cost,
            seen,
            a_request - empty,
            polls.take_faults(),
        ));
    }
    table.note(
        "more_for_a_million_deliveries: CPU seconds in addition to those of the same number of empty \
         requests.",
    );
    Ok(table)
}

fn cells(burst: usize, cost: &Cost, seen: Seen, more: f64, faults: u64) -> Vec<Cell> {
    let [deliveries, each, riding] = match seen.deliveries {
        0 => [Cell::None, Cell::None, Cell::None],
        count => [
            Cell::Number(cost.rate(count), 0),
            Cell::Number(cost.per_million(count), 3),
            Cell::Number(more * seen.requests as f64 / count as f64 * 1e6, 3),
        ],
    };
    let mut cells = vec![
        Cell::count(burst as u64),
        Cell::Number(cost.rate(seen.requests), 0),
        Cell::Number(cost.per_million(seen.requests), 2),
        deliveries,
        each,
        riding,
        Cell::Number(seen.bytes as f64 / seen.requests as f64, 1),
    ];
    cells.extend(cost.load_cells());
    cells.push(Cell::count(faults));
    cells
}

/// The counts so far.
#[derive(Clone, Copy)]
struct Seen {
    requests: u64,
    deliveries: u64,
    bytes: u64,
}

impl Seen {
    fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            deliveries: self.deliveries - before.deliveries,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// The polling sessions.
struct Polls {
    sessions: usize,
    ready: usize,
    /// Messages published in each round.
    burst: usize,
    /// One publication, as an entry.
    entry: String,
    /// Unanswered requests of this round.
    missing: usize,
    requests: u64,
    deliveries: u64,
    /// The number of the next published message.
    next: u32,
    /// The next number for each session.
    expected: Vec<u32>,
    misordered: u64,
}

impl Polls {
    fn new(sessions: usize, bytes: usize) -> Self {
        let bare = format!(r#"{{"pad":"","at":"{BLANK}"}}"#);
        let padding = "x".repeat(bytes.saturating_sub(bare.len()));
        Self {
            sessions,
            ready: 0,
            burst: 0,
            entry: format!(
                r#"{{"f":"$av:publish","args":{{"channel":"bench","data":{{"pad":"{padding}","at":"{BLANK}"}}}}}}"#
            ),
            missing: 0,
            requests: 0,
            deliveries: 0,
            next: 0,
            expected: vec![0; sessions],
            misordered: 0,
        }
    }

    fn seen(&self, client: &Client) -> Seen {
        Seen {
            requests: self.requests,
            deliveries: self.deliveries,
            bytes: client.links.received_bytes,
        }
    }

    /// Runs rounds for `length`.
    fn drive(&mut self, client: &mut Client, length: Duration) -> Result<()> {
        let until = Instant::now() + length;
        while Instant::now() < until {
            self.round(client)?;
        }
        Ok(())
    }

    /// Every session polls once.
    fn round(&mut self, client: &mut Client) -> Result<()> {
        self.missing = self.sessions;
        for link in 0..self.sessions {
            let body = match link {
                0 => self.publications(&client.links),
                _ => "[]".to_owned(),
            };
            let path = format!("/poll?session={}", client.links.name(link));
            let request = post(&path, "application/json", body.as_bytes());
            client.links.send(link, &request)?;
        }
        let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS);
        while self.missing > 0 {
            if Instant::now() > deadline {
                return Err(BenchError::Timeout {
                    waited_for: format!("the responses to {} polls", self.missing),
                    seconds: DRAIN_SECONDS,
                });
            }
            client.turn(self, Duration::from_millis(100))?;
        }
        Ok(())
    }

    fn publications(&mut self, links: &Links) -> String {
        let mut entries = Vec::with_capacity(self.burst);
        for _ in 0..self.burst {
            let stamp = Stamp {
                at_us: links.now_us(),
                number: self.next,
            };
            self.next = self.next.wrapping_add(1);
            let stamp = stamp.encode();
            let stamp = std::str::from_utf8(&stamp).unwrap_or(BLANK);
            entries.push(self.entry.replace(BLANK, stamp));
        }
        format!("[{}]", entries.join(","))
    }

    /// Polls until every session has received every message.
    fn drain(&mut self, client: &mut Client) -> Result<()> {
        let burst = std::mem::take(&mut self.burst);
        let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS);
        while self.missing() > 0 && Instant::now() < deadline {
            self.round(client)?;
        }
        self.burst = burst;
        Ok(())
    }

    /// Missing deliveries.
    fn missing(&self) -> u64 {
        let each = |expected: &u32| u64::from(self.next.wrapping_sub(*expected));
        self.expected.iter().map(each).sum()
    }

    /// Deliveries that were out of order or are missing; resets the count.
    fn take_faults(&mut self) -> u64 {
        let missing = self.missing();
        self.expected.fill(self.next);
        std::mem::take(&mut self.misordered) + missing
    }
}

impl Script for Polls {
    fn opened(&mut self, links: &mut Links, link: usize) -> Result<()> {
        let body = format!(
            r#"[{{"f":"$av:idme","args":"{}","id":1}},{{"f":"$av:joinchannel","args":{{"channel":"bench"}},"id":2}}]"#,
            user_id(link)
        );
        let request = post("/poll", "application/json", body.as_bytes());
        links.send(link, &request)
    }

    fn message(&mut self, _: &mut Links, link: usize, payload: &[u8], _: u64) -> Result<()> {
        if self.ready < self.sessions {
            if super::carrier::find(payload, br#""error""#).is_some() {
                let text = String::from_utf8_lossy(payload).into_owned();
                return Err(BenchError::Conversation(text));
            }
            self.ready += 1;
            return Ok(());
        }
        self.requests += 1;
        self.missing = self.missing.saturating_sub(1);
        if payload != b"[]" {
            let (misordered, expected) = (&mut self.misordered, self.expected.get_mut(link));
            if let Some(expected) = expected {
                self.deliveries += stamp::each(payload, |stamp| {
                    *misordered += u64::from(stamp.number != *expected);
                    *expected = stamp.number.wrapping_add(1);
                });
            }
        }
        Ok(())
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
    fn publication_has_the_requested_size() {
        let polls = Polls::new(1, 128);
        let entry: serde_json::Value = serde_json::from_str(&polls.entry).unwrap();
        let data = entry.pointer("/args/data").unwrap();
        assert_eq!(data.to_string().len(), 128);
    }

    #[test]
    fn missing_delivery_is_counted_once() {
        let mut polls = Polls::new(3, 128);
        polls.next = 5;
        polls.expected = vec![5, 3, 4];
        assert_eq!((polls.take_faults(), polls.take_faults()), (3, 0));
    }
}
