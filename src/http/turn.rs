//! The requests of one connection, one at a time: the HTTP server gets the next one
//! when the answer to the one before was written.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::ConnectionType;
use actix_http::header::{self, HeaderMap};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use bytes::Bytes;

use crate::http::admission::{self, Cors};
use crate::http::flow;
use crate::http::takeable::Takeable;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Begins a request and ends it with its answer. Refuses it where its connection has
/// no place, or was to end with the request before.
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
    let refused = if socket.begin(body(request.headers())) {
        socket.refused().map(|full| full.error())
    } else {
        Some(ErrorBody::new(
            ErrorCode::BadMessage,
            "nothing may follow a request whose body comes in chunks",
        ))
    };
    let mut answer = match refused {
        Some(error) => {
            let mut answer = admission::refuse(&error, &Cors::default());
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
    if socket.is_last() {
        let head = answer.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(answer.map_body(|_, body| BoxBody::new(Answer { body, socket })))
}

/// The body of a request, as its headers tell.
fn body(headers: &HeaderMap) -> flow::Body {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return flow::Body::Chunked;
    }
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    flow::Body::Left(length.unwrap_or(0))
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
