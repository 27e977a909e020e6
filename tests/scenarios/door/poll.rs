//! Poll: calls and answers in numbered batches. Nothing stands between two
//! requests, so whoever waits for something asks again and again.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::post;
use super::{Cut, Door, Event, Feature, Garbage, Keys, Message, answer};
use crate::support::Response;

/// Between two requests of one who waits.
const PAUSE: Duration = Duration::from_millis(20);

/// The number of the next batch, of all sessions: whoever goes on with a session
/// does not know how far another had counted.
static BATCH: AtomicU64 = AtomicU64::new(1);

/// Every batch whose number this divides is sent twice.
const AGAIN: u64 = 5;

pub struct Poll {
    address: SocketAddr,
    session: String,
    came: VecDeque<Message>,
    /// The commands whose answers are awaited, by their ids as JSON.
    asked: HashMap<String, String>,
    over: bool,
}

impl Door for Poll {
    const NAME: &'static str = "poll";
    const SOON_MISSED: Option<Keys> = Some(&[("poll.gone_ms", "500")]);

    fn supports(feature: Feature) -> bool {
        match feature {
            Feature::CloseCode | Feature::StandingLine | Feature::ClaimInTime => false,
            Feature::Envelope | Feature::Garbage => true,
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
        Self::over(address, session)
    }

    async fn resume(address: SocketAddr, cut: &Cut) -> Result<Self, Value> {
        let mut door = Self::over(address, cut.session.clone());
        let query = format!("received={}", cut.received);
        let answer = door.post(&query, "[]").await.unwrap();
        if answer.status == 410 {
            return Err(answer.json()["error"].take());
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        door.take(&answer);
        match door.came.pop_front() {
            Some(message) if message.command == "welcome" => {
                assert_eq!(message.data["resumed"], true, "{message:?}");
            }
            other => panic!("{other:?} instead of a welcome"),
        }
        Ok(door)
    }

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>) {
        let mut entry = json!({"f": format!("$av:{command}"), "args": data});
        if let Some(id) = id {
            self.asked.insert(id.to_string(), command.to_owned());
            entry["id"] = id.clone();
        }
        self.exchange(&json!([entry]).to_string()).await;
    }

    async fn send_garbage(&mut self, garbage: Garbage) {
        self.exchange(match garbage {
            Garbage::Syntax => "{",
            Garbage::Shape => "[5]",
        })
        .await;
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some(message) = self.came.pop_front() {
                return Event::Message(message);
            }
            if self.over {
                return Event::Closed(None);
            }
            self.exchange("[]").await;
            if self.came.is_empty() && !self.over {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Poll {
    fn over(address: SocketAddr, session: String) -> Self {
        Self {
            address,
            session,
            came: VecDeque::new(),
            asked: HashMap::new(),
            over: false,
        }
    }

    /// Posts the next batch, now and then twice: the same number has the same
    /// answer, and what it says is not done again.
    async fn post(&mut self, query: &str, body: &str) -> std::io::Result<Response> {
        let batch = BATCH.fetch_add(1, Ordering::Relaxed);
        let target = format!("/poll?batch={batch}&{query}");
        let session = format!("Turntable-Session: {}\r\n", self.session);
        let kind = "application/json";
        let answer = post(self.address, &target, &session, kind, body).await?;
        if answer.status == 200 && query.is_empty() && batch.is_multiple_of(AGAIN) {
            let again = post(self.address, &target, &session, kind, body).await?;
            // One that ended the session cannot be asked for again.
            if again.status != 410 {
                assert_eq!(again.text(), answer.text(), "batch {batch}");
            }
        }
        Ok(answer)
    }

    /// Posts and takes what comes back.
    async fn exchange(&mut self, body: &str) {
        match self.post("", body).await {
            Ok(answer) if answer.status == 200 => self.take(&answer),
            Ok(answer) if answer.status == 410 => self.over = true,
            Ok(answer) => {
                let error = answer.json()["error"].take();
                assert!(error["code"].is_string(), "{answer:?}");
                self.over = answer.status == 503;
                self.came.push_back(Message::refusal(error, None));
            }
            Err(_) => self.over = true,
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
                    self.came.push_back(Message::new(name, args, None));
                }
                continue;
            }
            let id = entry["id"].take();
            let asked = self.asked.remove(&id.to_string());
            let asked = asked.unwrap_or_else(|| panic!("{id} answers nothing: {entry}"));
            let error = entry.get("error").cloned();
            let message = answer(&asked, entry["r"].take(), error, id);
            self.came.push_back(message);
        }
    }
}

mod tests {
    use super::*;
    use crate::client::Client;
    use crate::run;
    use crate::support::Server;

    #[test]
    fn a_batch_that_takes_a_session_over_does_so_once() {
        run(async {
            let server = Server::start();
            let client = Client::<Poll>::user(&server, "1:1").await;
            let session = client.place().session;
            let header = format!("Turntable-Session: {session}\r\n");
            let ask = async |target: &str| {
                let answer = post(server.address, target, &header, "application/json", "[]");
                answer.await.unwrap().json()
            };
            let first = ask("/poll?batch=1000&received=0").await;
            assert_eq!(first[0]["f"], "$av:welcome", "{first}");
            assert_eq!(ask("/poll?batch=1000&received=0").await, first);
            assert_eq!(ask("/poll?batch=1001").await, json!([]));
        });
    }
}
