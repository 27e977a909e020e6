//! HTTP backends over TLS: the certificates that the system trusts, and others.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::backend::request;
use crate::{call, next, user};
use turntable_testkit::Server;

/// A backend over TLS that answers calls with their arguments.
struct Backend {
    url: String,
    /// Its certificate, which signs itself.
    certificate: String,
    /// The calls that arrived, or why a connection came to nothing.
    seen: Receiver<Result<Value, String>>,
}

/// A backend whose certificate is for this name.
fn backend(name: &str) -> Backend {
    let own = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/forum", listener.local_addr().unwrap());
    let (send, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, send) = (config.clone(), send.clone());
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut session = ServerConnection::new(config).unwrap();
                if let Err(error) = session.complete_io(&mut stream) {
                    let _ = send.send(Err(error.to_string()));
                    return;
                }
                let mut stream = StreamOwned::new(session, stream);
                while let Some(request) = request(&mut stream) {
                    let body = json!({"r": request.body["args"]}).to_string();
                    let length = body.len();
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                    let _ = send.send(Ok(request.body));
                    stream.write_all((head + &body).as_bytes()).unwrap();
                    stream.flush().unwrap();
                }
            });
        }
    });
    let certificate = own.cert.pem();
    Backend {
        url,
        certificate,
        seen,
    }
}

fn config(backend: &Backend) -> String {
    let url = &backend.url;
    format!("[services.forum]\nurl = \"{url}\"\ntoken = \"secret\"\nfunctions = [\"createPost\"]\n")
}

#[test]
fn backend_with_a_trusted_certificate_is_called_over_tls() {
    let backend = backend("127.0.0.1");
    let server = Server::trusting(&config(&backend), &backend.certificate);
    let mut mel = user(&server, "1:1", "forum");
    for number in 1..=3 {
        call(&mut mel, "forum:createPost", json!({"n": number}), number);
        let answer = next(&mut mel);
        assert_eq!(
            (&answer["id"], &answer["data"]),
            (&json!(number), &json!({"n": number}))
        );
        let called = backend.seen.recv().unwrap().unwrap();
        assert_eq!(called["user"], "1:1");
    }
}

#[test]
fn backend_with_a_certificate_that_is_not_trusted_gets_no_call() {
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    // One that nobody signed for the server, and one that is for another host.
    for (name, is_trusted) in [("127.0.0.1", false), ("forum.example", true)] {
        let backend = backend(name);
        let trusted = match is_trusted {
            true => backend.certificate.clone(),
            false => other.cert.pem(),
        };
        let server = Server::trusting(&config(&backend), &trusted);
        let mut mel = user(&server, "1:1", "forum");
        call(&mut mel, "forum:createPost", json!("private"), 1);
        let answer = next(&mut mel);
        assert_eq!(answer["data"]["code"], "service_down", "{answer}");
        assert!(!answer.to_string().contains("certificate"), "{answer}");
        let seen = backend.seen.recv().unwrap();
        assert!(seen.is_err(), "no request: {seen:?}");
        let log = server.await_log("cannot be reached");
        assert!(
            log.contains("certificate") && !log.contains("secret"),
            "{log}"
        );
    }
}
