//! A program beside the server, as a stand-alone service: it writes lines, and is killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::DEADLINE;
use crate::workspace::root;

/// A program that runs until it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// Starts a script of the repository in Node.
    pub fn node(script: &str, arguments: &[&str]) -> Self {
        let mut node = Command::new("node");
        node.arg(root().join(script)).args(arguments);
        Self::start(node.current_dir(root()))
    }

    /// Starts a program.
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (write, lines) = channel();
        std::thread::spawn(move || {
            // The test that reads them may be over.
            for line in out.lines().map_while(Result::ok) {
                let _ = write.send(line);
            }
        });
        Self { child, lines }
    }

    /// The next line that it writes.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("a line")
    }

    /// Waits for this line; others are skipped.
    pub fn await_line(&self, line: &str) {
        while self.line() != line {}
    }

    /// Kills it with SIGKILL, and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
