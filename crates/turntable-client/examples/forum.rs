//! The forum of `examples/forum-service` in Rust: a stand-alone service with two functions.
//!
//! ```sh
//! turntable serve --config examples/forum-service/turntable.toml
//! cargo run -p turntable-client --example forum
//! node examples/forum-service/client.mjs
//! ```
//!
//! `cargo run -p turntable-client --example forum -- ws://HOST:PORT/ws TOKEN` connects to
//! another server. Ctrl-C stops it in order: no more calls, those that it has are answered,
//! then it ends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use turntable_client::{Caller, Client, Error, Event, Failure, Provided, Service};

const POSTS_MAX: usize = 1_000;

/// What a page sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NewPost {
    title: String,
    body: String,
}

/// What the others see.
#[derive(Debug, Clone, Serialize)]
struct Post {
    number: u64,
    author: Option<String>,
    title: String,
    body: String,
}

/// The answer to a new post.
#[derive(Debug, Serialize)]
struct Created {
    number: u64,
}

/// The posts, the last [`POSTS_MAX`] of them.
#[derive(Debug, Default)]
pub(crate) struct Forum(Mutex<VecDeque<Post>>);

impl Forum {
    fn posts(&self) -> MutexGuard<'_, VecDeque<Post>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn create_post(forum: Arc<Forum>, caller: Caller, new: NewPost) -> Result<Created, Failure> {
    if new.title.is_empty() {
        return Err(Failure::refused("a post needs a title"));
    }
    let mut posts = forum.posts();
    let number = posts.back().map_or(0, |last| last.number) + 1;
    posts.push_back(Post {
        number,
        author: caller.user.map(|user| user.to_string()),
        title: new.title,
        body: new.body,
    });
    if posts.len() > POSTS_MAX {
        posts.pop_front();
    }
    Ok(Created { number })
}

async fn list_posts(forum: Arc<Forum>, _: Caller, _: Value) -> Result<VecDeque<Post>, Failure> {
    Ok(forum.posts().clone())
}

/// Connects to a server and provides the forum.
///
/// # Errors
/// If the server refuses the token.
pub(crate) async fn provide(url: &str, token: &str) -> Result<(Client, Provided), Error> {
    let client = Client::builder(url)
        .user("service:forum")
        .token(token)
        .connect()
        .await?;
    let forum = Service::new("forum", Forum::default())
        .function("createPost", create_post)
        .function("listPosts", list_posts);
    let provided = client.provide(forum).await?;
    Ok((client, provided))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize| arguments.get(index).map(String::as_str);
    let url = argument(0).unwrap_or("ws://127.0.0.1:8080/ws");
    let (client, provided) = provide(url, argument(1).unwrap_or("change-me")).await?;
    match provided {
        Provided::Service => println!("forum is provided"),
        Provided::Own => println!("service:forum may not provide it: services.forum.providers"),
    }
    let mut events = client.events();
    loop {
        tokio::select! {
            event = events.next() => match event.as_deref() {
                Some(Event::Disconnected { disconnection, .. }) => {
                    println!("forum is away: {}", disconnection.text);
                }
                Some(Event::Connected { .. }) => println!("forum is back"),
                Some(_) => {}
                None => {
                    println!("{}", client.ended().await);
                    return Ok(());
                }
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.withdraw("forum").await?;
    client.close().await;
    Ok(())
}
