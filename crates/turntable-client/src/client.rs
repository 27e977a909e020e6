//! The handle of a client: what a program calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::http::Uri;

use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::{ClientPacket, Status};

use crate::driver::Driver;
use crate::error::{Ended, Error};
use crate::event::{Event, Events, Found, ServiceInfo, found};
use crate::options::{ClientBuilder, encode};
use crate::service::{Service, Table};
use crate::session::{Answer, Claim, Command, Online};

/// Whether the client is connected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    /// There is no session yet, or no connection.
    Away(Option<UserId>),
    /// The session has a connection.
    Online(Option<UserId>),
    /// It is over.
    Ended(Ended),
}

/// What a handle asks the driver for.
pub(crate) enum Op {
    Send(Command),
    Provide {
        name: String,
        table: Table,
        done: oneshot::Sender<Answer>,
    },
    /// Tells when a withdrawn service has answered everything.
    Drain {
        name: String,
        done: oneshot::Sender<()>,
    },
}

/// What the driver shares with the handles.
pub(crate) struct Line {
    pub(crate) ops: mpsc::Receiver<Op>,
    pub(crate) state: watch::Sender<State>,
    pub(crate) services: watch::Sender<BTreeMap<String, ServiceInfo>>,
    pub(crate) token: watch::Sender<Option<String>>,
    pub(crate) events: broadcast::Sender<Arc<Event>>,
    pub(crate) closing: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Shared {
    ops: mpsc::Sender<Op>,
    state: watch::Receiver<State>,
    services: watch::Receiver<BTreeMap<String, ServiceInfo>>,
    token: watch::Receiver<Option<String>>,
    /// The driver has the sender: events end with it.
    events: broadcast::WeakSender<Arc<Event>>,
    closing: watch::Sender<bool>,
}

/// A client of a server. A clone is another handle of the same client; when the last one
/// is dropped, the session ends.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    timeout: Duration,
}

/// How a service is provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provided {
    /// This client is an instance of the service.
    Service,
    /// The user may not provide the service: these are functions of its own, which are
    /// called with the user as well.
    Own,
}

#[derive(Deserialize)]
struct Welcomed {
    user: Option<UserId>,
}

#[derive(Deserialize)]
struct Providing {
    services: Vec<String>,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Published {
    /// The id of the message.
    pub id: String,
    /// Its place in the channel.
    pub offset: u64,
    /// The name of the channel's life.
    pub epoch: String,
}

impl Client {
    /// Begins a client of the server at `url`, as `ws://127.0.0.1:8080/ws`.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }

    pub(crate) fn begin(options: ClientBuilder, uri: Uri, user: Option<UserId>) -> Self {
        let (ops, taken) = mpsc::channel(options.queue_max);
        let (events, _) = broadcast::channel(options.queue_max);
        let (closing, is_closing) = watch::channel(false);
        let (state, state_now) = watch::channel(State::Away(None));
        let (services, services_now) = watch::channel(BTreeMap::new());
        let (token, token_now) = watch::channel(None);
        let line = Line {
            ops: taken,
            state,
            services,
            token,
            closing: is_closing,
            events: events.clone(),
        };
        let client = Self {
            shared: Arc::new(Shared {
                ops,
                state: state_now,
                services: services_now,
                token: token_now,
                events: events.downgrade(),
                closing,
            }),
            timeout: options.timeout,
        };
        let claim = Claim {
            user,
            attributes: options.attributes.clone(),
        };
        tokio::spawn(Driver::new(options, uri, claim, line).run());
        client
    }

    /// The same client with another deadline for its commands.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Self {
        Self {
            shared: self.shared.clone(),
            timeout,
        }
    }

    /// Waits until the client is connected and the server has accepted it.
    ///
    /// # Errors
    /// [`Error::Ended`] if that will not be.
    pub async fn online(&self) -> Result<Option<UserId>, Error> {
        let mut state = self.shared.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Away(_)));
        match settled.await.as_deref() {
            Ok(State::Online(user)) => Ok(user.clone()),
            Ok(State::Ended(why)) => Err(Error::Ended(why.clone())),
            _ => Err(Error::Ended(Ended::Closed)),
        }
    }

    /// The user that the client is, once the server has accepted it.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        match &*self.shared.state.borrow() {
            State::Away(user) | State::Online(user) => user.clone(),
            State::Ended(_) => None,
        }
    }

    /// The token of a guest (`welcome.token`), with which another client comes back as the
    /// same user: `builder(url).user(id).token(token)`. This one does so by itself.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        self.shared.token.borrow().clone()
    }

    /// Gives the session credentials: a guest gains an identity, or those that expire are
    /// renewed. Without `user` the credentials say who it is. The session goes on; as another
    /// user it provides, and is on channels and in rooms again. Later sessions of this client
    /// identify with them, unless [`ClientBuilder::credentials_from`] has a function.
    ///
    /// # Errors
    /// As those of all commands, [`Error::Refused`] with `unauthorized`, or `forbidden` for
    /// those of another user than one that has shown who it is; [`Error::InvalidId`].
    pub async fn authenticate(
        &self,
        user: Option<&str>,
        credentials: Value,
    ) -> Result<Option<UserId>, Error> {
        let answer = self.request(ClientPacket::Authenticate {
            user: user.map(UserId::parse).transpose()?,
            credentials: credentials.into(),
        });
        let Welcomed { user } = serde_json::from_str(answer.await?.get()).map_err(Error::decode)?;
        // It is so once the driver has seen to it.
        let mut state = self.shared.state.clone();
        let is_so = |state: &State| match state {
            State::Away(known) | State::Online(known) => *known == user,
            State::Ended(_) => true,
        };
        let _ = state.wait_for(is_so).await;
        Ok(user)
    }

    /// Waits until the client has ended, and returns why.
    pub async fn ended(&self) -> Ended {
        let mut state = self.shared.state.clone();
        let ended = state.wait_for(|state| matches!(state, State::Ended(_)));
        match ended.await.as_deref() {
            Ok(State::Ended(why)) => why.clone(),
            _ => Ended::Closed,
        }
    }

    /// Ends the session. Answers of this client's functions that are there are sent before.
    pub async fn close(&self) {
        self.shared.closing.send_replace(true);
        self.ended().await;
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        let events = self.shared.events.upgrade();
        // The receiver of a channel without a sender has ended.
        Events(events.map_or_else(|| broadcast::channel(1).1, |events| events.subscribe()))
    }

    /// The services that the user may call.
    #[must_use]
    pub fn services(&self) -> BTreeMap<String, ServiceInfo> {
        self.shared.services.borrow().clone()
    }

    /// Waits until a service can be called.
    ///
    /// # Errors
    /// [`Error::Ended`] if the client ends before.
    pub async fn service_up(&self, name: &str) -> Result<ServiceInfo, Error> {
        let mut services = self.shared.services.clone();
        let is_up = |all: &BTreeMap<String, ServiceInfo>| {
            all.get(name).is_some_and(ServiceInfo::is_enabled)
        };
        let up = services.wait_for(is_up).await;
        let up = up.map(|all| all.get(name).cloned().unwrap_or_default());
        match up {
            Ok(service) => Ok(service),
            Err(_) => Err(Error::Ended(self.ended().await)),
        }
    }

    /// Calls a function of a service, `SERVICE:FUNCTION`. The arguments may be any value
    /// that serde writes as JSON, and the result any that it reads.
    ///
    /// # Errors
    /// [`Error::Refused`] with what the server or the service answered; [`Error::Timeout`],
    /// [`Error::SessionLost`]: it may have been carried out or not.
    pub async fn call<A, R>(&self, f: &str, args: &A) -> Result<R, Error>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        self.call_of(None, f, args).await
    }

    /// Calls a function that the clients of a user offer.
    ///
    /// # Errors
    /// As [`Client::call`]; [`Error::InvalidId`].
    pub async fn call_user<A, R>(&self, user: &str, f: &str, args: &A) -> Result<R, Error>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        self.call_of(Some(UserId::parse(user)?), f, args).await
    }

    async fn call_of<A, R>(&self, user: Option<UserId>, f: &str, args: &A) -> Result<R, Error>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let answer = self.request(ClientPacket::Call {
            f: f.into(),
            args: Some(encode(args)?),
            user,
        });
        serde_json::from_str(answer.await?.get()).map_err(Error::decode)
    }

    /// Provides a service, or functions of the user's own. A new session provides it again.
    ///
    /// # Errors
    /// As those of all commands.
    pub async fn provide<S: Send + Sync + 'static>(
        &self,
        service: Service<S>,
    ) -> Result<Provided, Error> {
        let (name, table) = service.table();
        let (done, answer) = oneshot::channel();
        let op = Op::Provide {
            name: name.clone(),
            table,
            done,
        };
        let answer = self.ask(op, answer).await?;
        let Providing { services } = serde_json::from_str(answer.get()).map_err(Error::decode)?;
        Ok(match services.contains(&name) {
            true => Provided::Service,
            false => Provided::Own,
        })
    }

    /// Gets no more calls of a service, and waits until those that it has are answered.
    ///
    /// # Errors
    /// As those of all commands.
    pub async fn withdraw(&self, name: &str) -> Result<(), Error> {
        let none = vec![(name.into(), Vec::new())];
        self.request(ClientPacket::Provide(none)).await?;
        let (done, drained) = oneshot::channel();
        let drain = Op::Drain {
            name: name.to_owned(),
            done,
        };
        let sent = self.shared.ops.send(drain).await;
        match sent {
            // What the server cancelled is answered, too.
            Ok(()) => drained.await.map_err(|_| self.over()),
            Err(_) => Err(self.over()),
        }
    }

    /// Sets attributes of the user; `null` removes one. The answer comes when it is done,
    /// in the order in which all sessions of the user hear of it.
    ///
    /// # Errors
    /// As those of all commands; [`Error::Encode`] if `attributes` is no object.
    pub async fn set<A: Serialize + ?Sized>(&self, attributes: &A) -> Result<(), Error> {
        let value = serde_json::to_value(attributes).map_err(Error::encode)?;
        let Value::Object(all) = value else {
            let error = serde::ser::Error::custom("attributes are an object");
            return Err(Error::encode(error));
        };
        let change = |(name, value): (String, Value)| {
            let value = (!value.is_null()).then(|| value.into());
            (name.into(), value)
        };
        let changes = all.into_iter().map(change).collect();
        self.request(ClientPacket::Set(changes)).await?;
        Ok(())
    }

    /// Watches users: [`Event::Presence`] and [`Event::Profiles`] have their states and
    /// public attributes, first all and then changes. A new session watches them again.
    ///
    /// # Errors
    /// As those of all commands; [`Error::InvalidId`].
    pub async fn watch(&self, users: &[&str]) -> Result<(), Error> {
        self.request(ClientPacket::Subscribe(parse(users)?)).await?;
        Ok(())
    }

    /// Watches users no more.
    ///
    /// # Errors
    /// As those of all commands; [`Error::InvalidId`].
    pub async fn unwatch(&self, users: &[&str]) -> Result<(), Error> {
        self.request(ClientPacket::Unsubscribe(parse(users)?))
            .await?;
        Ok(())
    }

    /// The states of users now.
    ///
    /// # Errors
    /// As those of all commands; [`Error::InvalidId`].
    pub async fn lookup(&self, users: &[&str]) -> Result<BTreeMap<UserId, Found>, Error> {
        let answer = self.request(ClientPacket::Lookup(parse(users)?)).await?;
        found(answer.get()).map_err(Error::decode)
    }

    /// The state that the user shows, and a note for those who look it up.
    ///
    /// # Errors
    /// As those of all commands.
    pub async fn status(&self, state: Status, note: Option<Value>) -> Result<(), Error> {
        let note = note.map(Into::into);
        self.request(ClientPacket::Status { state, note }).await?;
        Ok(())
    }

    /// Publishes a message on a channel, which need not be joined.
    ///
    /// # Errors
    /// As those of all commands; [`Error::InvalidId`].
    pub async fn publish<T: Serialize + ?Sized>(
        &self,
        channel: &str,
        data: &T,
    ) -> Result<Published, Error> {
        let answer = self.request(ClientPacket::Publish {
            channel: ChannelId::parse(channel)?,
            data: encode(data)?,
        });
        serde_json::from_str(answer.await?.get()).map_err(Error::decode)
    }

    /// Declines an invitation to a room.
    ///
    /// # Errors
    /// As those of all commands; [`Error::InvalidId`].
    pub async fn decline(&self, room: &str) -> Result<(), Error> {
        let room = ChannelId::parse(room)?;
        self.request(ClientPacket::DeclineInvite(room)).await?;
        Ok(())
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn request(&self, packet: ClientPacket) -> Result<Box<RawValue>, Error> {
        let (done, answer) = oneshot::channel();
        let command = Command {
            packet,
            answers: None,
            done: Some(done),
        };
        self.ask(Op::Send(command), answer).await
    }

    /// Sends a command that is answered only if it is refused, by an event.
    pub(crate) async fn send(&self, packet: ClientPacket) -> Result<(), Error> {
        let command = Command {
            packet,
            answers: None,
            done: None,
        };
        let sent = self.shared.ops.send(Op::Send(command));
        match tokio::time::timeout(self.timeout, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.over()),
            Err(_) => Err(self.late()),
        }
    }

    async fn ask(&self, op: Op, answer: oneshot::Receiver<Answer>) -> Result<Box<RawValue>, Error> {
        let answered = async {
            self.shared.ops.send(op).await.map_err(|_| self.over())?;
            answer.await.unwrap_or_else(|_| Err(self.over()))
        };
        // A command that is not sent by then is not sent at all: its receiver is gone.
        let answered = tokio::time::timeout(self.timeout, answered).await;
        answered.unwrap_or_else(|_| Err(self.late()))
    }

    fn late(&self) -> Error {
        let ms = self.timeout.as_millis();
        Error::Timeout(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// The driver has ended.
    fn over(&self) -> Error {
        Error::Ended(match &*self.shared.state.borrow() {
            State::Ended(why) => why.clone(),
            _ => Ended::Closed,
        })
    }
}

impl State {
    /// The state of a session that is there.
    pub(crate) fn of(online: &Online) -> Self {
        Self::Online(online.user.clone())
    }
}

/// The users of these ids.
pub(crate) fn parse(users: &[&str]) -> Result<Vec<UserId>, Error> {
    let users = users.iter().map(|user| UserId::parse(user));
    Ok(users.collect::<Result<_, _>>()?)
}
