//! For any packet and attachments, the Socket.IO codec does not panic and respects its
//! limits; decoded packets round-trip.
//!
//! The input is split at each 0x1e: the first piece is the text of a packet, the others
//! are attachments.

use serde_json::value::RawValue;
use turntable_wire::json_v1::DecodeLimits;
use turntable_wire::socketio::{
    Assembler, Auth, Encoded, Event, Limits, Packet, PacketKind, ack_list, answer, command,
    connect_refused, encode, event_list,
};

const LIMITS: Limits = Limits {
    attachments_max: 4,
    message_bytes_max: 4096,
    namespace_bytes_max: 32,
};

/// Limits for packets that the server sends: none.
const OURS: Limits = Limits {
    attachments_max: usize::MAX,
    message_bytes_max: usize::MAX,
    namespace_bytes_max: 32,
};

const DEPTH: DecodeLimits = DecodeLimits { depth_max: 16 };

/// Calls `take` with the completed packet, if there is one.
fn assemble<'a>(
    text: &str,
    attachments: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
    take: impl FnOnce(&Packet<'_>),
) {
    let Ok(packet) = Packet::decode(text, limits) else {
        return;
    };
    let mut assembler = Assembler::default();
    let Ok(done) = assembler.packet(packet) else {
        return;
    };
    if let Some(packet) = done {
        return take(&packet);
    }
    for bytes in attachments {
        match assembler.bytes(bytes, limits) {
            Ok(Some(whole)) => return take(&whole.packet()),
            Ok(None) => assert!(assembler.is_waiting()),
            Err(_) => return assert!(!assembler.is_waiting()),
        }
    }
}

/// The packet as the server would send it.
fn written(packet: &Packet<'_>) -> Option<Encoded> {
    let data = packet.data?;
    match packet.kind {
        PacketKind::Event => Some(event_list(data, packet.namespace, packet.id)),
        PacketKind::Ack => Some(ack_list(data, packet.namespace, packet.id?)),
        _ => None,
    }
}

fn whole(packet: &Packet<'_>) {
    assert!(!packet.kind.is_binary() && packet.namespace.starts_with('/'));
    if let Ok(event) = Event::read(packet) {
        let id = match command(&event, &DEPTH) {
            Ok(message) => message.id,
            Err(error) => error.id,
        };
        assert_eq!(id.map(|id| id.0.parse().ok()), packet.id.map(Some));
        let list = format!("[{}]", event.args);
        let args: Vec<&RawValue> = serde_json::from_str(&list).expect("arguments");
        assert_eq!(
            args.first().map(|value| value.get()),
            event.data.map(RawValue::get)
        );
        if let Some(data) = event.data {
            let message = format!(r#"{{"command":"message","data":{data}}}"#);
            let sent = encode(&message, "/", Some("1")).expect("a message");
            let mut payload = String::new();
            sent.append_to(&mut payload);
            assert_eq!(payload.len(), sent.payload_bytes());
        }
    }
    if packet.kind == PacketKind::Ack {
        assert!(
            answer(packet, &DEPTH).is_ok_and(|message| message.id.is_some()) || is_deep(packet)
        );
    }
    if packet.kind == PacketKind::Connect
        && let Err(error) = Auth::read(packet.data, &DEPTH)
    {
        let refused = connect_refused(packet.namespace, &error);
        assert!(Packet::decode(refused.text(), &OURS).is_ok());
    }
    let Some(sent) = written(packet) else {
        return;
    };
    let mut has_come = false;
    let attachments = sent.attachments.iter().map(Vec::as_slice);
    assemble(sent.text(), attachments, &OURS, |back| {
        has_come = true;
        // The first round trip made the bytes canonical, so the second changes nothing.
        assert_eq!(written(back).as_ref(), Some(&sent));
        assert_eq!((back.namespace, back.id), (packet.namespace, packet.id));
    });
    assert!(has_come, "{sent:?}");
}

fn is_deep(packet: &Packet<'_>) -> bool {
    let data = packet.data.map_or("", RawValue::get);
    data.matches(['[', '{']).count() >= DEPTH.depth_max
}

pub(crate) fn check(data: &[u8]) {
    let mut pieces = data.split(|&byte| byte == 0x1e);
    let Some(Ok(text)) = pieces.next().map(std::str::from_utf8) else {
        return;
    };
    assemble(text, pieces, &LIMITS, whole);
}
