//! The requests of one connection, one at a time: each begins when the answer to
//! the one before was written.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::ConnectionType;
use actix_http::header::{self, HeaderMap};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use bytes::Bytes;

use crate::http::admission::{self, Cors};
use crate::http::takeable::Takeable;

/// Lets a request wait for its turn, and refuses it where its connection has no
/// place.
///
/// # Errors
/// Those of the service.
pub async fn one_at_a_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(socket) = request.conn_data::<Takeable>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let has_body = has_body(request.headers());
    poll_fn(|cx| socket.poll_begin(has_body, cx)).await;
    let answer = match socket.refused() {
        Some(full) => {
            let mut answer = admission::refuse(&full.error(), &Cors::default());
            answer.head_mut().set_connection_type(ConnectionType::Close);
            request.into_response(answer)
        }
        None => match next.call(request).await {
            Ok(answer) => answer.map_into_boxed_body(),
            Err(error) => {
                socket.answered();
                return Err(error);
            }
        },
    };
    Ok(answer.map_body(|_, body| BoxBody::new(Answer { body, socket })))
}

/// Whether a request has a body.
fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0")
}

/// The body of an answer. It is dropped when the HTTP server has all of it.
struct Answer {
    body: BoxBody,
    socket: Takeable,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(cx)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.socket.answered();
    }
}
