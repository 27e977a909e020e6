//! One HTTP request on a connection of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::DEADLINE;

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Response {
    /// Parses a whole answer.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no HTTP answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body, which must be text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The status and the error code of a refusal, which must also have a
    /// message.
    pub fn error(&self) -> (u16, String) {
        let body = self.json();
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{body} does not say what is wrong");
        let code = body["error"]["code"].as_str().unwrap_or_default();
        (self.status, code.to_owned())
    }
}

/// A request that was sent and whose answer was not read yet.
#[derive(Debug)]
pub struct Pending {
    stream: TcpStream,
    request: String,
}

impl Pending {
    /// Sends a request as it is written.
    pub fn send(address: SocketAddr, text: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        Self {
            stream,
            request: text.to_owned(),
        }
    }

    /// Reads the answer until the server closes.
    pub fn answer(mut self) -> Response {
        self.stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut answer = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut answer) {
            let got = String::from_utf8_lossy(&answer);
            let request = self.request;
            panic!("{error} instead of an answer to {request:?}; got {got:?}");
        }
        Response::parse(&answer)
    }
}

/// Sends a request as it is written, and reads until the server closes.
///
/// # Errors
/// The server is gone, or goes before it has answered.
pub fn try_request(address: SocketAddr, text: &str) -> std::io::Result<Response> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Response::parse(&answer))
}

/// Sends a request as it is written, and reads until the server closes. The
/// headers must end the connection or be such that the server does.
pub fn request(address: SocketAddr, text: &str) -> Response {
    Pending::send(address, text).answer()
}

/// The text of a request; `headers` are lines, each with its end. A body has its
/// length, and so has the empty one of a POST or PUT.
pub fn text(address: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> String {
    let length = if body.is_empty() && !matches!(method, "POST" | "PUT") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\n{headers}{length}Connection: close\r\n\r\n{body}"
    )
}

/// Sends a request, and reads its answer.
pub fn send(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Response {
    request(address, &text(address, method, target, headers, body))
}

/// Reads a page.
pub fn get(address: SocketAddr, path: &str) -> Response {
    send(address, "GET", path, "", "")
}

/// Text as a part of a query.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
