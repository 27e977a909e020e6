//! What a session of Engine.IO itself is charged with: CONNECTs and their refusals.

use super::Engine;
use crate::gateway::connection::Connection;
use crate::gateway::transport::context::Cx;
use turntable_core::limit::Limit;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Charges an error to a session of Engine.IO.
pub(super) fn error(connection: &mut Connection, error: ErrorBody, cx: &mut Cx<'_>) {
    cx.metrics.error(error.code, error.limit);
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    let refusal = engine
        .greeting
        .refuse(error, cx.now_ms, &cx.settings.session);
    if let Some(reason) = refusal.close {
        cx.close(reason);
    }
}

/// Charges a CONNECT, which brings a command as `idme` or `resume` does.
pub(super) fn connect(connection: &mut Connection, cx: &Cx<'_>) -> Result<(), ErrorBody> {
    let Some(engine) = Engine::of(connection) else {
        return Ok(());
    };
    let taken = engine.connects.take(cx.settings.limits.call, cx.now_ms);
    taken.map_err(|retry_ms| {
        let message = "too many connections to namespaces; wait retry_ms";
        ErrorBody::new(ErrorCode::RateLimited, message)
            .with("retry_ms", retry_ms)
            .by(Limit::Call)
    })
}
