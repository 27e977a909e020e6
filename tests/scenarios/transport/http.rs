//! HTTP/1.1 by hand, one request per connection: the streams of tunnels must be read
//! as they arrive, and be broken off anywhere.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use turntable_testkit::Response;
use turntable_testkit::http::text;

/// How much is read at once, at least.
const READ: usize = 65_536;

/// An answer whose body is read as it arrives.
pub struct Stream {
    tcp: TcpStream,
    raw: Vec<u8>,
    /// Status and headers; its own body stays empty.
    pub head: Response,
    /// The part of the body that arrived and was not taken yet.
    pub body: Vec<u8>,
    chunked: bool,
    /// Bytes of the body that are missing, if the headers have its length.
    left: Option<usize>,
}

impl Stream {
    /// Sends a request and reads the head of its answer.
    pub async fn open(address: SocketAddr, request: &[u8]) -> io::Result<Self> {
        let mut tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        // A server that refuses a long body may answer and close before all of it
        // was written.
        let _ = tcp.write_all(request).await;
        let mut raw = Vec::new();
        let end = loop {
            if let Some(at) = find(&raw, b"\r\n\r\n") {
                break at + 4;
            }
            if tcp.read_buf(&mut raw).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = Response::parse(&raw[..end]);
        raw.drain(..end);
        let length = head.header("content-length");
        let coding = head.header("transfer-encoding");
        Ok(Self {
            tcp,
            raw,
            chunked: coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")),
            left: length.map(|length| length.parse().unwrap()),
            head,
            body: Vec::new(),
        })
    }

    /// Waits for more of the body; false at its end. Nothing is lost if the wait is
    /// cancelled.
    pub async fn more(&mut self) -> bool {
        loop {
            if self.take() {
                return true;
            }
            if self.left == Some(0) {
                return false;
            }
            // Without the capacity, a long body would be searched in small pieces.
            self.raw.reserve(READ);
            match self.tcp.read_buf(&mut self.raw).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return false,
            }
        }
    }

    /// Moves bytes that arrived to the body.
    fn take(&mut self) -> bool {
        if !self.chunked {
            let count = self.raw.len().min(self.left.unwrap_or(usize::MAX));
            self.left = self.left.map(|left| left - count);
            self.body.extend(self.raw.drain(..count));
            return count > 0;
        }
        let Some(line) = find(&self.raw, b"\r\n") else {
            return false;
        };
        let digits = std::str::from_utf8(&self.raw[..line]).unwrap();
        let count = usize::from_str_radix(digits, 16).unwrap();
        if self.raw.len() < line + 4 + count {
            return false;
        }
        self.body
            .extend_from_slice(&self.raw[line + 2..line + 2 + count]);
        self.raw.drain(..line + 4 + count);
        if count == 0 {
            self.left = Some(0);
        }
        count > 0
    }

    /// The whole answer.
    pub async fn whole(mut self) -> Response {
        while self.more().await {}
        self.head.body = self.body;
        self.head
    }
}

/// Sends a GET, and reads the whole answer.
pub async fn get(address: SocketAddr, target: &str) -> io::Result<Response> {
    let text = text(address, "GET", target, "", "");
    Ok(Stream::open(address, text.as_bytes()).await?.whole().await)
}

/// Posts a body of this type, and reads the whole answer.
pub async fn post(
    address: SocketAddr,
    target: &str,
    headers: &str,
    kind: &str,
    body: &str,
) -> io::Result<Response> {
    let headers = format!("{headers}Content-Type: {kind}\r\n");
    let text = text(address, "POST", target, &headers, body);
    Ok(Stream::open(address, text.as_bytes()).await?.whole().await)
}

/// Where `what` begins in `bytes`.
pub fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = what.first()?;
    let mut from = 0;
    loop {
        // By the first byte: this runs without optimisation.
        from += bytes[from..].iter().position(|byte| byte == first)?;
        if bytes[from..].starts_with(what) {
            return Some(from);
        }
        from += 1;
    }
}
