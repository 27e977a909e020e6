//! Tunnels: a stream of datagrams down, separate requests up.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::format::{Format, Piece};
use turntable_testkit::http::{escape, text};

use super::http::{Stream, get, post};
use super::{Event, Feature, Invalid, Keys, Message, Position, Transport};

/// A longer query is sent as a body instead.
const QUERY_MAX: usize = 2_000;

/// A tunnel of one format.
pub struct Tunnel<F> {
    address: SocketAddr,
    id: String,
    /// None between two requests of a format that ends after each batch.
    stream: Option<Stream>,
    last: Option<String>,
    /// The position that it began at, used until the first datagram.
    received: u64,
    /// Answers to refused datagrams.
    refused: VecDeque<Message>,
    format: PhantomData<F>,
}

impl<F: Format> Transport for Tunnel<F> {
    const NAME: &'static str = F::NAME;
    const QUICK_DISCONNECT: Option<Keys> = if F::ONCE { None } else { Some(&[]) };

    fn supports(feature: Feature) -> bool {
        match feature {
            Feature::CloseCode | Feature::Envelope => false,
            Feature::PersistentConnection => !F::ONCE,
            Feature::InvalidMessages | Feature::IdentifyTimeout => true,
        }
    }

    async fn open(address: SocketAddr) -> Self {
        let target = format!("/tunnel?new=1&format={}{}", F::NAME, F::QUERY);
        let text = text(address, "GET", &target, "", "");
        let stream = Stream::open(address, text.as_bytes()).await.unwrap();
        assert_eq!(stream.head.status, 200, "{:?}", stream.head);
        let mut transport = Self::new(address, stream).await;
        super::ws::expect_greeting(&mut transport).await;
        transport
    }

    async fn resume(address: SocketAddr, position: &Position) -> Result<Self, Value> {
        let stream = attach::<F>(address, position).await;
        if stream.head.status == 200 {
            let mut transport = Self::new(address, stream).await;
            assert_eq!(transport.id, position.session);
            transport.last.clone_from(&position.last);
            transport.received = position.received;
            return Ok(transport);
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

    async fn send_invalid(&mut self, invalid: Invalid) {
        let text = match invalid {
            Invalid::Syntax => "{".to_owned(),
            Invalid::Shape => json!({"tunnel": self.id, "path": "/server", "data": []}).to_string(),
        };
        self.push(&text, None).await;
    }

    async fn next(&mut self) -> Event {
        if let Some(refusal) = self.refused.pop_front() {
            return Event::Message(refusal);
        }
        loop {
            let Some(stream) = &mut self.stream else {
                let Some(stream) = self.next_stream().await else {
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
                    // The end of a page or of a function call.
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
    /// Reads the header.
    async fn new(address: SocketAddr, mut stream: Stream) -> Self {
        let header = |name| stream.head.header(name).map(str::to_owned);
        let kind = header("content-type").unwrap();
        assert!(kind.starts_with(F::CONTENT_TYPE), "{kind}");
        let id = header("turntable-tunnel").unwrap();
        let header = loop {
            match F::take(&mut stream.body) {
                Some(Piece::Open(id)) => break id,
                Some(Piece::Keepalive) => {}
                Some(other) => panic!("{other:?} instead of a header"),
                None => assert!(stream.more().await, "closed before its header"),
            }
        };
        assert_eq!(header, id);
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

    /// The next stream of a format that ends after each batch; none if the tunnel is
    /// gone.
    async fn next_stream(&self) -> Option<Stream> {
        let position = Position {
            session: self.id.clone(),
            received: self.received,
            last: self.last.clone(),
        };
        let target = target::<F>(&position);
        let text = text(self.address, "GET", &target, "", "");
        let stream = Stream::open(self.address, text.as_bytes()).await.ok()?;
        match stream.head.status {
            200 => Some(stream),
            410 | 503 => None,
            _ => panic!("{:?}", stream.head),
        }
    }

    /// Sends a datagram.
    async fn push(&mut self, text: &str, id: Option<&Value>) {
        let query = escape(text);
        let answer = if F::SENDS_BY_QUERY && query.len() <= QUERY_MAX {
            get(self.address, &format!("/tunnel/send?d={query}")).await
        } else {
            post(self.address, "/tunnel/send", "", "application/json", text).await
        };
        // A server that is gone is noticed by reading the stream.
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
            "userchange" | "profiles" => "/presence".to_owned(),
            // A channel's has its epoch; a room's may have the same name.
            "memberchange" if payload["data"].get("epoch").is_some() => "/presence".to_owned(),
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

/// Path and query that resume a tunnel.
fn target<F: Format>(position: &Position) -> String {
    let (id, format, query) = (&position.session, F::NAME, F::QUERY);
    let after = match &position.last {
        Some(last) => format!("&after={last}"),
        None => format!("&received={}", position.received),
    };
    format!("/tunnel?id={id}&format={format}{query}{after}")
}

async fn attach<F: Format>(address: SocketAddr, position: &Position) -> Stream {
    let text = match &position.last {
        Some(last) if F::LAST_EVENT_ID => {
            let target = format!(
                "/tunnel?id={}&format={}{}",
                position.session,
                F::NAME,
                F::QUERY
            );
            let header = format!("Last-Event-ID: {last}\r\n");
            text(address, "GET", &target, &header, "")
        }
        _ => text(address, "GET", &target::<F>(position), "", ""),
    };
    Stream::open(address, text.as_bytes()).await.unwrap()
}
