//! Bodies of requests: each is read whole before the request is carried out.
//!
//! What has come of a body is charged to its address at once, and counts as input that is
//! not whole until it is: clients that send a part only get no memory for nothing.

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use actix_rt::time::timeout;
use actix_web::http::header;
use actix_web::{HttpRequest, web};
use futures_util::{FutureExt as _, StreamExt as _};

use crate::clock;
use crate::gateway::admission::{IncompleteLimits, IncompleteShare};
use crate::http::admission::Admission;
use crate::http::takeable::{Peer, Takeable};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;
use turntable_core::session::address_error;

/// What the connection of an unfinished body takes beside it: the buffer into which the
/// HTTP server reads, in bytes.
pub const BUFFER_BYTES: usize = 32_768;

/// A body that is being read.
struct Unfinished<'a> {
    admission: &'a Admission,
    /// The connection.
    socket: Option<&'a Takeable>,
    text: Vec<u8>,
    /// What is counted until it is whole, and the limits; `None` where it came whole with
    /// its head.
    counted: Option<(IncompleteShare, IncompleteLimits)>,
}

impl Unfinished<'_> {
    /// Counts a buffer of so many bytes for it.
    fn count(&mut self, capacity: usize) -> Result<(), ErrorBody> {
        let Some((share, limits)) = &mut self.counted else {
            return Ok(());
        };
        let counted = share.set(BUFFER_BYTES + capacity, *limits);
        counted.map_err(|full| {
            self.admission.shared.metrics.reach(full.key());
            full.error(*limits)
        })
    }

    /// Charges bytes to the address that they come from, whether a session takes them
    /// or not.
    fn charge(&self, bytes: usize) -> Result<(), ErrorBody> {
        let socket = self.socket.filter(|socket| !socket.peer().is_proxy);
        let Some(socket) = socket else {
            return Ok(());
        };
        let shared = &self.admission.shared;
        let limit = shared.settings.get().limits.address_bytes;
        let taken = socket.take_bytes(bytes, limit, clock::now_ms());
        taken.map_err(|retry_ms| {
            let error = address_error(retry_ms);
            shared.metrics.error(error.code, error.limit);
            error
        })
    }

    /// Takes the next part of at most `max` bytes.
    fn take(&mut self, part: &[u8], declared: usize, max: usize) -> Result<(), ErrorBody> {
        let length = self.text.len() + part.len();
        if length > max {
            return Err(self.admission.too_large());
        }
        self.charge(part.len())?;
        if length > self.text.capacity() {
            // No more than the body is going to have.
            let capacity = length.max((2 * length).min(declared));
            self.count(capacity)?;
            self.text.reserve_exact(capacity - self.text.len());
        }
        self.text.extend_from_slice(part);
        Ok(())
    }

    async fn read(&mut self, mut payload: web::Payload, declared: usize) -> Result<(), ErrorBody> {
        let max = self.admission.settings.get().server.max_message_bytes;
        self.count(0)?;
        while let Some(part) = payload.next().await {
            let part = part.map_err(|_| {
                let message = "the body of the request is incomplete";
                ErrorBody::new(ErrorCode::BadMessage, message)
            })?;
            self.take(&part, declared, max)?;
        }
        Ok(())
    }
}

impl Admission {
    /// The share of an unfinished body of a client at an address, and its limits.
    fn unfinished(&self, peer: Peer, address: IpAddr) -> (IncompleteShare, IncompleteLimits) {
        let limits = self.settings.get().incomplete;
        let limits = match address == peer.address {
            true => peer.incomplete(limits),
            // A proxy says whose it is.
            false => limits,
        };
        (self.shared.incomplete.share(address), limits)
    }

    /// Reads the body of a request whole.
    ///
    /// # Errors
    /// `too_large`, `timeout`, `rate_limited`, `too_many`, `unavailable`, and `bad_json` for
    /// a body that is not UTF-8.
    pub async fn body(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<String, ErrorBody> {
        let (max, limit_ms) = {
            let server = &self.settings.get().server;
            (server.max_message_bytes, server.body_timeout_ms)
        };
        let declared = request.headers().get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > max as u64) {
            return Err(self.too_large());
        }
        let declared = declared.map_or(max, |length| length as usize);
        let socket = request.conn_data::<Takeable>();
        let mut body = Unfinished {
            admission: self,
            socket,
            text: Vec::new(),
            counted: socket
                .filter(|socket| !socket.has_body())
                .map(|socket| self.unfinished(socket.peer(), self.address(request))),
        };
        if let Some(socket) = socket {
            socket.read_body();
        }
        let limit = Duration::from_millis(limit_ms);
        let read = {
            let mut reading = pin!(body.read(payload, declared));
            // One that came with its head needs no timer.
            match reading.as_mut().now_or_never() {
                Some(read) => Ok(read),
                None => timeout(limit, reading).await,
            }
        };
        if let Some(socket) = socket {
            socket.stop_body();
        }
        read.map_err(|_| {
            self.shared.metrics.refuse("body_timeout");
            let message = format!(
                "the body of the request did not come within {limit_ms} ms \
                 (server.body_timeout_ms)"
            );
            ErrorBody::new(ErrorCode::Timeout, message)
        })??;
        String::from_utf8(std::mem::take(&mut body.text))
            .map_err(|_| ErrorBody::new(ErrorCode::BadJson, "the body is not UTF-8"))
    }
}
