//! How fast commands may be sent: the token buckets of the server (docs/protocol.md,
//! Rates) with a margin, so that a program that is faster waits and is not refused.

use std::collections::BTreeMap;

use serde::Deserialize;

use turntable_core::packet::ClientPacket;
use turntable_core::rate::{Bucket, BucketSettings, tokens};

/// A rate as `welcome` has it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Rate {
    /// 0: no limit.
    per_second: u32,
    burst: u32,
}

/// The name of the bucket of bytes.
const BYTES: &str = "bytes";

/// A bucket, and the time before which nothing of its class is sent.
#[derive(Debug)]
struct Class {
    settings: BucketSettings,
    bucket: Bucket,
    blocked_until_ms: u64,
}

/// The buckets by class.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    rates: BTreeMap<String, Rate>,
    classes: BTreeMap<String, Class>,
}

impl Pace {
    /// A connection begins with these rates. The buckets of a resumed session are as they
    /// were, unless its rates have changed.
    pub(crate) fn begin(&mut self, rates: BTreeMap<String, Rate>, is_resumed: bool) {
        if is_resumed && rates == self.rates {
            return;
        }
        // Clocks differ, and so does what the server counts.
        let part = |count: u32, tenths: u64| {
            let part = u64::from(count) * tenths / 10;
            u32::try_from(part).unwrap_or(u32::MAX).max(1)
        };
        let class = |rate: &Rate| Class {
            settings: BucketSettings::new(
                if rate.per_second == 0 {
                    0
                } else {
                    part(rate.per_second, 9)
                },
                part(rate.burst, 8),
            ),
            bucket: Bucket::default(),
            blocked_until_ms: 0,
        };
        let classes = rates.iter().map(|(name, rate)| (name.clone(), class(rate)));
        self.classes = classes.collect();
        self.rates = rates;
    }

    /// Takes what a command of so many bytes costs, or nothing.
    ///
    /// # Errors
    /// How long to wait, in ms.
    pub(crate) fn take(
        &mut self,
        packet: &ClientPacket,
        bytes: usize,
        now_ms: u64,
    ) -> Result<(), u64> {
        let mut taken: Vec<(&str, u32)> = Vec::new();
        for (name, count) in packet.charges().chain([(BYTES, tokens(bytes))]) {
            let Some(class) = self.classes.get_mut(name) else {
                continue;
            };
            let blocked_ms = class.blocked_until_ms.saturating_sub(now_ms);
            let paid = match blocked_ms {
                0 => class.bucket.take_many(count, class.settings, now_ms),
                blocked_ms => Err(blocked_ms),
            };
            if let Err(wait_ms) = paid {
                for (name, count) in taken {
                    if let Some(class) = self.classes.get_mut(name) {
                        class.bucket.give_back(count);
                    }
                }
                return Err(wait_ms.max(1));
            }
            taken.push((name, count));
        }
        Ok(())
    }

    /// The server refused a command of this class for its rate.
    pub(crate) fn hold(&mut self, class: &str, retry_ms: u64, now_ms: u64) {
        if let Some(class) = self.classes.get_mut(class) {
            class.blocked_until_ms = now_ms.saturating_add(retry_ms);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pace(rates: &str) -> Pace {
        let mut pace = Pace::default();
        pace.begin(serde_json::from_str(rates).unwrap(), false);
        pace
    }

    fn call() -> ClientPacket {
        ClientPacket::Call {
            f: "forum:read".into(),
            args: None,
            user: None,
        }
    }

    #[test]
    fn calls_wait_for_their_bucket_and_others_do_not() {
        let mut pace =
            pace(r#"{"call":{"per_second":10,"burst":10},"publish":{"per_second":0,"burst":1}}"#);
        for _ in 0..8 {
            pace.take(&call(), 10, 1_000).unwrap();
        }
        // Nine a second are left of ten.
        assert_eq!(pace.take(&call(), 10, 1_000), Err(112));
        pace.take(&ClientPacket::Bye, 10, 1_000).unwrap();
        pace.take(&call(), 10, 1_112).unwrap();
    }

    #[test]
    fn command_without_room_for_its_bytes_takes_no_token() {
        let mut pace =
            pace(r#"{"call":{"per_second":1,"burst":2},"bytes":{"per_second":1000,"burst":1000}}"#);
        pace.take(&ClientPacket::Bye, 800, 1_000).unwrap();
        assert!(pace.take(&call(), 500, 1_000).is_err());
        pace.take(&call(), 500, 1_600).unwrap();
    }

    #[test]
    fn refused_class_is_blocked_and_a_resume_changes_nothing() {
        let rates = r#"{"call":{"per_second":1000,"burst":1000}}"#;
        let mut pace = pace(rates);
        pace.hold("call", 300, 1_000);
        pace.begin(serde_json::from_str(rates).unwrap(), true);
        assert_eq!(pace.take(&call(), 1, 1_100), Err(200));
        pace.begin(serde_json::from_str(rates).unwrap(), false);
        pace.take(&call(), 1, 1_100).unwrap();
    }
}
