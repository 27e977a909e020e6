//! A path with a delay between this machine and itself: a TUN device, and a program
//! that sends its packets back later (`forward.py`). A TCP proxy would not do: the
//! kernel would measure the way to the proxy.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdout, Command, Stdio};

use turntable_testkit::Client;
use turntable_testkit::workspace::root;

/// The path. It ends with this value.
#[derive(Debug)]
pub(crate) struct Forwarder {
    child: Child,
    output: BufReader<ChildStdout>,
    network: u8,
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        // Its standard input ends.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// If one packet in a hundred was late by more, in ms, the machine was too busy.
const LATE_MAX_MS: f64 = 5.0;

impl Forwarder {
    /// A path whose directions are slow by `delay_ms`, at most `jitter_ms` off. `number`,
    /// below 4, tells it from others. `None`, and a line that says SKIPPED, where this process
    /// may have no TUN device.
    pub(crate) fn start(number: u8, delay_ms: u32, jitter_ms: u32) -> Option<Self> {
        // Others may run these tests on this machine, too.
        let network = ((std::process::id() as u8 & 0x3f) << 2) | number;
        let started = Command::new("python3")
            .arg(root().join("tests/time/forward.py"))
            .arg(format!("turntable{network}"))
            .arg(format!("10.231.{network}"))
            .args([delay_ms, jitter_ms, 7].map(|number| number.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                skipped(&format!("no Python: {error}"));
                return None;
            }
        };
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        if line != "ready\n" {
            let mut reason = String::new();
            let errors = child.stderr.as_mut().unwrap();
            errors.read_to_string(&mut reason).unwrap();
            let _ = child.wait();
            let reason = reason.lines().last().unwrap_or_default();
            skipped(&format!("no TUN device: {reason}"));
            return None;
        }
        Some(Self {
            child,
            output,
            network,
        })
    }

    /// Ends the path. Returns by how many ms one packet in a hundred was later than it
    /// should be. `None`, and a line that says SKIPPED, where that is so much that
    /// figures in ms mean nothing.
    pub(crate) fn end(mut self) -> Option<f64> {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let late_ms: f64 = line.trim_end().parse().unwrap();
        println!("one packet in a hundred was late by {late_ms} ms");
        if late_ms > LATE_MAX_MS {
            skipped(&format!("this machine was busy, by {late_ms} ms"));
            return None;
        }
        Some(late_ms)
    }

    /// A connection over the path to a server that listens on every address, greeted.
    pub(crate) fn connect(&self, server: SocketAddr) -> Client {
        let far = Ipv4Addr::new(10, 231, self.network, 2);
        Client::greeted((far, server.port()).into())
    }
}

fn skipped(reason: &str) {
    eprintln!(
        "SKIPPED, TIMESTAMPS WERE NOT COMPARED WITH A REAL PATH: {reason}; \
         the simulation of turntable-core is another test"
    );
}
