//! Sent messages, counted by their names.
//!
//! A gateway counts in an array, once for a publication and all its receivers, and adds the
//! sums to the metrics once per turn.

use prometheus_client::metrics::counter::Counter;

use crate::metric::{Label, Metrics};
use turntable_core::packet::ServerPacket;

/// The names of the server's messages.
const NAMES: [(&str, u8); ServerPacket::MESSAGES.len()] = ServerPacket::MESSAGES;

/// Where a name is in a text frame of version 1, behind the longest header of a frame.
const NAME_WITHIN: usize = 64;
/// What is before it.
const HEAD: &[u8] = br#"{"command":""#;

/// The place of a name. It is for constants: an index out of bounds would not compile.
#[allow(clippy::indexing_slicing)]
const fn named(name: &[u8]) -> Option<usize> {
    let mut place = 0;
    while place < NAMES.len() {
        let known = NAMES[place].0.as_bytes();
        let mut same = 0;
        while same < known.len() && same < name.len() && known[same] == name[same] {
            same += 1;
        }
        if same == known.len() && same == name.len() {
            return Some(place);
        }
        place += 1;
    }
    None
}

/// Messages by the places of their names.
#[derive(Debug, Default)]
pub(crate) struct Sent([u64; NAMES.len()]);

impl Sent {
    /// The place of `userchange`.
    pub(crate) const USERCHANGE: Option<usize> = named(b"userchange");

    /// The place of the name of a message, by its text frame of version 1.
    pub(crate) fn place(frame: &[u8]) -> Option<usize> {
        // The short form of a length, or the long ones.
        let header = match frame.get(1) {
            Some(126) => 4,
            Some(127) => 10,
            _ => 2,
        };
        let begin = frame.get(header..frame.len().min(NAME_WITHIN))?;
        let rest = begin.strip_prefix(HEAD)?;
        let end = rest.iter().position(|byte| *byte == b'"')?;
        let name = rest.get(..end)?;
        NAMES.iter().position(|(known, _)| known.as_bytes() == name)
    }

    /// So many messages of a name were put into outboxes.
    pub(crate) fn add(&mut self, place: Option<usize>, count: u64) {
        if let Some(sent) = place.and_then(|place| self.0.get_mut(place)) {
            *sent += count;
        }
    }

    /// Adds them to the metrics.
    pub(crate) fn add_to(&self, counters: &SentCounters) {
        for (count, counter) in self.0.iter().zip(&counters.0) {
            if *count > 0 {
                counter.inc_by(*count);
            }
        }
    }
}

/// The counters of the metrics, in the same order.
pub(crate) struct SentCounters([Counter; NAMES.len()]);

impl SentCounters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self(NAMES.map(|(name, _)| metrics.sent.get_or_create(&Label { name }).clone()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::gateway::delivery::frame::Frame;
    use turntable_core::packet::{ErrorBody, ReplyData};
    use turntable_core::reason::ErrorCode;
    use turntable_wire::frame::text_frame;
    use turntable_wire::json_v1;

    #[test]
    fn each_name_has_its_place() {
        for (at, (name, _)) in ServerPacket::MESSAGES.iter().enumerate() {
            for data in [10, 200, 70_000] {
                let data = "x".repeat(data);
                let text = format!("{{\"command\":\"{name}\",\"data\":\"{data}\"}}");
                let frame = text_frame(|out| out.extend_from_slice(text.as_bytes()));
                assert_eq!(Sent::place(&frame), Some(at), "{name}");
            }
        }
        for text in ["", "{}", r#"{"command":"other"}"#, r#"{"command":"game"#] {
            let frame = text_frame(|out| out.extend_from_slice(text.as_bytes()));
            assert_eq!(Sent::place(&frame), None, "{text}");
        }
    }

    #[test]
    fn messages_as_they_are_sent_have_their_places() {
        let error = ErrorBody::new(ErrorCode::Internal, "fault");
        for packet in [
            ServerPacket::IdYou,
            ServerPacket::Reply(ReplyData::Done),
            ServerPacket::Error(Box::new(error)),
        ] {
            let frame = text_frame(|out| json_v1::encode(&packet, None, out));
            let place = Sent::place(&frame).unwrap();
            assert_eq!(NAMES[place], packet.name());
        }
    }

    #[test]
    fn changes_of_presence_have_their_place_without_a_look() {
        assert_eq!(NAMES[Sent::USERCHANGE.unwrap()].0, "userchange");
        let frame = Frame::changes(&[], |_, out| out.extend_from_slice(b"{}"));
        assert_eq!(frame.name_place(), Sent::USERCHANGE);
    }

    #[test]
    fn messages_are_added_by_their_names() {
        let metrics = Metrics::default();
        let counters = SentCounters::new(&metrics);
        let mut sent = Sent::default();
        sent.add(Some(7), 500);
        sent.add(Some(7), 1);
        sent.add(None, 9);
        sent.add_to(&counters);
        let count = |name| metrics.sent.get_or_create(&Label { name }).get();
        assert_eq!((count("game"), count("message")), (501, 0));
    }
}
