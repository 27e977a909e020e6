//! The PROXY protocol, version 2: how a load balancer that forwards bytes tells
//! the client's address (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt};

/// What every header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The fixed part of a header, in bytes.
const HEAD_BYTES: usize = 16;
/// The longest variable part that is read, in bytes.
const REST_BYTES_MAX: usize = 4_096;

/// The client that a header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The address of a client.
    Client(IpAddr),
    /// The proxy itself, as for its health checks; or a client without an IP
    /// address.
    Proxy,
}

/// Reads the header from the start of a connection, and no byte behind it.
///
/// # Errors
/// If it ends early, or is none.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Origin> {
    let mut head = [0; HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let length = rest_length(&head).ok_or_else(invalid)?;
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    decode(&head, &rest).ok_or_else(invalid)
}

fn invalid() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "no header of the PROXY protocol, version 2",
    )
}

/// The length of the variable part; `None` where this is no header.
fn rest_length(head: &[u8; HEAD_BYTES]) -> Option<usize> {
    let [.., version, _, high, low] = *head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let is_header = head.starts_with(&SIGNATURE) && version >> 4 == 2 && length <= REST_BYTES_MAX;
    is_header.then_some(length)
}

fn decode(head: &[u8; HEAD_BYTES], rest: &[u8]) -> Option<Origin> {
    let [.., version, family, _, _] = *head;
    match (version & 0xf, family) {
        // LOCAL: whatever follows is to be skipped.
        (0, _) => Some(Origin::Proxy),
        (1, 0x11) => {
            let address: [u8; 4] = rest.get(..12)?.first_chunk().copied()?;
            Some(Origin::Client(address.into()))
        }
        (1, 0x21) => {
            let address: [u8; 16] = rest.get(..36)?.first_chunk().copied()?;
            Some(Origin::Client(IpAddr::from(address).to_canonical()))
        }
        // Unix sockets and what has no address here.
        (1, 0x00 | 0x31 | 0x32) => Some(Origin::Proxy),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn header(version: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[version, family], &length, rest].concat()
    }

    fn read_all(bytes: &[u8]) -> (io::Result<Origin>, usize) {
        let mut stream = bytes;
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let read = std::pin::pin!(read(&mut stream)).as_mut().poll(&mut cx);
        let std::task::Poll::Ready(read) = read else {
            return (Err(invalid()), stream.len());
        };
        (read, stream.len())
    }

    #[test]
    fn client_is_read_and_what_follows_is_left() {
        let ports = [0x10, 0x20, 0, 80];
        let v4 = [&[192, 0, 2, 7, 10, 0, 0, 1][..], &ports, b"\x04\0\x01x"].concat();
        let mut v6 = vec![0; 32];
        v6[..16].copy_from_slice(
            &"2001:db8::7"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets(),
        );
        v6.extend_from_slice(&ports);
        let cases = [
            (
                header(0x21, 0x11, &v4),
                Origin::Client("192.0.2.7".parse().unwrap()),
            ),
            (
                header(0x21, 0x21, &v6),
                Origin::Client("2001:db8::7".parse().unwrap()),
            ),
            (header(0x20, 0x11, &v4), Origin::Proxy),
            (header(0x20, 0x00, &[]), Origin::Proxy),
            (header(0x21, 0x00, &[]), Origin::Proxy),
        ];
        for (mut bytes, expected) in cases {
            bytes.extend_from_slice(b"GET /");
            let (read, left) = read_all(&bytes);
            assert_eq!(read.unwrap(), expected);
            assert_eq!(left, 5);
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 2];
        let mut wrong = header(0x21, 0x11, &v4);
        wrong[0] = b'G';
        let cases = [
            wrong,
            header(0x11, 0x11, &v4),
            header(0x22, 0x11, &v4),
            header(0x21, 0x55, &v4),
            header(0x21, 0x11, &v4[..11]),
            header(0x21, 0x11, &[0; REST_BYTES_MAX + 1]),
            header(0x21, 0x11, &v4)[..20].to_vec(),
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ];
        for bytes in cases {
            assert!(read_all(&bytes).0.is_err(), "{bytes:?}");
        }
    }
}
