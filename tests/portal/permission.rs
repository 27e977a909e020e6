//! Roles that checkers and tokens give.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use turntable_testkit::{Client, Server};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn server(folder: &std::path::Path) -> Server {
    let file = folder.join("keys.json");
    let key = URL_SAFE_NO_PAD.encode(SECRET);
    let keys = json!({"keys": [{"kty": "oct", "kid": "hs", "alg": "HS256", "k": key}]});
    std::fs::write(&file, keys.to_string()).unwrap();
    Server::configured(
        "[portal]\n\
         checkers = [\"guest\", \"jwt\"]\n\
         [portal.jwt]\n\
         issuer = \"login\"\n\
         audience = \"game\"\n\
         roles = \"roles\"\n\
         [portal.roles]\n\
         guest = [\"visitor\"]\n\
         jwt = [\"player\"]\n\
         [roles.default]\n\
         channels.publish = []\n\
         [roles.visitor]\n\
         channels.join = [\"**\"]\n\
         [roles.player]\n\
         channels.join = [\"**\"]\n\
         channels.publish = [\"chat/**\"]\n\
         [roles.editor]\n\
         channels.publish = [\"news/**\"]\n\
         [channels.\"club/**\"]\n\
         join = [\"@editor\"]\n",
        &[("portal.jwt.keys_file", file.to_str().unwrap())],
    )
}

fn token(roles: Option<Value>) -> Value {
    let mut head = Header::new(Algorithm::HS256);
    head.kid = Some("hs".to_owned());
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let expires_s = since.unwrap().as_secs() + 60;
    let mut claims = json!({"iss": "login", "aud": "game", "sub": "1:mel", "exp": expires_s});
    if let Some(roles) = roles {
        claims["roles"] = roles;
    }
    let key = EncodingKey::from_secret(SECRET).unwrap();
    let token = encode(&head, &claims, &key).unwrap();
    json!({"credentials": {"token": token}})
}

fn identified(server: &Server, claim: Value) -> Client {
    let mut client = Client::greeted(server.address);
    client.command("idme", claim);
    client.expect("welcome");
    client
}

/// Which of these paths a client may publish on.
fn published(client: &mut Client) -> Vec<&'static str> {
    let paths = ["chat/eu", "news/eu", "other"];
    let may = |path: &&str| {
        client.send(json!({"command": "publish", "id": 1, "data": {"channel": path, "data": 1}}));
        let answer = client.next();
        assert_eq!(answer["id"], 1, "{answer}");
        answer["command"] == "reply"
    };
    paths.into_iter().filter(may).collect()
}

#[test]
fn roles_of_checker_and_token_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    for (claim, expected) in [
        (json!({"credentials": {"guest": true}}), &[][..]),
        (token(None), &["chat/eu"]),
        (
            token(Some(json!(["editor", "unknown", 7]))),
            &["chat/eu", "news/eu"],
        ),
        (token(Some(json!("openid editor"))), &["chat/eu", "news/eu"]),
        (token(Some(json!({"editor": true}))), &["chat/eu"]),
        (token(Some(json!(["default", "*", "**"]))), &["chat/eu"]),
    ] {
        let mut client = identified(&server, claim.clone());
        assert_eq!(published(&mut client), expected, "{claim}");
    }
}

#[test]
fn namespace_names_roles() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    for (claim, expected) in [
        (token(Some(json!(["editor"]))), "reply"),
        (token(None), "error"),
    ] {
        let mut client = identified(&server, claim);
        let join = json!({"channel": "club/1"});
        client.send(json!({"command": "joinchannel", "data": join, "id": 1}));
        let answer = client.next();
        let is_error = answer["command"] == "error";
        assert_eq!(is_error, expected == "error", "{answer}");
    }
}
