//! Rust programs as clients and services of a turntable server.
//!
//! A [`Client`] is one session of a server, over WebSockets in JSON or MessagePack. It
//! connects again by itself, with delays that are random and grow, and resumes its session:
//! what the server sent meanwhile follows, and what the server did not take is sent again,
//! so each command is carried out once. When the session is lost, a new one provides, watches
//! and joins the same again. A refusal of the credentials, and a close code that says so,
//! end it.
//!
//! A service, and a caller of it:
//!
//! ```no_run
//! use std::sync::{Mutex, PoisonError};
//! use turntable_client::{Client, Failure, Provided, Service};
//!
//! # async fn example() -> Result<(), turntable_client::Error> {
//! let forum = Service::new("forum", Mutex::new(Vec::<String>::new()))
//!     .function("createPost", async |posts, _caller, title: String| {
//!         if title.is_empty() {
//!             return Err(Failure::refused("a post has a title"));
//!         }
//!         let mut posts = posts.lock().unwrap_or_else(PoisonError::into_inner);
//!         posts.push(title);
//!         Ok(posts.len())
//!     });
//! let instance = Client::builder("ws://127.0.0.1:8080/ws")
//!     .user("service:forum")
//!     .token("change-me")
//!     .connect()
//!     .await?;
//! assert_eq!(instance.provide(forum).await?, Provided::Service);
//!
//! let mel = Client::builder("ws://127.0.0.1:8080/ws").user("1:2345").connect().await?;
//! mel.service_up("forum").await?;
//! let number: usize = mel.call("forum:createPost", "test post").await?;
//! # let _ = number;
//!
//! // No more calls are given to it; those that it has are answered.
//! instance.withdraw("forum").await?;
//! instance.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! - *Commands* wait for their answers, at most as long as [`ClientBuilder::timeout`] and
//!   [`Client::within`] say, with or without a connection. Those that the rates of the server
//!   do not allow yet wait before they are sent.
//! - *Events* are everything else: [`Client::events`]. A [`Channel`] and a [`Room`] have
//!   their own.
//! - *Errors* say what is known: [`Error::Refused`] is an answer, [`Error::Timeout`] and
//!   [`Error::SessionLost`] leave open whether it was carried out.
//!
//! The wire protocol is docs/protocol.md, and services are docs/services.md. The types of
//! ids and of error codes are those of `turntable-core`.

mod backoff;
mod client;
mod connection;
mod desired;
mod driver;
mod error;
mod event;
mod exchange;
mod follow;
mod identity;
mod options;
mod pace;
mod place;
mod sent;
mod service;
mod session;

pub use client::{Client, Provided, Published};
pub use error::{Disconnection, Ended, Error, Refusal};
pub use event::{ChannelMessage, Event, Events, Found, GameAction, Joined, Members, ServiceInfo};
pub use options::{BoxError, ClientBuilder, Encoding, Reconnect};
pub use place::{Channel, ChannelOptions, Room, RoomOptions};
pub use service::{Caller, Failure, Service};

pub use turntable_core::id::{ChannelId, UserId};
pub use turntable_core::packet::{Presence, Status};
pub use turntable_core::reason::{CloseReason, ErrorCode};
