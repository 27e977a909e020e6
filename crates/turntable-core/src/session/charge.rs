//! What a session is charged with: commands by their work, and everything that its
//! client sends by its bytes.

use crate::limit::Limit;
use crate::packet::{ClientPacket, ErrorBody};
use crate::rate::tokens;
use crate::reason::{CloseReason, ErrorCode};
use crate::session::class::Class;
use crate::session::rates::Rates;
use crate::session::settings::{LimitSettings, SessionSettings};
use crate::session::{Refusal, Session};

/// A command that is refused for its bytes takes a token of `limits.flood` for each so
/// many.
const FLOOD_BYTES: usize = 1_024;

impl<F> Session<F> {
    pub(super) fn rates(&mut self) -> &mut Rates {
        self.rates.get_or_insert_default()
    }

    /// Gives the memory of the rates back where all of them are refilled.
    pub fn forget_full_rates(
        &mut self,
        now_ms: u64,
        settings: &SessionSettings,
        limits: &LimitSettings,
    ) {
        self.rates
            .take_if(|rates| rates.are_full(settings, limits, now_ms));
    }

    /// Takes what a command costs by the rates.
    ///
    /// # Errors
    /// The error to answer, and whether it ends the connection.
    pub fn pay(
        &mut self,
        packet: &ClientPacket,
        now_ms: u64,
        limits: &LimitSettings,
    ) -> Result<(), Refusal> {
        for (class, count) in Class::charges(packet) {
            if count == 0 {
                continue;
            }
            let bucket = self.rates().class(class);
            let taken = bucket.take_many(count, class.settings(limits), now_ms);
            if let Err(retry_ms) = taken {
                let message =
                    "too many commands of this kind, or users or actions in them; wait retry_ms";
                let error = ErrorBody::new(ErrorCode::RateLimited, message)
                    .of(packet.name())
                    .with("retry_ms", retry_ms)
                    .by(class.limit());
                return Err(self.refuse_rate(error, now_ms, limits));
            }
        }
        Ok(())
    }

    /// Charges a refusal of something that came too often, here or at its owner.
    pub fn refuse_rate(
        &mut self,
        error: ErrorBody,
        now_ms: u64,
        limits: &LimitSettings,
    ) -> Refusal {
        self.charge_flood(1, error, now_ms, limits)
    }

    /// Charges a refusal of something that has so many bytes too many.
    pub fn refuse_bytes(
        &mut self,
        error: ErrorBody,
        bytes: usize,
        now_ms: u64,
        limits: &LimitSettings,
    ) -> Refusal {
        self.charge_flood(tokens(1 + bytes / FLOOD_BYTES), error, now_ms, limits)
    }

    fn charge_flood(
        &mut self,
        count: u32,
        error: ErrorBody,
        now_ms: u64,
        limits: &LimitSettings,
    ) -> Refusal {
        let retry_ms = error.detail("retry_ms").unwrap_or(0);
        let flood = self.rates().flood();
        let charged = flood.charge(count, retry_ms, limits.flood, now_ms);
        Refusal::new(error, charged, CloseReason::RateLimited)
    }

    /// Takes so many bytes of its client, or none.
    ///
    /// # Errors
    /// The time until there is room for them, in ms.
    pub fn take_bytes(
        &mut self,
        bytes: usize,
        now_ms: u64,
        limits: &LimitSettings,
    ) -> Result<(), u64> {
        let own = &mut self.rates().bytes;
        own.take_many(tokens(bytes), limits.bytes, now_ms)
    }

    /// Pays for bytes that were taken in any case.
    pub fn pay_bytes(&mut self, bytes: usize, now_ms: u64, limits: &LimitSettings) {
        let own = &mut self.rates().bytes;
        own.pay(tokens(bytes), limits.bytes, now_ms);
    }

    /// Charges what goes to others without being a command. Returns whether it
    /// may.
    pub fn charge_publish(&mut self, now_ms: u64, limits: &LimitSettings) -> bool {
        let bucket = self.rates().class(Class::Publish);
        bucket.take(limits.publish, now_ms).is_ok()
    }
}

/// The error for a client that sent more bytes than it may, in one command or one
/// request.
#[must_use]
pub fn bytes_error(retry_ms: u64) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::RateLimited,
        "too many bytes of this session; wait retry_ms",
    )
    .with("retry_ms", retry_ms)
    .by(Limit::Bytes)
}

/// The same for clients of one address.
#[must_use]
pub fn address_error(retry_ms: u64) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::RateLimited,
        "too many bytes from your address; wait retry_ms",
    )
    .with("retry_ms", retry_ms)
    .by(Limit::AddressBytes)
}
