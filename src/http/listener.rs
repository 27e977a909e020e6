//! Listening sockets.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted: as many as the kernel permits (`net.core.somaxconn` on
/// Linux), because all clients come back at once after a restart.
const BACKLOG: i32 = i32::MAX;

/// Listens at `address`; port 0 selects a free port.
///
/// # Errors
/// The kernel's error, for example for a used port.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for connections of the previous process.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
