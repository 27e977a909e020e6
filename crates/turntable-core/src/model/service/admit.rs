//! Which calls are accepted: those of functions that an instance offers, while there is
//! room for them.

use super::function::absent;
use super::queue::Measure;
use super::{Effect, Service, ServiceRequest, ServiceSettings};
use crate::limit::Limit;
use crate::packet::ErrorBody;
use crate::reason::ErrorCode;

pub(super) fn down(message: &'static str) -> ErrorBody {
    ErrorBody::new(ErrorCode::ServiceDown, message).of("call")
}

/// The instance that had a call is gone.
pub(super) fn lost() -> ErrorBody {
    down("the instance of the service that had the call is gone; it may have carried it out or not")
}

/// A call was not carried out: there was no room for it, or no time left.
pub(super) fn crowded(message: &'static str) -> ErrorBody {
    let error = ErrorBody::new(ErrorCode::Unavailable, message);
    error.by(Limit::ServiceQueue).of("call")
}

fn full() -> ErrorBody {
    crowded("too many calls wait for the service; try again later")
}

/// What a user's own functions answer calls with that no session of it gets: the same,
/// whatever the reason, as the user may be invisible.
pub fn hide_reasons(effects: &mut [Effect]) {
    for effect in effects {
        if let Effect::Answer {
            outcome: Err(error),
            ..
        } = effect
            && matches!(error.code, ErrorCode::NotFound | ErrorCode::ServiceDown)
        {
            *error = ErrorBody {
                command: error.command.take(),
                ..absent()
            };
        }
    }
}

impl Service {
    pub(super) fn may_call(&self, request: &ServiceRequest) -> Result<(), ErrorBody> {
        if self.is_off {
            return Err(down("the service is disabled"));
        }
        let is_down = self.providers.values().all(|p| p.functions.is_empty());
        if is_down && self.is_direct_only {
            return Err(down(
                "the service is not called through the server; $av:direct has its address",
            ));
        }
        if is_down {
            return Err(down("the service is down: it has no instance"));
        }
        let mut providers = self.providers.values();
        let is_offered = self.is_offered(&request.function);
        if !is_offered && providers.any(|p| p.is_paused() && p.has(&request.function)) {
            return Err(down(
                "the service is down: its instances have not answered lately",
            ));
        }
        if !is_offered {
            let offered = self.state().functions.join(", ");
            let mut message = format!("the service has no such function; it has {offered}");
            message.truncate(message.floor_char_boundary(512));
            return Err(ErrorBody::new(ErrorCode::NotFound, message));
        }
        Ok(())
    }

    /// Makes room for one more call that waits, if its caller has not the most of them.
    pub(super) fn make_room(
        &mut self,
        request: &ServiceRequest,
        settings: &ServiceSettings,
        effects: &mut Vec<Effect>,
    ) -> Result<(), ErrorBody> {
        let (from, bytes) = (request.sender(), request.bytes());
        let has_room = self.choose(request, settings).is_some();
        // None is dropped unless that is enough.
        let mut displacement = self.waiting.displace(&from, bytes);
        let has_room = displacement.until(Measure::Calls, |left| {
            has_room || left.calls < settings.queue_max
        }) && displacement.until(Measure::Bytes, |left| {
            left.calls == 0 || left.bytes + bytes <= settings.queue_bytes_max
        });
        if !has_room {
            return Err(full());
        }
        for number in displacement.numbers() {
            let open = self.open.get(&number);
            let error = open.map_or_else(full, |open| open.unless_given(full()));
            self.answer(number, Err(error), effects);
        }
        Ok(())
    }
}
