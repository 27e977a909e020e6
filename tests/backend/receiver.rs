//! A backend: answers each request as the test says, and passes it on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde_json::Value;

use turntable_testkit::DEADLINE;

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    headers: Vec<(String, String)>,
    /// The body as it came.
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|(known, _)| known == name);
        &header.unwrap_or_else(|| panic!("no header {name}")).1
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Status and body; `None` keeps the client waiting until it gives up.
pub(crate) type Answer = Option<(u16, String)>;

pub(crate) struct Backend {
    url: String,
    requests: Receiver<Request>,
}

impl Backend {
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (seen, requests) = channel();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &seen, &*answer));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next request.
    pub(crate) fn next(&self) -> Request {
        self.requests.recv_timeout(DEADLINE).expect("a request")
    }

    /// No request comes for a while.
    pub(crate) fn expect_none(&self) {
        let next = self.requests.recv_timeout(Duration::from_millis(200));
        assert!(matches!(next, Err(RecvTimeoutError::Timeout)), "{next:?}");
    }
}

fn serve(stream: TcpStream, seen: &Sender<Request>, answer: &dyn Fn(&Request) -> Answer) {
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        line.clear();
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let Some((_, length)) = length else {
        return;
    };
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let request = Request {
        headers,
        body: String::from_utf8(body).unwrap(),
    };
    let answer = answer(&request);
    // The test may be over.
    let _ = seen.send(request);
    match answer {
        Some((status, body)) => {
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = reader.get_mut().write_all(text.as_bytes());
        }
        None => {
            let _ = reader.read(&mut [0; 1]);
        }
    }
}
