//! Permissions: what the roles of a user let it see and touch.

use serde_json::{Value, json};

use turntable_testkit::Server;

use crate::client::Client;
use crate::transport::Transport;
use crate::transport::ws::Ws;

fn server() -> Server {
    Server::configured(
        "[portal.roles]\n\
         anonymous = [\"visitor\"]\n\
         [roles.visitor]\n\
         services = [\"forum:listPosts\"]\n\
         games = [\"four\"]\n\
         attributes.get = [\"name\"]\n\
         attributes.set = [\"name\", \"note\"]\n\
         channels.join = [\"chat/**\"]\n\
         channels.publish = [\"chat/lobby\"]\n\
         [services.forum]\n\
         providers = [\"1:99\"]\n\
         [services.secret]\n\
         providers = [\"1:99\"]\n",
        &[],
    )
}

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

pub async fn channels_and_games_are_those_of_the_roles<T: Transport>() {
    let server = server();
    let mut mel = Client::<T>::user(&server, "1:1").await;
    mel.join("chat/eu").await;
    mel.request("joinchannel", json!({"channel": "chat", "subpaths": true}))
        .await;
    for (channel, subpaths) in [("chats", false), ("news/eu", false), ("news", true)] {
        let join = json!({"channel": channel, "subpaths": subpaths});
        let error = mel.request_refused("joinchannel", join, "forbidden").await;
        assert!(message(&error).contains(channel), "{error}");
        assert!(message(&error).contains("visitor"), "{error}");
    }
    let publish = json!({"channel": "chat/eu", "data": 1});
    mel.request_refused("publish", publish, "forbidden").await;
    let publish = json!({"channel": "chat/lobby", "data": 1});
    mel.command("publish", publish).await;
    assert_eq!(mel.published().await, 1);
    let join = |game: Value| json!({"channel": "r", "self": "1:1", "game": game});
    let error = mel
        .request_refused("joingame", join(json!("strike")), "forbidden")
        .await;
    assert!(message(&error).contains("strike"), "{error}");
    let unnamed = json!({"channel": "r", "self": "1:1"});
    mel.request_refused("joingame", unnamed.clone(), "forbidden")
        .await;
    // Nobody has made a room.
    mel.request_refused("leavegame", json!({"channel": "r"}), "not_found")
        .await;
    mel.request("joingame", join(json!("four"))).await;
    // It is the room's game that counts.
    mel.request("joingame", join(json!("strike"))).await;
    mel.expect_nothing_pending().await;
}

pub async fn attributes_are_those_of_the_roles<T: Transport>() {
    let server = server();
    let mut mel = Client::<T>::open(&server).await;
    let claim = |name: &str| json!({"user": "1:1", "attributes": {name: 1}});
    let error = mel
        .request_refused("idme", claim("rank"), "forbidden")
        .await;
    assert!(message(&error).contains("rank"), "{error}");
    mel.command("idme", claim("note")).await;
    let welcome = mel.expect("welcome").await;
    assert_eq!(welcome["attributes"], json!({}));
    let mut other = Client::<T>::user(&server, "1:1").await;
    for refused in [json!({"rank": 1}), json!({"name": "Mel", "rank": null})] {
        other.request_refused("set", refused, "forbidden").await;
    }
    other
        .request("set", json!({"name": "Mel", "note": 2}))
        .await;
    assert_eq!(mel.expect("attributes").await, json!({"name": "Mel"}));
    other.request("set", json!({"note": 3})).await;
    other.request("set", json!({"name": null})).await;
    assert_eq!(mel.expect("attributes").await, json!({"name": null}));
    mel.expect_nothing_pending().await;
}

pub async fn services_are_those_of_the_roles<T: Transport>() {
    let server = server();
    let mut provider = Client::<Ws>::user(&server, "1:99").await;
    let mut mel = Client::<T>::open(&server).await;
    let welcome = mel.identify("1:1").await;
    assert_eq!(welcome["services"]["forum"]["functions"], json!([]));
    assert!(welcome["services"].get("secret").is_none(), "{welcome}");
    let functions = json!(["createPost", "listPosts"]);
    let services = json!({"forum": functions, "secret": functions});
    provider
        .command("provide", json!({"services": services}))
        .await;
    let changed = mel.next().await;
    // A poll has it as `$av:setService`.
    assert!(["service", "setService"].contains(&changed.command.as_str()));
    assert_eq!(changed.data["forum"]["functions"], json!(["listPosts"]));
    let call = |f: &str| json!({"f": f, "args": 1});
    for f in ["forum:createPost", "secret:listPosts"] {
        let error = mel.request_refused("call", call(f), "forbidden").await;
        assert!(message(&error).contains(f), "{error}");
    }
    let answering = async {
        // The provider is sent the service that it may call, too.
        loop {
            let next = provider.next().await;
            if next.command == "call" {
                assert_eq!(next.data["f"], "forum:listPosts");
                provider.send("reply", json!([7]), next.id).await;
                break;
            }
        }
    };
    // A poll waits for its answer.
    let calling = mel.start_request("call", call("forum:listPosts"));
    let (id, ()) = tokio::join!(calling, answering);
    let answer = mel.next().await;
    assert_eq!((answer.id, answer.data), (Some(id), json!([7])));
    mel.expect_nothing_pending().await;
}

pub async fn avatar_begins_with_what_the_configuration_gives<T: Transport>() {
    let server = Server::configured(
        "[avatar]\nservices = [\"forum:listPosts\"]\n\
         [avatar.attributes]\nname = \"New player\"\nscore = 0\n\
         [roles.default]\nservices = []\n\
         [services.forum]\nproviders = [\"1:99\"]\n",
        &[],
    );
    let mut mel = Client::<T>::open(&server).await;
    let claim = json!({"user": "1:1", "attributes": {"name": "Mel"}});
    mel.command("idme", claim).await;
    let welcome = mel.expect("welcome").await;
    assert_eq!(welcome["attributes"], json!({"name": "Mel", "score": 0}));
    assert!(welcome["services"]["forum"].is_object(), "{welcome}");
    let call = |f: &str| json!({ "f": f });
    mel.request_refused("call", call("forum:listPosts"), "service_down")
        .await;
    mel.request_refused("call", call("forum:createPost"), "forbidden")
        .await;
}
