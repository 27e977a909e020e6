//! Listeners with TLS of their own: transports, the operator's calls, certificates that are
//! replaced, and clients that do not get through the handshake.

mod handshake;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use turntable_testkit::http::{Response, get};
use turntable_testkit::websocket::{Frame, KEY, handshake};
use turntable_testkit::workspace::turntable;
use turntable_testkit::{DEADLINE, Server};

const FAILED: &str = "turntable_tls_handshakes_failed_total";
const EXPIRES: &str = "turntable_tls_certificate_expires_seconds";

const REFUSED: &str = "turntable_tls_certificate_refused";

/// A certificate for this machine, in files.
struct Own {
    certificate: CertificateDer<'static>,
    folder: tempfile::TempDir,
}

impl Own {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = write(folder.path());
        Self {
            certificate,
            folder,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A server whose public listener has it.
    fn server(&self, keys: &[(&str, &str)]) -> Server {
        let (certificate, key) = (self.path("own.pem"), self.path("own.key"));
        let own = [
            ("server.tls.certificate", certificate.as_str()),
            ("server.tls.key", key.as_str()),
        ];
        Server::with(&[&own, keys].concat())
    }
}

/// Writes a new certificate and its key to a folder.
fn write(folder: &Path) -> CertificateDer<'static> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(folder.join("own.pem"), own.cert.pem()).unwrap();
    fs::write(folder.join("own.key"), own.signing_key.serialize_pem()).unwrap();
    own.cert.der().clone()
}

/// A client's end.
type Tls = StreamOwned<ClientConnection, TcpStream>;

fn session(trusted: &CertificateDer<'static>, protocols: &[&str]) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| (*name).into()).collect();
    ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
}

fn socket(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn connect(address: SocketAddr, trusted: &CertificateDer<'static>) -> Tls {
    StreamOwned::new(session(trusted, &["http/1.1"]), socket(address))
}

/// The whole answer to a request that ends its connection.
fn ask(stream: &mut Tls, method: &str, path: &str, headers: &str, body: &str) -> Response {
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // With `close_notify`, or this fails.
    stream.read_to_end(&mut answer).unwrap();
    Response::parse(&answer)
}

/// A WebSocket over TLS.
struct WebSocket {
    stream: Tls,
    buffer: Vec<u8>,
}

impl WebSocket {
    /// Sends a handshake and, in the same record, these frames.
    fn open(mut stream: Tls, path: &str, frames: &[Frame]) -> Self {
        let mut bytes = handshake(path, "").into_bytes();
        for frame in frames {
            bytes.extend(frame.masked());
        }
        stream.write_all(&bytes).unwrap();
        let mut buffer = Vec::new();
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            receive(&mut stream, &mut buffer);
        };
        assert!(buffer.starts_with(b"HTTP/1.1 101 "), "{KEY}");
        buffer.drain(..end);
        Self { stream, buffer }
    }

    fn user(stream: Tls, id: &str) -> Self {
        let mut socket = Self::open(stream, "/ws", &[command("idme", &json!(id))]);
        socket.await_command("welcome");
        socket
    }

    fn frame(&mut self) -> Frame {
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer) {
                return frame;
            }
            receive(&mut self.stream, &mut self.buffer);
        }
    }

    fn await_command(&mut self, name: &str) -> Value {
        loop {
            let frame = self.frame();
            let Ok(message) = serde_json::from_slice::<Value>(&frame.payload) else {
                continue;
            };
            if message["command"] == name {
                return message["data"].clone();
            }
        }
    }

    fn send(&mut self, frame: &Frame) {
        self.stream.write_all(&frame.masked()).unwrap();
    }
}

fn receive(stream: &mut Tls, into: &mut Vec<u8>) {
    let mut bytes = [0; 16_384];
    let count = stream.read(&mut bytes).unwrap();
    assert!(count > 0, "closed");
    into.extend_from_slice(&bytes[..count]);
}

fn command(name: &str, data: &Value) -> Frame {
    Frame::text(&json!({"command": name, "data": data}).to_string())
}

fn failed(reason: &str) -> String {
    format!("{FAILED}{{listener=\"server\",name=\"{reason}\"}}")
}

fn has_no_error(server: &Server) {
    let log = server.log();
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn transports_go_on_with_the_session_of_the_handshake() {
    let own = Own::new();
    let server = own.server(&[("server.echo", "true")]);
    let connect = || connect(server.address, &own.certificate);
    // Frames in the record of the handshake, and in many that follow.
    let long = "x".repeat(60_000);
    let frames: Vec<Frame> = (0..4).map(|_| Frame::text(&long)).collect();
    let mut echo = WebSocket::open(connect(), "/echo", &frames);
    for _ in 0..4 {
        assert_eq!(echo.frame().payload.len(), long.len());
    }
    echo.send(&Frame::text("short"));
    assert_eq!(echo.frame().payload, b"short");

    let mut mel = WebSocket::user(connect(), "1:mel");
    // The stream of a tunnel, which is an answer that does not end.
    let mut tunnel = connect();
    let request = "GET /tunnel?format=ndjson&new=1&user=1:ann HTTP/1.1\r\nHost: localhost\r\n\r\n";
    tunnel.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !String::from_utf8_lossy(&head).contains("welcome") {
        receive(&mut tunnel, &mut head);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "));
    mel.send(&command("subscribe", &json!(["1:ann"])));
    mel.await_command("userchange");
    drop(tunnel);

    let json = "Content-Type: application/json\r\n";
    let calls = json!([{"f": "$av:idme", "args": "1:bob", "id": 1}]).to_string();
    let answer = ask(&mut connect(), "POST", "/poll", json, &calls);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let longpoll = "/tunnel?format=longpoll&new=1&user=1:bob";
    let answer = ask(&mut connect(), "GET", longpoll, "", "");
    assert!(answer.text().contains("idyou"), "{}", answer.text());
    let page = ask(&mut connect(), "GET", "/turntable.js", "", "");
    assert_eq!(page.status, 200);
    has_no_error(&server);
}

#[test]
fn connection_with_tls_is_https() {
    let own = Own::new();
    let server = own.server(&[("poll.cookie", "true")]);
    let connect = || connect(server.address, &own.certificate);
    let poll = |origin: &str| {
        let headers = format!("Content-Type: application/json\r\n{origin}");
        ask(&mut connect(), "POST", "/poll", &headers, "[]")
    };
    for origin in ["", "Origin: https://localhost\r\n"] {
        let answer = poll(origin);
        let cookie = answer.header("Set-Cookie").unwrap_or_default();
        assert!(cookie.ends_with("; Secure"), "{answer:?}");
    }
    // Its pages have another scheme.
    assert_eq!(poll("Origin: http://localhost\r\n").status, 403);
    assert_eq!(server.metric(&failed("alert")), 0.0);
    let url = server.rpc("config/get", &json!({}));
    assert_eq!(url.status, 200);
    let log = server.await_log("in two browser windows");
    assert!(log.contains(&format!("open https://{}", server.address)));
}

#[test]
fn operator_is_served_with_tls() {
    let own = Own::new();
    let (certificate, key) = (own.path("own.pem"), own.path("own.key"));
    let server = Server::with(&[
        ("management.tls.certificate", &certificate),
        ("management.tls.key", &key),
    ]);
    let connect = || connect(server.management, &own.certificate);
    let health = ask(&mut connect(), "GET", "/health/ready", "", "");
    assert_eq!(health.status, 200);
    let json = "Content-Type: application/json\r\n";
    let answer = ask(&mut connect(), "POST", "/rpc/config/get", json, "{}");
    assert_eq!(answer.status, 200);
    let foreign = "Content-Type: application/json\r\nOrigin: http://localhost\r\n";
    let answer = ask(&mut connect(), "POST", "/rpc/config/get", foreign, "{}");
    assert_eq!(answer.status, 403);
    let metrics = ask(&mut connect(), "GET", "/metrics", "", "");
    assert!(metrics.text().contains("{listener=\"management\"}"));
    // The library of the command line trusts what the system does.
    let call = turntable()
        .args(["call", "config", "getStatus", "--url"])
        .arg(format!("https://{}", server.management))
        .env("SSL_CERT_FILE", &certificate)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    assert!(call.status.success(), "{call:?}");
    // The public listener has none.
    assert_eq!(server.get("/turntable.js").status, 200);
    // Silent connections do not keep others out.
    let silent: Vec<TcpStream> = (0..80).map(|_| socket(server.management)).collect();
    let health = ask(&mut connect(), "GET", "/health/ready", "", "");
    assert_eq!(health.status, 200);
    drop(silent);
    assert_eq!(get(server.management, "/health").status, 400);
    has_no_error(&server);
}

#[test]
fn client_without_tls_gets_a_clear_end() {
    let own = Own::new();
    let server = own.server(&[("server.head_timeout_ms", "300")]);
    let plain = server.get("/");
    assert_eq!(plain.error(), (400, "bad_message".to_owned()));
    assert!(plain.text().contains("https://"), "{plain:?}");
    server.await_metric(&failed("plain_http"), 1.0);
    let end = |bytes: &[u8]| {
        let mut stream = socket(server.address);
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => rest,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(end(b"\x00garbage"), b"");
    server.await_metric(&failed("no_tls"), 1.0);
    // A first message of a handshake that is too short: the alert says so.
    let alert = end(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00");
    assert_eq!(alert.first(), Some(&21));
    server.await_metric(&failed("protocol"), 1.0);
    // Silent ones, and half a handshake.
    assert_eq!(end(b""), b"");
    assert_eq!(end(b"\x16\x03\x01\x40\x00\x01"), b"");
    server.await_metric(&failed("timeout"), 2.0);
    // One that does not trust the certificate, and one of another protocol.
    let stranger = Own::new();
    let mut distrusts = connect(server.address, &stranger.certificate);
    assert!(distrusts.write_all(b"GET").is_err());
    server.await_metric(&failed("alert"), 1.0);
    let h2 = session(&own.certificate, &["h2"]);
    let mut h2 = StreamOwned::new(h2, socket(server.address));
    assert!(h2.write_all(b"GET").is_err());
    server.await_metric(&failed("incompatible"), 1.0);
    drop(socket(server.address));
    server.await_metric(&failed("closed"), 1.0);
    has_no_error(&server);
    assert_eq!(server.metric("turntable_http_connections"), 0.0);
}

#[test]
fn certificate_is_replaced_while_connections_stay_open() {
    let own = Own::new();
    // As certbot has them: links to the files of the certificate in force.
    let folder = |name: &str| {
        let folder = own.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let certificate = write(&folder);
        (folder, certificate)
    };
    let ((first, before), (second, after)) = (folder("first"), folder("second"));
    let link = |from: &Path, file: &str| {
        let (new, live) = (own.path("new"), own.path(file));
        symlink(from.join(file), &new).unwrap();
        fs::rename(new, live).unwrap();
    };
    link(&first, "own.pem");
    link(&first, "own.key");
    let server = own.server(&[("server.echo", "true")]);
    assert!(server.metric(&format!("{EXPIRES}{{listener=\"server\"}}")) > 1e9);
    let mut echo = WebSocket::open(connect(server.address, &before), "/echo", &[]);
    let greets = |certificate: &CertificateDer<'static>| {
        let mut stream = connect(server.address, certificate);
        stream.write_all(b"GET").is_ok()
    };
    // The key of another certificate.
    link(&second, "own.pem");
    let _ = server.await_log("the certificate before stays in force");
    assert!(greets(&before));
    let refused = || {
        let status = server.rpc("config/getStatus", &json!({})).json();
        status["certificates_refused"].clone()
    };
    let found = refused();
    assert_eq!(found[0]["key"], "server.tls.key");
    assert_eq!(found[0]["file"], own.path("own.key"));
    let message = found[0]["message"].as_str().unwrap();
    assert!(
        message.contains("not the key of the certificate"),
        "{found}"
    );
    assert!(
        found[0]["at_ms"].as_u64() > Some(0) && found[1].is_null(),
        "{found}"
    );
    let is_refused = format!("{REFUSED}{{listener=\"server\"}}");
    assert_eq!(server.metric(&is_refused), 1.0);
    link(&second, "own.key");
    let _ = server.await_log("own.pem is in force");
    assert_eq!(refused(), json!([]));
    assert_eq!(server.metric(&is_refused), 0.0);
    assert!(greets(&after) && !greets(&before));
    echo.send(&Frame::text("still here"));
    assert_eq!(echo.frame().payload, b"still here");
    // A signal reads them, too, and refuses what does not fit.
    fs::write(second.join("own.key"), "nonsense").unwrap();
    server.signal("HUP");
    let _ = server.await_log("server.tls.key: ");
    assert!(greets(&after));
    has_no_error(&server);
}

#[test]
fn proxy_protocol_comes_before_tls() {
    let own = Own::new();
    let server = own.server(&[
        ("server.trusted_proxies", "[\"127.0.0.1\"]"),
        ("server.proxy_protocol", "true"),
        ("poll.cookie", "true"),
    ]);
    let mut stream = socket(server.address);
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend_from_slice(&[192, 0, 2, 7, 127, 0, 0, 1, 0, 80, 1, 187]);
    stream.write_all(&header).unwrap();
    let mut stream = StreamOwned::new(session(&own.certificate, &[]), stream);
    let json = "Content-Type: application/json\r\n";
    let answer = ask(&mut stream, "POST", "/poll", json, "[]");
    // What the proxy passes on is the client's own TLS.
    let cookie = answer.header("Set-Cookie").unwrap_or_default();
    assert!(cookie.ends_with("; Secure"), "{answer:?}");
}

#[test]
fn check_reads_the_files_of_certificates() {
    let own = Own::new();
    let other = Own::new();
    let check = |certificate: &str, key: &str| {
        let file = own.path("config.toml");
        let text = format!("[server.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
        fs::write(&file, text).unwrap();
        let checked = turntable().arg("check").arg(&file).output().unwrap();
        (
            checked.status.success(),
            String::from_utf8(checked.stderr).unwrap(),
        )
    };
    let (certificate, key) = (own.path("own.pem"), own.path("own.key"));
    let fits = check(&certificate, &key);
    assert!(fits.0, "{}", fits.1);
    for (key, expected) in [
        ("", "server.tls.key"),
        ("/no/such", "server.tls.key: /no/such: "),
        (&other.path("own.key"), "not the key of the certificate"),
    ] {
        let (succeeds, found) = check(&certificate, key);
        assert!(!succeeds && found.contains(expected), "{found}");
    }
}
