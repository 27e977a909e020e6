//! A WebSocket client of version 1 by hand, so that it can be slow and wrong.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Frame, Opcode};
use crate::{DEADLINE, Response, SILENCE};

/// The key of RFC 6455's own example, whose answer is known.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The text of a handshake; `headers` are added, each line with its end.
pub fn handshake(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{headers}\r\n"
    )
}

/// A socket from another address of this machine.
pub fn connect_from(server: SocketAddr, address: [u8; 4]) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((address, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream
}

/// One connection. Pings are answered by those functions that read messages.
#[derive(Debug)]
pub struct Client {
    /// The socket.
    pub stream: TcpStream,
    buffer: Vec<u8>,
    /// Messages that `next_but` passed over, in order; `await_command` takes
    /// them first.
    set_aside: VecDeque<Value>,
    /// The answer to the handshake.
    pub response: Response,
}

impl Client {
    /// Sends a handshake and reads its answer, which must be 101.
    pub fn open(address: SocketAddr, path: &str) -> Self {
        Self::open_with(address, &handshake(path, ""))
    }

    /// Sends this handshake, and reads its answer, which must be 101.
    pub fn open_with(address: SocketAddr, text: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        Self::after_handshake(stream)
    }

    /// Reads the answer to a handshake that was sent, which must be 101.
    pub fn after_handshake(mut stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let (mut head, mut bytes) = (Vec::new(), [0; 4096]);
        let end = loop {
            if let Some(at) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "closed: {:?}", String::from_utf8_lossy(&head));
            head.extend_from_slice(&bytes[..count]);
        };
        let buffer = head.split_off(end);
        let response = Response::parse(&head);
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(response.header("Sec-WebSocket-Accept"), Some(ACCEPT));
        Self {
            stream,
            buffer,
            set_aside: VecDeque::new(),
            response,
        }
    }

    /// A connection to `/ws` that got `idyou`.
    pub fn greeted(address: SocketAddr) -> Self {
        let mut client = Self::open(address, "/ws");
        client.expect("idyou");
        client
    }

    /// The same from another address of this machine.
    pub fn greeted_from(server: SocketAddr, address: [u8; 4]) -> Self {
        let mut stream = connect_from(server, address);
        stream.write_all(handshake("/ws", "").as_bytes()).unwrap();
        let mut client = Self::after_handshake(stream);
        client.expect("idyou");
        client
    }

    /// Identifies as this user and returns the data of `welcome`.
    pub fn identify(&mut self, id: &str) -> Value {
        self.send(json!({"command": "idme", "data": id}));
        self.expect("welcome")
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a frame, masked.
    pub fn send_frame(&mut self, frame: &Frame) {
        self.send_raw(&frame.masked());
    }

    /// Sends a text frame.
    pub fn send_text(&mut self, text: &str) {
        self.send_frame(&Frame::text(text));
    }

    /// Sends a message.
    pub fn send(&mut self, message: Value) {
        self.send_text(&message.to_string());
    }

    /// Sends a command with data.
    pub fn command(&mut self, command: &str, data: Value) {
        self.send(json!({"command": command, "data": data}));
    }

    /// Sends a command with an id and returns the data of its answer, which
    /// must be the next message.
    pub fn request(&mut self, command: &str, data: Value) -> Value {
        self.send(json!({"command": command, "data": data, "id": "request"}));
        let answer = self.next();
        assert_eq!(answer["id"], "request", "{command} is answered by {answer}");
        assert_ne!(answer["command"], "error", "{answer}");
        answer["data"].clone()
    }

    /// The next frame, whatever it is; `None` at the end of the connection or
    /// at `until`.
    fn frame_until(&mut self, until: Instant) -> Result<Option<Frame>, ErrorKind> {
        let mut bytes = [0; 16_384];
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer) {
                return Ok(Some(frame));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut);
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error.kind()),
            }
        }
    }

    /// The next frame; `None` at the end of the connection.
    pub fn frame_or_end(&mut self) -> Option<Frame> {
        let until = Instant::now() + DEADLINE;
        let frame = self.frame_until(until);
        frame.unwrap_or_else(|error| panic!("{error} instead of a frame"))
    }

    /// The next frame.
    pub fn frame(&mut self) -> Frame {
        self.frame_or_end()
            .unwrap_or_else(|| panic!("the connection ended instead of a frame"))
    }

    /// Drops what has arrived by now, and returns whether the connection is
    /// closed.
    pub fn is_closed(&mut self) -> bool {
        let until = Instant::now() + Duration::from_millis(1);
        loop {
            match self.frame_until(until) {
                Ok(Some(frame)) if frame.opcode == Opcode::CLOSE => return true,
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(error) => return error != ErrorKind::TimedOut,
            }
        }
    }

    /// Reads at most `count` bytes that have arrived, and then breaks the
    /// connection. Returns the messages that are complete.
    pub fn cut_after(&mut self, count: usize) -> Vec<Value> {
        let frames = self.frames_before_cut(count).into_iter();
        frames
            .filter(|frame| frame.opcode == Opcode::TEXT)
            .map(|frame| serde_json::from_slice(&frame.payload).unwrap())
            .collect()
    }

    /// The same; returns the frames that are complete.
    pub fn frames_before_cut(&mut self, count: usize) -> Vec<Frame> {
        let buffered = self.buffer.len();
        self.buffer.truncate(count);
        let mut rest = vec![0; count.saturating_sub(buffered)];
        let soon = Duration::from_millis(1);
        self.stream.set_read_timeout(Some(soon)).unwrap();
        if let Ok(count) = self.stream.read(&mut rest) {
            self.buffer.extend_from_slice(&rest[..count]);
        }
        let _ = self.stream.shutdown(Shutdown::Both);
        std::iter::from_fn(|| Frame::take(&mut self.buffer)).collect()
    }

    /// The text of the next text frame; pings are answered.
    pub fn text(&mut self) -> String {
        loop {
            let frame = self.frame();
            match frame.opcode {
                Opcode::TEXT => return String::from_utf8(frame.payload).unwrap(),
                Opcode::PING => self.send_frame(&Frame::new(Opcode::PONG, frame.payload)),
                Opcode::PONG => {}
                _ => panic!("{frame:?} instead of a text"),
            }
        }
    }

    /// The next message.
    pub fn next(&mut self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next message; `None` at the end of the connection.
    pub fn next_or_end(&mut self) -> Option<Value> {
        loop {
            let frame = self.frame_or_end()?;
            if frame.opcode == Opcode::TEXT {
                return Some(serde_json::from_slice(&frame.payload).unwrap());
            }
        }
    }

    /// The data of the next message, which must be of this command.
    pub fn expect(&mut self, command: &str) -> Value {
        let mut message = self.next();
        assert_eq!(message["command"], command, "{message}");
        message["data"].take()
    }

    /// The next message that is not of this command. Those of the command are
    /// set aside for `await_command`: a change that comes before an answer is
    /// awaited behind it.
    pub fn next_but(&mut self, command: &str) -> Value {
        loop {
            let message = self.next();
            if message["command"] != command {
                return message;
            }
            self.set_aside.push_back(message);
        }
    }

    /// The data of the next message of this command, also of one that was set
    /// aside; others are skipped.
    pub fn await_command(&mut self, command: &str) -> Value {
        let is_meant = |message: &Value| message["command"] == command;
        if let Some(index) = self.set_aside.iter().position(is_meant) {
            return self.set_aside.remove(index).unwrap()["data"].take();
        }
        loop {
            let mut message = self.next();
            if message["command"] == command {
                return message["data"].take();
            }
        }
    }

    /// The next message must be an error with this code. Returns the message.
    pub fn expect_error(&mut self, code: &str) -> Value {
        let message = self.next();
        assert_eq!(message["command"], "error", "{message}");
        assert_eq!(message["data"]["code"], code, "{message}");
        message
    }

    /// Nothing but pings may come for a while.
    pub fn expect_none(&mut self) {
        self.expect_none_for(SILENCE);
    }

    /// Nothing but pings may come for as long as this.
    pub fn expect_none_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            match self.frame_until(until) {
                Err(ErrorKind::TimedOut) => return,
                Ok(Some(frame)) if frame.opcode == Opcode::PING => {
                    self.send_frame(&Frame::new(Opcode::PONG, frame.payload));
                }
                other => panic!("{other:?} instead of silence"),
            }
        }
    }

    /// Nothing may be on its way but the answer to a `time` that is sent now: the
    /// connection is open, and what was sent before had no other answer.
    pub fn expect_nothing_pending(&mut self) {
        self.command("time", json!({"t0": 4711}));
        assert_eq!(self.expect("time")["t0"], 4711);
    }

    /// Reads up to the close frame, answers it and sees the connection end.
    /// Returns its code; other frames before it are skipped.
    pub fn close_code(&mut self) -> u16 {
        loop {
            let frame = self.frame();
            if frame.opcode != Opcode::CLOSE {
                continue;
            }
            // The other end may have gone by now.
            let _ = self.stream.write_all(&frame.masked());
            while self.frame_or_end().is_some() {}
            return frame.close_code().expect("a close frame with a code");
        }
    }

    /// The next frame must be a close frame with this code, and the end must
    /// follow it.
    pub fn expect_close(&mut self, code: u16) {
        let frame = self.frame();
        assert_eq!(frame.close_code(), Some(code), "{frame:?}");
        let _ = self.stream.write_all(&frame.masked());
        let after = self.frame_or_end();
        assert_eq!(after, None, "something follows the close frame");
    }

    /// Watches these users and returns the snapshot.
    pub fn subscribe(&mut self, users: &[&str]) -> Value {
        self.command("subscribe", json!(users));
        self.expect("userchange")
    }

    /// Breaks the connection without a close frame.
    pub fn drop_connection(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Sends `bye` and sees the connection end.
    pub fn bye(mut self) {
        self.command("bye", json!({}));
        assert_eq!(self.close_code(), 1000);
    }
}
