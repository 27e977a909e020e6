//! Tunnels: a stream of datagrams down, requests of their own up.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::format::{Format, Piece};
use super::http::{Stream, escape, get, post, request};
use super::{Cut, Door, Event, Feature, Garbage, Keys, Message};

/// A query longer than this goes as a body instead.
const QUERY_MAX: usize = 2_000;

/// A tunnel of one format.
pub struct Tunnel<F> {
    address: SocketAddr,
    id: String,
    /// None between two streams of a format that ends after each batch.
    stream: Option<Stream>,
    last: Option<String>,
    /// Where it began, for as long as no datagram came.
    received: u64,
    /// Refusals of what was sent.
    refused: VecDeque<Message>,
    format: PhantomData<F>,
}

impl<F: Format> Door for Tunnel<F> {
    const NAME: &'static str = F::NAME;
    const SOON_MISSED: Option<Keys> = if F::ONCE { None } else { Some(&[]) };

    fn supports(feature: Feature) -> bool {
        match feature {
            Feature::CloseCode | Feature::Envelope => false,
            Feature::StandingLine => !F::ONCE,
            Feature::Garbage | Feature::ClaimInTime => true,
        }
    }

    async fn open(address: SocketAddr) -> Self {
        let target = format!("/tunnel?new=1&format={}{}", F::NAME, F::QUERY);
        let text = request(address, "GET", &target, "");
        let stream = Stream::open(address, text.as_bytes()).await.unwrap();
        assert_eq!(stream.head.status, 200, "{:?}", stream.head);
        let mut door = Self::over(address, stream).await;
        super::ws::expect_greeting(&mut door).await;
        door
    }

    async fn resume(address: SocketAddr, cut: &Cut) -> Result<Self, Value> {
        let stream = attach::<F>(address, cut).await;
        if stream.head.status == 200 {
            let mut door = Self::over(address, stream).await;
            assert_eq!(door.id, cut.session);
            door.last.clone_from(&cut.last);
            door.received = cut.received;
            return Ok(door);
        }
        let answer = stream.whole().await;
        assert_eq!(answer.status, 410, "{answer:?}");
        Err(answer.json()["error"].take())
    }

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>) {
        let mut message = json!({"command": command, "data": data});
        if let Some(id) = id {
            message["id"] = id.clone();
        }
        let datagram = json!({"tunnel": self.id, "path": "/server", "data": message});
        self.push(&datagram.to_string(), id).await;
    }

    async fn send_garbage(&mut self, garbage: Garbage) {
        let text = match garbage {
            Garbage::Syntax => "{".to_owned(),
            Garbage::Shape => json!({"tunnel": self.id, "path": "/server", "data": []}).to_string(),
        };
        self.push(&text, None).await;
    }

    async fn next(&mut self) -> Event {
        if let Some(refusal) = self.refused.pop_front() {
            return Event::Message(refusal);
        }
        loop {
            let Some(stream) = &mut self.stream else {
                let Some(stream) = self.come_again().await else {
                    return Event::Closed(None);
                };
                self.stream = Some(stream);
                continue;
            };
            match F::take(&mut stream.body) {
                Some(Piece::Datagram(datagram)) => return Event::Message(self.message(datagram)),
                Some(Piece::Keepalive) => {}
                Some(Piece::Open(id)) => assert_eq!(id, self.id),
                Some(Piece::Close) => {
                    while stream.more().await {}
                    // The end of a page or of a call.
                    assert!(stream.body.len() < 32, "something follows the footer");
                    if !F::ONCE {
                        return Event::Closed(None);
                    }
                    self.stream = None;
                }
                None if stream.more().await => {}
                None if stream.body.is_empty() => panic!("a stream without a footer"),
                None => panic!("cut off: {:?}", String::from_utf8_lossy(&stream.body)),
            }
        }
    }

    fn last(&self) -> Option<String> {
        self.last.clone()
    }
}

impl<F: Format> Tunnel<F> {
    /// Reads up to the header.
    async fn over(address: SocketAddr, mut stream: Stream) -> Self {
        let header = |name| stream.head.header(name).map(str::to_owned);
        let kind = header("content-type").unwrap();
        assert!(kind.starts_with(F::CONTENT_TYPE), "{kind}");
        let id = header("turntable-tunnel").unwrap();
        let told = loop {
            match F::take(&mut stream.body) {
                Some(Piece::Open(id)) => break id,
                Some(Piece::Keepalive) => {}
                Some(other) => panic!("{other:?} instead of a header"),
                None => assert!(stream.more().await, "over before its header"),
            }
        };
        assert_eq!(told, id);
        Self {
            address,
            id,
            stream: Some(stream),
            last: None,
            received: 0,
            refused: VecDeque::new(),
            format: PhantomData,
        }
    }

    /// The next stream of a format that ends after each batch; none where the
    /// tunnel is gone.
    async fn come_again(&self) -> Option<Stream> {
        let cut = Cut {
            session: self.id.clone(),
            received: self.received,
            last: self.last.clone(),
        };
        let target = target::<F>(&cut);
        let text = request(self.address, "GET", &target, "");
        let stream = Stream::open(self.address, text.as_bytes()).await.ok()?;
        match stream.head.status {
            200 => Some(stream),
            410 | 503 => None,
            _ => panic!("{:?}", stream.head),
        }
    }

    /// Sends text to the tunnel's server.
    async fn push(&mut self, text: &str, id: Option<&Value>) {
        let query = escape(text);
        let answer = if F::SENDS_BY_QUERY && query.len() <= QUERY_MAX {
            get(self.address, &format!("/tunnel/send?d={query}")).await
        } else {
            post(self.address, "/tunnel/send", "", "application/json", text).await
        };
        // A server that is gone says so where the stream is read.
        let Ok(answer) = answer else { return };
        if answer.status == 200 {
            assert_eq!(answer.json(), json!({"ok": true}));
            return;
        }
        let error = answer.json()["error"].take();
        assert!(error["code"].is_string(), "{answer:?}");
        self.refused.push_back(Message::refusal(error, id.cloned()));
    }

    /// The message that a datagram carries.
    fn message(&mut self, mut datagram: Value) -> Message {
        let id = datagram["id"].as_str().unwrap().to_owned();
        let path = datagram["path"].as_str().unwrap().to_owned();
        self.last = Some(id.clone());
        let mut payload = datagram["data"].take();
        if let Some(channel) = path.strip_prefix("/channel/") {
            let data = json!({"channel": channel, "id": id, "data": payload});
            return Message::new("message", data, None);
        }
        let command = payload["command"].as_str().unwrap().to_owned();
        let expected = match command.as_str() {
            "userchange" => "/presence".to_owned(),
            "game" | "memberchange" => {
                format!("/game/{}", payload["data"]["channel"].as_str().unwrap())
            }
            "invite" | "invitereply" | "attributes" => path.clone(),
            _ => format!("/tunnel/{}", self.id),
        };
        assert_eq!(path, expected, "{payload}");
        let id = payload.get("id").cloned();
        Message::new(&command, payload["data"].take(), id)
    }
}

/// Where a tunnel comes back behind what it has got.
fn target<F: Format>(cut: &Cut) -> String {
    let (id, format, query) = (&cut.session, F::NAME, F::QUERY);
    let behind = match &cut.last {
        Some(last) => format!("&after={last}"),
        None => format!("&received={}", cut.received),
    };
    format!("/tunnel?id={id}&format={format}{query}{behind}")
}

async fn attach<F: Format>(address: SocketAddr, cut: &Cut) -> Stream {
    let text = match &cut.last {
        Some(last) if F::LAST_EVENT_ID => {
            let target = format!("/tunnel?id={}&format={}{}", cut.session, F::NAME, F::QUERY);
            let header = format!("Last-Event-ID: {last}\r\n");
            request(address, "GET", &target, &header)
        }
        _ => request(address, "GET", &target::<F>(cut), ""),
    };
    Stream::open(address, text.as_bytes()).await.unwrap()
}
