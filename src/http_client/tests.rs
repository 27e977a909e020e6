#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use super::*;

/// A server that answers each connection's request with these bytes, and passes on what
/// it got.
fn server(answer: &'static str) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut bytes = [0; 4_096];
            while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"}") {
                match stream.read(&mut bytes).unwrap() {
                    0 => break,
                    count => request.extend_from_slice(&bytes[..count]),
                }
            }
            if seen.send(String::from_utf8(request).unwrap()).is_err() {
                return;
            }
            stream.write_all(answer.as_bytes()).unwrap();
            if answer.is_empty() {
                // The client gives up first.
                let _ = stream.read(&mut bytes);
            }
        }
    });
    (address, requests)
}

fn limits(timeout_ms: u64) -> AnswerLimits {
    AnswerLimits {
        timeout: Duration::from_millis(timeout_ms),
        bytes_max: 10,
    }
}

async fn get(address: SocketAddr, limits: AnswerLimits) -> Result<Answer, Failure> {
    let endpoint = Endpoint::parse(&format!("http://{address}/a?b=1")).unwrap();
    HttpClient::new().unwrap().get(&endpoint, limits).await
}

#[tokio::test]
async fn request_and_answer_are_as_they_were_sent() {
    let (address, requests) =
        server("HTTP/1.1 403 Forbidden\r\nX-Why: no\r\nContent-Length: 2\r\n\r\n{}");
    let endpoint = Endpoint::parse(&format!("http://{address}/check")).unwrap();
    let json = (
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let body = Bytes::from_static(b"{\"a\":1}");
    let client = HttpClient::new().unwrap();
    let answer = client.post(&endpoint, &[json], body, limits(5_000)).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, &*answer.body), (403, &b"{}"[..]));
    assert_eq!(answer.headers.get("x-why").unwrap(), "no");
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /check HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/json\r\n"));
    assert!(request.contains(AGENT) && request.ends_with("\r\n\r\n{\"a\":1}"));
}

#[tokio::test]
async fn redirect_is_an_answer_like_others() {
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let (address, _requests) = server(moved);
    assert_eq!(get(address, limits(5_000)).await.unwrap().status, 302);
}

#[tokio::test]
async fn answer_is_limited_in_bytes_and_time() {
    let (address, _requests) = server("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901");
    let failure = get(address, limits(5_000)).await.unwrap_err();
    assert_eq!(failure, Failure::TooLarge(10));
    let (address, _requests) = server("");
    let failure = get(address, limits(50)).await.unwrap_err();
    assert_eq!(failure.to_string(), "no answer within 50 ms");
}

#[tokio::test]
async fn failed_connection_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = get(address, limits(5_000)).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Connection(why) if why.contains("refused")),
        "{failure}"
    );
    let (address, _requests) = server("garbage\r\n\r\n");
    let failure = get(address, limits(5_000)).await.unwrap_err();
    assert!(matches!(failure, Failure::Connection(_)), "{failure}");
}
