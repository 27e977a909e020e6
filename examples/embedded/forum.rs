//! The forum: posts of all users. It counts the posts of each user in an attribute of the
//! user's avatar, which all sessions of the user get, and publishes each post on a channel.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use turntable::app::{Avatars, Channels};
use turntable::service::{Answer, LocalService, ServiceCaller};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::model::service::Outcome;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// Posts that are retained; the oldest go first.
const POSTS_MAX: usize = 1_000;

/// The channel that has each post.
const POSTS: &str = "forum/posts";

/// What `createPost` takes.
#[derive(Deserialize)]
struct NewPost {
    title: String,
    #[serde(default)]
    body: String,
}

#[derive(Debug, Clone, Serialize)]
struct Post {
    number: u64,
    author: Box<str>,
    title: String,
    body: String,
}

/// The service. A clone is the same forum.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forum(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    posts: Mutex<Vec<Post>>,
    /// The avatars and channels of the server, once it runs.
    server: OnceLock<(Avatars, Channels)>,
}

impl Forum {
    /// The server runs.
    pub(crate) fn started(&self, avatars: Avatars, channels: Channels) {
        // A forum is of one server.
        let _ = self.0.server.set((avatars, channels));
    }

    async fn create_post(self, user: UserId, args: Option<Payload>) -> Outcome {
        let new = args.and_then(|args| serde_json::from_str(args.as_json()).ok());
        let Some(NewPost { title, body }) = new else {
            let message = "a post is {\"title\": TEXT, \"body\": TEXT?}";
            return Err(ErrorBody::new(ErrorCode::BadMessage, message));
        };
        let (post, of_author) = self.add(&user, title, body);
        let number = post.number;
        if let Some((avatars, channels)) = self.0.server.get() {
            let count = Some(Payload::from(serde_json::json!(of_author)));
            avatars.of(&user).set(vec![("posts".into(), count)]).await?;
            if let Ok(posts) = ChannelId::parse(POSTS) {
                let post = serde_json::json!(post);
                channels.of(&posts).publish(post.into()).await?;
            }
        }
        Ok(serde_json::json!({ "number": number }).into())
    }

    /// Adds a post. Returns it, and how many of its author there are.
    fn add(&self, author: &UserId, title: String, body: String) -> (Post, usize) {
        let mut posts = self.0.posts.lock();
        let number = posts.last().map_or(1, |last| last.number + 1);
        if posts.len() >= POSTS_MAX {
            posts.remove(0);
        }
        let post = Post {
            number,
            author: author.as_str().into(),
            title,
            body,
        };
        posts.push(post.clone());
        let of_author = |post: &&Post| *post.author == *author.as_str();
        (post, posts.iter().filter(of_author).count())
    }
}

impl LocalService for Forum {
    fn functions(&self) -> Vec<Box<str>> {
        vec!["createPost".into(), "listPosts".into()]
    }

    fn call(&self, caller: ServiceCaller, function: &str, args: Option<Payload>) -> Answer {
        let forum = self.clone();
        match (function, caller.user) {
            ("createPost", Some(user)) => Box::pin(forum.create_post(user, args)),
            ("createPost", None) => Box::pin(async {
                let message = "a post has an author";
                Err(ErrorBody::new(ErrorCode::Refused, message))
            }),
            _ => Box::pin(async move { Ok(serde_json::json!(*forum.0.posts.lock()).into()) }),
        }
    }

    fn never_blocks(&self) -> bool {
        true
    }
}
