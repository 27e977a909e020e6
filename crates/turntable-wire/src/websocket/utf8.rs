//! Validates text that arrives in pieces.
//!
//! Each piece is validated once, when it arrives, so that an invalid byte is
//! detected before the rest has been sent. Valid text is appended to a `String`;
//! only an incomplete character is stored separately.

use smallvec::SmallVec;

use super::FrameError;

/// The validated text.
#[derive(Debug, Default)]
pub(super) struct TextBuffer {
    text: String,
    /// The bytes of an incomplete character; at most three between calls.
    open: SmallVec<[u8; 4]>,
}

impl TextBuffer {
    /// Appends the next piece.
    ///
    /// # Errors
    /// `NotUtf8` as soon as no continuation could make the text valid.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<(), FrameError> {
        while !self.open.is_empty() {
            let Some((&byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            self.open.push(byte);
            match std::str::from_utf8(&self.open) {
                Ok(character) => {
                    self.text.push_str(character);
                    self.open.clear();
                }
                Err(error) if error.error_len().is_some() => return Err(FrameError::NotUtf8),
                Err(_) => {}
            }
        }
        // The first run of valid text, and the cause of its end.
        let Some(run) = piece.utf8_chunks().next() else {
            return Ok(());
        };
        self.text.push_str(run.valid());
        if run.invalid().is_empty() {
            return Ok(());
        }
        let at_the_end = run.valid().len() + run.invalid().len() == piece.len();
        let is_open =
            std::str::from_utf8(run.invalid()).is_err_and(|error| error.error_len().is_none());
        if !(at_the_end && is_open) {
            return Err(FrameError::NotUtf8);
        }
        self.open.extend_from_slice(run.invalid());
        Ok(())
    }

    /// The number of received bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len() + self.open.len()
    }

    /// The memory of the text, in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// The complete text.
    ///
    /// # Errors
    /// `NotUtf8` if its last character is incomplete.
    pub(super) fn finish(self) -> Result<String, FrameError> {
        if self.open.is_empty() {
            Ok(self.text)
        } else {
            Err(FrameError::NotUtf8)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytewise(bytes: &[u8]) -> Result<String, usize> {
        let mut buffer = TextBuffer::default();
        for (index, byte) in bytes.iter().enumerate() {
            buffer.push(&[*byte]).map_err(|_| index)?;
        }
        buffer.finish().map_err(|_| bytes.len())
    }

    #[test]
    fn invalid_byte_is_refused_when_it_arrives() {
        let rows: [(&[u8], usize); 9] = [
            (b"a\xff", 1),
            (b"\xc0\xaf", 0),         // overlong
            (b"\xe0\x80\xaf", 1),     // overlong
            (b"\xf0\x80\x80\xaf", 1), // overlong
            (b"\xed\xa0\x80", 1),     // a surrogate
            (b"\xf4\x90\x80\x80", 1), // beyond U+10FFFF
            (b"\xf5", 0),             // beyond U+10FFFF
            (b"\xe2\x82A", 2),        // incomplete
            (b"\xf0\x9f\x98", 3),     // incomplete
        ];
        for (bytes, at) in rows {
            assert_eq!(bytewise(bytes), Err(at), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_is_validated_like_the_whole(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..12),
                any::<String>().prop_map(String::into_bytes),
            ],
            size in 1..5usize,
        ) {
            let mut buffer = TextBuffer::default();
            let pushed = bytes.chunks(size).try_for_each(|piece| buffer.push(piece));
            let read = pushed.and_then(|()| buffer.finish());
            match std::str::from_utf8(&bytes) {
                Ok(text) => prop_assert_eq!(read.unwrap(), text),
                Err(_) => prop_assert_eq!(read, Err(FrameError::NotUtf8)),
            }
        }
    }
}
