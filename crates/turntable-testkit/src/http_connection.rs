//! A connection on which requests are written by hand.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::{DEADLINE, Response, Server, http};

/// A connection on which requests are written by hand.
#[derive(Debug)]
pub struct HttpConnection(pub TcpStream);

impl HttpConnection {
    /// Connects to the clients' listener.
    pub fn open(server: &Server) -> Self {
        let socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    /// Sends a text as it is.
    pub fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// The text of a POST that leaves the connection open. `headers` are lines, each with its end.
    pub fn posted(&self, target: &str, headers: &str, body: &str) -> String {
        let address = self.0.peer_addr().unwrap();
        let text = http::text(address, "POST", target, headers, body);
        text.replace("Connection: close\r\n", "")
    }

    /// Sends one and reads the answer.
    pub fn post(&mut self, target: &str, headers: &str, body: &str) -> Response {
        self.send(&self.posted(target, headers, body));
        self.answer()
    }

    /// Reads one answer, which has a length.
    pub fn answer(&mut self) -> Response {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap();
            bytes.extend_from_slice(&byte);
        }
        let head = Response::parse(&bytes);
        let length = head.header("Content-Length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Response::parse(&[bytes, body].concat())
    }

    /// Reads until the server closes.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error} instead of the end of the connection"),
        }
        rest
    }

    /// A WebSocket, or the status of its refusal.
    pub fn open_upgrade(server: &Server, text: &str) -> Result<Self, u16> {
        Self::open_upgrade_bytes(server, text.as_bytes())
    }

    /// The same, with what comes before the request.
    pub fn open_upgrade_bytes(server: &Server, bytes: &[u8]) -> Result<Self, u16> {
        let mut connection = Self::open(server);
        connection.0.write_all(bytes).unwrap();
        let mut status = [0; 12];
        connection.0.read_exact(&mut status).unwrap();
        let status = std::str::from_utf8(&status[9..]).unwrap().parse().unwrap();
        if status == 101 {
            Ok(connection)
        } else {
            Err(status)
        }
    }
}
