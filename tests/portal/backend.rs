//! A server that the portal asks: it answers each request as a function says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A request.
pub(crate) struct Request {
    /// Its first line and its headers.
    pub(crate) head: String,
    /// Its body.
    pub(crate) body: String,
}

/// The server.
pub(crate) struct Backend {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    count: Arc<AtomicUsize>,
}

/// Status and body of an answer; without one the connection is closed.
pub(crate) type Answer = Option<(u16, String)>;

impl Backend {
    /// Starts a server that lives as long as the test.
    pub(crate) fn start(answer: impl Fn(Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        let counted = count.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, counted) = (answer.clone(), counted.clone());
                std::thread::spawn(move || serve(stream, &*answer, &counted));
            }
        });
        Self { address, count }
    }

    /// The address of a document.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Requests until now.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(Request) -> Answer, count: &AtomicUsize) {
    let mut lines = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match lines.read_line(&mut head) {
                Ok(1..) => {}
                _ => return,
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        if lines.read_exact(&mut body).is_err() {
            return;
        }
        count.fetch_add(1, Ordering::SeqCst);
        let body = String::from_utf8(body).unwrap();
        let Some((status, text)) = answer(Request { head, body }) else {
            return;
        };
        let length = text.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{text}");
        // The server may have given up.
        if lines.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
