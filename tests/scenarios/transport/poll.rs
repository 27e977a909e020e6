//! Poll: calls and answers in numbered batches. There is no connection between two
//! requests, so a client that waits polls again and again.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use turntable_testkit::Response;

use super::http::post;
use super::{Event, Feature, Invalid, Keys, Message, Position, Transport, answer};

/// Between two requests of a client that waits: what a poll client does, and no
/// wait of the test.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The number of the next batch, for all sessions: a client that resumes a session
/// does not know the last number of the previous client.
static BATCH: AtomicU64 = AtomicU64::new(1);

/// Every batch whose number is a multiple of this is sent twice.
const REPEATED: u64 = 5;

pub struct Poll {
    address: SocketAddr,
    session: String,
    queue: VecDeque<Message>,
    /// The commands that wait for their answers, by their ids as JSON.
    pending: HashMap<String, String>,
    is_closed: bool,
}

impl Transport for Poll {
    const NAME: &'static str = "poll";
    const QUICK_DISCONNECT: Option<Keys> = Some(&[("poll.gone_ms", "500")]);

    fn supports(feature: Feature) -> bool {
        match feature {
            Feature::CloseCode | Feature::PersistentConnection | Feature::IdentifyTimeout => false,
            Feature::Envelope | Feature::InvalidMessages => true,
        }
    }

    async fn open(address: SocketAddr) -> Self {
        let answer = post(address, "/poll", "", "application/json", "[]").await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let session = answer.header("Turntable-Session").unwrap().to_owned();
        let first = &answer.json()[0];
        assert_eq!(first["f"], "$av:connected", "{first}");
        assert_eq!(first["args"]["session"], session.as_str());
        assert_eq!(first["args"]["user"], Value::Null);
        Self::new(address, session)
    }

    async fn resume(address: SocketAddr, position: &Position) -> Result<Self, Value> {
        let mut transport = Self::new(address, position.session.clone());
        let query = format!("received={}", position.received);
        let answer = transport.post(&query, "[]").await.unwrap();
        if answer.status == 410 {
            return Err(answer.json()["error"].take());
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        transport.take(&answer);
        match transport.queue.pop_front() {
            Some(message) if message.command == "welcome" => {
                assert_eq!(message.data["resumed"], true, "{message:?}");
            }
            other => panic!("{other:?} instead of a welcome"),
        }
        Ok(transport)
    }

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>) {
        let mut entry = json!({"f": format!("$av:{command}"), "args": data});
        if let Some(id) = id {
            self.pending.insert(id.to_string(), command.to_owned());
            entry["id"] = id.clone();
        }
        self.exchange(&json!([entry]).to_string()).await;
    }

    async fn send_invalid(&mut self, invalid: Invalid) {
        self.exchange(match invalid {
            Invalid::Syntax => "{",
            Invalid::Shape => "[5]",
        })
        .await;
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Event::Message(message);
            }
            if self.is_closed {
                return Event::Closed(None);
            }
            self.exchange("[]").await;
            if self.queue.is_empty() && !self.is_closed {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}

impl Poll {
    fn new(address: SocketAddr, session: String) -> Self {
        Self {
            address,
            session,
            queue: VecDeque::new(),
            pending: HashMap::new(),
            is_closed: false,
        }
    }

    /// Posts the next batch, sometimes twice: the same number gets the same answer,
    /// and its calls do not run again.
    async fn post(&mut self, query: &str, body: &str) -> std::io::Result<Response> {
        let batch = BATCH.fetch_add(1, Ordering::Relaxed);
        let target = format!("/poll?batch={batch}&{query}");
        let session = format!("Turntable-Session: {}\r\n", self.session);
        let kind = "application/json";
        let answer = post(self.address, &target, &session, kind, body).await?;
        if answer.status == 200 && query.is_empty() && batch.is_multiple_of(REPEATED) {
            let again = post(self.address, &target, &session, kind, body).await?;
            // A batch that ended the session cannot be repeated.
            if again.status != 410 {
                assert_eq!(again.text(), answer.text(), "batch {batch}");
            }
        }
        Ok(answer)
    }

    /// Posts, and reads the answer.
    async fn exchange(&mut self, body: &str) {
        match self.post("", body).await {
            Ok(answer) if answer.status == 200 => self.take(&answer),
            Ok(answer) if answer.status == 410 => self.is_closed = true,
            Ok(answer) => {
                let error = answer.json()["error"].take();
                assert!(error["code"].is_string(), "{answer:?}");
                self.is_closed = answer.status == 503;
                self.queue.push_back(Message::refusal(error, None));
            }
            Err(_) => self.is_closed = true,
        }
    }

    fn take(&mut self, batch: &Response) {
        let Value::Array(entries) = batch.json() else {
            panic!("{batch:?} instead of an array");
        };
        for mut entry in entries {
            let args = entry["args"].take();
            if let Some(name) = entry.get("f") {
                let name = name.as_str().unwrap().strip_prefix("$av:").unwrap();
                let name = if name == "set" { "attributes" } else { name };
                if name != "connected" {
                    self.queue.push_back(Message::new(name, args, None));
                }
                continue;
            }
            let id = entry["id"].take();
            let request = self.pending.remove(&id.to_string());
            let request = request.unwrap_or_else(|| panic!("{id} answers nothing: {entry}"));
            let error = entry.get("error").cloned();
            let message = answer(&request, entry["r"].take(), error, id);
            self.queue.push_back(message);
        }
    }
}

mod tests {
    use super::*;
    use crate::client::Client;
    use crate::run;
    use turntable_testkit::Server;

    #[test]
    fn batch_that_takes_over_a_session_does_so_once() {
        run(async {
            let server = Server::start();
            let client = Client::<Poll>::user(&server, "1:1").await;
            let session = client.position().session;
            let header = format!("Turntable-Session: {session}\r\n");
            let send = async |target: &str| {
                let answer = post(server.address, target, &header, "application/json", "[]");
                answer.await.unwrap().json()
            };
            let first = send("/poll?batch=1000&received=0").await;
            assert_eq!(first[0]["f"], "$av:welcome", "{first}");
            assert_eq!(send("/poll?batch=1000&received=0").await, first);
            assert_eq!(send("/poll?batch=1001").await, json!([]));
        });
    }
}
