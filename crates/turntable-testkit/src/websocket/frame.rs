//! WebSocket frames by hand (RFC 6455 section 5), valid and invalid ones.

/// The opcodes that tests use; others are plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opcode;

impl Opcode {
    /// A further fragment.
    pub const CONTINUATION: u8 = 0x0;
    /// A text message.
    pub const TEXT: u8 = 0x1;
    /// A binary message.
    pub const BINARY: u8 = 0x2;
    /// The end.
    pub const CLOSE: u8 = 0x8;
    /// A ping.
    pub const PING: u8 = 0x9;
    /// A pong.
    pub const PONG: u8 = 0xA;
}

/// A frame as it travels.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The first byte's upper half: 8 is FIN, 4, 2 and 1 the reserved bits.
    pub bits: u8,
    /// One of [`Opcode`], or another.
    pub opcode: u8,
    /// Unmasked.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.payload[..self.payload.len().min(300)];
        let (bits, opcode, length) = (self.bits, self.opcode, self.payload.len());
        let text = String::from_utf8_lossy(start);
        write!(f, "Frame({bits:x}{opcode:x}, {length} bytes: {text:?})")
    }
}

impl Frame {
    /// A whole message.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            bits: 8,
            opcode,
            payload: payload.into(),
        }
    }

    /// A whole text message.
    pub fn text(text: &str) -> Self {
        Self::new(Opcode::TEXT, text)
    }

    /// A fragment that is not the last of its message.
    pub fn fragment(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            bits: 0,
            ..Self::new(opcode, payload)
        }
    }

    /// A close frame.
    pub fn close(code: u16, reason: &str) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        Self::new(Opcode::CLOSE, payload)
    }

    /// Whether FIN is set.
    pub const fn is_final(&self) -> bool {
        self.bits & 8 != 0
    }

    /// The code of a close frame.
    pub fn close_code(&self) -> Option<u16> {
        let code = self.payload.get(..2)?;
        (self.opcode == Opcode::CLOSE).then(|| u16::from_be_bytes([code[0], code[1]]))
    }

    /// The bytes that a client sends, masked.
    pub fn masked(&self) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = self.head(0x80);
        bytes.extend_from_slice(&mask);
        let start = bytes.len();
        bytes.extend_from_slice(&self.payload);
        for (at, byte) in bytes[start..].iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        bytes
    }

    /// The bytes that only a server may send, unmasked.
    pub fn unmasked(&self) -> Vec<u8> {
        let mut bytes = self.head(0);
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    fn head(&self, mask_bit: u8) -> Vec<u8> {
        let mut bytes = vec![self.bits << 4 | self.opcode];
        match self.payload.len() {
            length @ 0..=125 => bytes.push(mask_bit | length as u8),
            length @ 126..=65_535 => {
                bytes.push(mask_bit | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                bytes.push(mask_bit | 127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes
    }

    /// Removes a complete frame of the server from the front of `bytes`.
    pub fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        assert!(second & 0x80 == 0, "a server's frame is never masked");
        let (start, length) = match second {
            126 => (
                4,
                u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            ),
            127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
            short => (2, u64::from(short)),
        };
        let end = start + usize::try_from(length).expect("a length that fits");
        let payload = bytes.get(start..end)?.to_vec();
        bytes.drain(..end);
        Some(Self {
            bits: first >> 4,
            opcode: first & 0xf,
            payload,
        })
    }
}
