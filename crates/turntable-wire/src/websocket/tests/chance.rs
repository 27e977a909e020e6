//! Random conversations.

use super::*;

/// A message, the positions where it is split into fragments, and a ping between
/// them.
#[derive(Debug, Clone)]
struct Sent {
    message: Owned,
    cuts: Vec<usize>,
    ping: Option<Vec<u8>>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..200);
    let message = prop_oneof![
        any::<String>().prop_map(Owned::Text),
        bytes().prop_map(Owned::Binary),
        proptest::collection::vec(any::<u8>(), 0..=125).prop_map(Owned::Ping),
        Just(Owned::Pong(Vec::new())),
    ];
    let cuts = proptest::collection::vec(0..300usize, 0..4);
    let ping = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..10));
    (message, cuts, ping).prop_map(|(message, cuts, ping)| Sent {
        message,
        cuts,
        ping,
    })
}

/// Encodes as one end would; appends the expected messages.
fn write(sent: &Sent, key: Option<[u8; 4]>, out: &mut Vec<u8>, expected: &mut Vec<Owned>) {
    let mut frame = |is_final, opcode, payload: &[u8]| {
        FrameHeader {
            is_final,
            opcode,
            key,
            len: payload.len() as u64,
        }
        .write(out);
        let masked = payload.to_vec();
        let key = key.unwrap_or_default();
        out.extend(masked.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    };
    let (opcode, payload) = match &sent.message {
        Owned::Text(text) => (Opcode::Text, text.as_bytes()),
        Owned::Binary(bytes) => (Opcode::Binary, &bytes[..]),
        Owned::Ping(bytes) => (Opcode::Ping, &bytes[..]),
        Owned::Pong(bytes) => (Opcode::Pong, &bytes[..]),
        Owned::Close(..) => unreachable!("not generated"),
    };
    if opcode.is_control() {
        frame(true, opcode, payload);
        expected.push(sent.message.clone());
        return;
    }
    let mut cuts: Vec<usize> = sent
        .cuts
        .iter()
        .map(|cut| (*cut).min(payload.len()))
        .collect();
    cuts.sort_unstable();
    let (mut from, mut opcode) = (0, opcode);
    for cut in cuts {
        frame(false, opcode, &payload[from..cut]);
        (from, opcode) = (cut, Opcode::Continuation);
        if let Some(ping) = &sent.ping {
            frame(true, Opcode::Ping, ping);
            expected.push(Owned::Ping(ping.clone()));
        }
    }
    frame(true, opcode, &payload[from..]);
    expected.push(sent.message.clone());
}

proptest! {
    #[test]
    fn any_split_decodes_to_the_sent_messages(
        conversation in proptest::collection::vec(sent(), 0..6),
        key in proptest::option::of(any::<[u8; 4]>()),
        cuts in proptest::collection::vec(1..70usize, 1..6),
        close in proptest::option::of(1000..1004u16),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for sent in &conversation {
            write(sent, key, &mut bytes, &mut expected);
        }
        if let Some(code) = close {
            match key {
                Some(key) => masked_frame(Opcode::Close, &code.to_be_bytes(), key, &mut bytes),
                None => bytes.extend(close_frame(Some(code), "")),
            }
            expected.push(Owned::Close(Some(code), String::new()));
        }
        let role = if key.is_some() { Role::Server } else { Role::Client };
        prop_assert_eq!(read(role, &bytes, &cuts, &LIMITS), (expected, Ok(())));
    }

    #[test]
    fn any_split_of_random_bytes_decodes_equally(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
        likely in proptest::option::of(prop_oneof![
            Just([0x01u8, 0x85]), Just([0x81, 0xfe]), Just([0x82, 0xff]), Just([0x88, 0x84]),
        ]),
        cuts in proptest::collection::vec(1..20usize, 1..6),
    ) {
        if let (Some(likely), Some(start)) = (likely, bytes.first_chunk_mut::<2>()) {
            *start = likely;
        }
        for role in [Role::Server, Role::Client] {
            let whole = read(role, &bytes, &[usize::MAX], &LIMITS);
            prop_assert_eq!(read(role, &bytes, &cuts, &LIMITS), whole);
        }
    }
}
