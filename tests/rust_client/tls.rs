//! `wss://`: a proxy that ends TLS in front of the server.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use turntable_client::{Client, Ended, Error};

use crate::server;

/// A proxy with a certificate for `localhost`, which it returns.
async fn proxy(to: SocketAddr) -> (u16, CertificateDer<'static>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = own.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust the certificate goes.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut server = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    (port, certificate)
}

#[tokio::test]
async fn server_behind_tls_is_reached_and_an_unknown_certificate_is_not_trusted() {
    let server = server();
    let (port, certificate) = proxy(server.address).await;
    let url = format!("wss://localhost:{port}/ws");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mel = Client::builder(&url).user("1:1").tls(Arc::new(config));
    let mel = mel.connect().await.unwrap();
    assert_eq!(mel.publish("chat", &1).await.unwrap().offset, 1);
    let stranger = Client::builder(&url).user("1:1").reconnect(None);
    match stranger.connect().await.unwrap_err() {
        Error::Ended(Ended::Lost(why)) => assert!(why.contains("certificate"), "{why}"),
        other => panic!("{other}"),
    }
}
