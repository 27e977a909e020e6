//! Programs that call the management listener, each over a connection of its own for each
//! call, as `curl` and most backends do. All are in the event loop of the measuring client.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::error::BenchError;
use super::histogram::Histogram;

type Result<T> = std::result::Result<T, BenchError>;

/// A call: method, path, body, and the status of its answer.
pub(super) type Call = (&'static str, &'static str, &'static str, u16);

/// The longest body that is declared for the call that has none.
pub(super) const OVERSIZE: &str = "(1 GB)";
/// What a head may have at the most.
const HEAD_BYTES_MAX: usize = 16_384;
/// How long the last calls may take.
const DRAIN: Duration = Duration::from_secs(10);

/// A connection with one call.
struct Operator {
    stream: Option<TcpStream>,
    call: Call,
    /// What of the request is not written yet.
    request: Vec<u8>,
    /// The beginning of the answer.
    head: Vec<u8>,
    since: Instant,
}

/// What they got.
#[derive(Clone)]
pub(super) struct Answers {
    pub(super) latency_us: Histogram,
    /// Answers with another status than expected, and refusals without a sentence.
    pub(super) faults: u64,
    /// What one of them was.
    pub(super) fault: Option<String>,
}

/// All of them.
pub(super) struct Operators {
    poll: Poll,
    events: Events,
    to: SocketAddr,
    calls: &'static [Call],
    operators: Vec<Operator>,
    next: usize,
    is_calling: bool,
    pub(super) answers: Answers,
}

impl Answers {
    fn new() -> Self {
        Self {
            latency_us: Histogram::new(),
            faults: 0,
            fault: None,
        }
    }
}

impl Operators {
    /// So many programs that call a listener, taking turns with these calls.
    ///
    /// # Errors
    /// If the system provides no poll.
    pub(super) fn new(to: SocketAddr, calls: &'static [Call], count: usize) -> Result<Self> {
        let poll = Poll::new().map_err(BenchError::doing("making a poll"))?;
        let operator = |call| Operator {
            stream: None,
            call,
            request: Vec::new(),
            head: Vec::new(),
            since: Instant::now(),
        };
        let operators = calls.iter().cycle().take(count).copied().map(operator);
        Ok(Self {
            poll,
            events: Events::with_capacity(count.max(1)),
            to,
            calls,
            operators: operators.collect(),
            next: 0,
            is_calling: false,
            answers: Answers::new(),
        })
    }

    /// All call, and call again once they have their answers.
    ///
    /// # Errors
    /// If a connection cannot be opened.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.is_calling = true;
        self.answers = Answers::new();
        (0..self.operators.len()).try_for_each(|index| self.call(index))
    }

    /// Waits for the last answers.
    ///
    /// # Errors
    /// If they do not come in time.
    pub(super) fn end(&mut self) -> Result<()> {
        self.is_calling = false;
        let deadline = Instant::now() + DRAIN;
        let open = |all: &[Operator]| all.iter().filter(|one| one.stream.is_some()).count();
        while open(&self.operators) > 0 {
            if Instant::now() > deadline {
                return Err(BenchError::Timeout {
                    waited_for: format!("{} answers to operators", open(&self.operators)),
                    seconds: DRAIN.as_secs(),
                });
            }
            self.turn(Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Handles all connections that are ready.
    ///
    /// # Errors
    /// If one fails.
    pub(super) fn turn(&mut self, patience: Duration) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other.map_err(BenchError::doing("polling"))?,
        }
        let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        ready.into_iter().try_for_each(|index| self.progress(index))
    }

    /// Begins the next call.
    fn call(&mut self, index: usize) -> Result<()> {
        let Some(call) = self.calls.get(self.next % self.calls.len().max(1)).copied() else {
            return Ok(());
        };
        self.next += 1;
        let connect = TcpStream::connect(self.to);
        let mut stream = connect.map_err(BenchError::doing("connecting to the management"))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry
            .register(&mut stream, Token(index), interest)
            .map_err(BenchError::doing("polling"))?;
        if let Some(operator) = self.operators.get_mut(index) {
            *operator = Operator {
                stream: Some(stream),
                call,
                request: request(self.to, call),
                head: Vec::new(),
                since: Instant::now(),
            };
            // On this machine the connection is there at once.
            operator.write();
        }
        Ok(())
    }

    fn progress(&mut self, index: usize) -> Result<()> {
        let Some(operator) = self.operators.get_mut(index) else {
            return Ok(());
        };
        if !operator.progress() {
            return Ok(());
        }
        let us = u64::try_from(operator.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.answers.latency_us.record(us);
        if let Some(fault) = operator.fault() {
            self.answers.faults += 1;
            self.answers.fault.get_or_insert(fault);
        }
        operator.stream = None;
        match self.is_calling {
            true => self.call(index),
            false => Ok(()),
        }
    }
}

impl Operator {
    fn write(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        while !self.request.is_empty() {
            match stream.write(&self.request) {
                Ok(written) => drop(self.request.drain(..written)),
                Err(error) if is_later(&error) => break,
                // The answer came before the end of the request.
                Err(_) => self.request.clear(),
            }
        }
    }

    /// Writes and reads what it can. Returns whether the answer is complete: the server has closed the
    /// connection.
    fn progress(&mut self) -> bool {
        self.write();
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(count) => {
                    let more = buffer.get(..count).unwrap_or_default();
                    let room = HEAD_BYTES_MAX.saturating_sub(self.head.len());
                    self.head.extend(more.iter().take(room));
                }
                Err(error) if is_later(&error) => return false,
                // Without an answer it is a fault.
                Err(_) => return true,
            }
        }
    }

    /// What is wrong with the answer.
    fn fault(&self) -> Option<String> {
        let (_, path, _, expected) = self.call;
        let text = String::from_utf8_lossy(&self.head);
        let status = text.split(' ').nth(1).and_then(|text| text.parse().ok());
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let has_sentence = || {
            let json: serde_json::Value = serde_json::from_str(body).ok()?;
            let message = json.get("error")?.get("message")?.as_str()?;
            (!message.is_empty()).then_some(())
        };
        match status {
            Some(status) if status != expected => Some(format!("{path}: {status}: {body}")),
            Some(400..=499) if has_sentence().is_none() => {
                Some(format!("{path}: no sentence: {body}"))
            }
            Some(_) => None,
            None => Some(format!("{path}: no answer")),
        }
    }
}

fn is_later(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted
    )
}

fn request(to: SocketAddr, (method, path, body, _): Call) -> Vec<u8> {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    let of_body = match (method, body) {
        ("GET", _) => String::new(),
        // The declared length alone is refused.
        (_, OVERSIZE) => "Content-Type: application/json\r\nContent-Length: 1000000000\r\n".into(),
        _ => format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        ),
    };
    let body = if body == OVERSIZE { "" } else { body };
    format!("{head}{of_body}\r\n{body}").into_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fault(call: Call, answer: &str) -> Option<String> {
        let operator = Operator {
            stream: None,
            call,
            request: Vec::new(),
            head: answer.into(),
            since: Instant::now(),
        };
        operator.fault()
    }

    #[test]
    fn answer_has_its_status_and_a_refusal_a_sentence() {
        let (found, lost) = (("GET", "/a", "", 200), ("GET", "/b", "", 404));
        assert_eq!(fault(found, "HTTP/1.1 200 OK\r\n\r\n[]"), None);
        let refusal = "HTTP/1.1 404 Not Found\r\n\r\n{\"error\":{\"message\":\"none\"}}";
        assert_eq!(fault(lost, refusal), None);
        assert!(fault(found, refusal).unwrap().starts_with("/a: 404"));
        let silent = fault(lost, "HTTP/1.1 404 Not Found\r\n\r\n{}");
        assert!(silent.unwrap().contains("no sentence"));
        assert!(fault(lost, "").unwrap().contains("no answer"));
    }
}
