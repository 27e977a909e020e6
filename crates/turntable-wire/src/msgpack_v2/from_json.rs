//! Transcodes JSON text to MessagePack, in one pass: the reverse of `to_json`.
//! Each value takes its smallest form.
//!
//! The number of elements of a list is known at its end only, so each container
//! starts with a head of one byte. The few containers with more than 15 elements
//! get a wider head at the end, in one pass that moves the bytes after it. An
//! escaped lone surrogate, which is not Unicode, becomes U+FFFD; messages have none.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmp::Marker;
use rmp::encode::{write_bin_len, write_ext_meta, write_str_len};

use super::number;
use super::text;

/// Text that is not JSON, or is 4 GB or longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {at}")]
pub struct NotJson {
    /// The byte offset of the error.
    pub at: usize,
}

/// Appends the JSON value `json` as MessagePack. On an error `out` is unchanged.
///
/// ```
/// use turntable_wire::msgpack_v2::from_json;
/// let mut out = Vec::new();
/// from_json(r#"[1, 1.0, {"$bin": "aGk="}]"#, &mut out).unwrap();
/// assert_eq!(out, b"\x93\x01\xcb\x3f\xf0\0\0\0\0\0\0\xc4\x02hi");
/// ```
///
/// # Errors
/// If `json` is not one JSON value.
pub fn from_json(json: &str, out: &mut Vec<u8>) -> Result<(), NotJson> {
    let start = out.len();
    let mut transcoder = Transcoder {
        cursor: Cursor { json, at: 0 },
        out,
        open: Vec::new(),
        wide: Vec::new(),
    };
    let done = transcoder.run();
    let Transcoder {
        cursor, out, wide, ..
    } = transcoder;
    match done {
        Some(()) => widen(wide, out),
        None => {
            out.truncate(start);
            return Err(NotJson { at: cursor.at });
        }
    }
    Ok(())
}

/// An open list or object.
#[derive(Debug, Clone, Copy)]
struct Container {
    /// The offset of its head in the output.
    at: usize,
    /// The number of its elements or entries so far.
    count: u32,
    is_hash: bool,
}

struct Transcoder<'a, 'o> {
    cursor: Cursor<'a>,
    out: &'o mut Vec<u8>,
    /// Open containers.
    open: Vec<Container>,
    /// Containers whose head is too small.
    wide: Vec<Container>,
}

impl Transcoder<'_, '_> {
    /// `None` if the text at the cursor is not JSON.
    fn run(&mut self) -> Option<()> {
        loop {
            // After the head of a container, the first element follows.
            if self.value()? {
                continue;
            }
            loop {
                self.cursor.blank();
                let Some(container) = self.open.last_mut() else {
                    return self.cursor.peek().is_none().then_some(());
                };
                container.count = container.count.checked_add(1)?;
                let (is_hash, end) = (container.is_hash, container.end());
                if self.cursor.eat(b',').is_some() {
                    if is_hash {
                        self.key()?;
                    }
                    break;
                }
                self.cursor.eat(end)?;
                self.close();
            }
        }
    }

    /// A value, or the head of a container and the text before its first
    /// element. Returns whether a value must follow.
    fn value(&mut self) -> Option<bool> {
        self.cursor.blank();
        match self.cursor.peek()? {
            b'{' => {
                if self.reserved().is_some() {
                    return Some(false);
                }
                self.container(true)
            }
            b'[' => self.container(false),
            b'"' => self.text().map(|()| false),
            b'n' => self.word("null", Marker::Null),
            b't' => self.word("true", Marker::True),
            b'f' => self.word("false", Marker::False),
            _ => {
                let (number, is_whole) = self.cursor.number()?;
                number::write(number, is_whole, self.out).map(|()| false)
            }
        }
    }

    fn container(&mut self, is_hash: bool) -> Option<bool> {
        let container = Container {
            at: self.out.len(),
            count: 0,
            is_hash,
        };
        self.cursor.at += 1;
        self.out.push(0);
        self.open.push(container);
        self.cursor.blank();
        if self.cursor.eat(container.end()).is_some() {
            self.close();
            return Some(false);
        }
        if is_hash {
            self.key()?;
        }
        Some(true)
    }

    /// A key and its colon.
    fn key(&mut self) -> Option<()> {
        self.cursor.blank();
        self.text()?;
        self.cursor.blank();
        self.cursor.eat(b':')
    }

    /// Completes the innermost container.
    fn close(&mut self) {
        let Some(container) = self.open.pop() else {
            return;
        };
        match (container.small_head(), self.out.get_mut(container.at)) {
            (Some(head), Some(byte)) => *byte = head,
            _ => self.wide.push(container),
        }
    }

    fn text(&mut self) -> Option<()> {
        let text = self.cursor.text()?;
        let _ = write_str_len(self.out, u32::try_from(text.len()).ok()?);
        self.out.extend_from_slice(text.as_bytes());
        Some(())
    }

    fn word(&mut self, word: &str, marker: Marker) -> Option<bool> {
        if !self.cursor.rest().starts_with(word.as_bytes()) {
            return None;
        }
        self.cursor.at += word.len();
        self.out.push(marker.to_u8());
        Some(false)
    }

    /// An object with a reserved key only, which is binary or an extension.
    /// `None`, and nothing is consumed, for any other object.
    fn reserved(&mut self) -> Option<()> {
        let mut ahead = self.cursor;
        ahead.eat(b'{')?;
        ahead.blank();
        // Nearly every other key is distinguished by its first character. A character of
        // a reserved one may be written as an escape.
        if !matches!(ahead.rest(), [b'"', b'$' | b'\\', ..]) {
            return None;
        }
        let is_binary = match &*ahead.text()? {
            "$bin" => true,
            "$ext" => false,
            _ => return None,
        };
        ahead.blank();
        ahead.eat(b':')?;
        ahead.blank();
        let (kind, bytes) = if is_binary {
            (None, ahead.base64()?)
        } else {
            let (kind, bytes) = ahead.extension()?;
            (Some(kind), bytes)
        };
        ahead.blank();
        ahead.eat(b'}')?;
        let len = u32::try_from(bytes.len()).ok()?;
        match kind {
            None => {
                let _ = write_bin_len(self.out, len);
            }
            Some(kind) => {
                let _ = write_ext_meta(self.out, len, kind);
            }
        }
        self.out.extend_from_slice(&bytes);
        self.cursor = ahead;
        Some(())
    }
}

impl Container {
    const fn end(self) -> u8 {
        if self.is_hash { b'}' } else { b']' }
    }

    /// A head of one byte.
    fn small_head(self) -> Option<u8> {
        let count = u8::try_from(self.count).ok().filter(|count| *count < 16)?;
        Some(if self.is_hash {
            Marker::FixMap(count).to_u8()
        } else {
            Marker::FixArray(count).to_u8()
        })
    }

    /// A head of more than one byte.
    fn wide_head(self) -> ([u8; 5], usize) {
        let [a, b, c, d] = self.count.to_be_bytes();
        match (u16::try_from(self.count), self.is_hash) {
            (Ok(_), false) => ([Marker::Array16.to_u8(), c, d, 0, 0], 3),
            (Ok(_), true) => ([Marker::Map16.to_u8(), c, d, 0, 0], 3),
            (Err(_), false) => ([Marker::Array32.to_u8(), a, b, c, d], 5),
            (Err(_), true) => ([Marker::Map32.to_u8(), a, b, c, d], 5),
        }
    }
}

/// Inserts the heads that take more than one byte.
fn widen(mut wide: Vec<Container>, out: &mut Vec<u8>) {
    wide.sort_unstable_by_key(|container| container.at);
    let mut end = out.len();
    let mut shift: usize = wide.iter().map(|item| item.wide_head().1 - 1).sum();
    out.resize(end + shift, 0);
    // From the last to the first, so that each byte moves once.
    for container in wide.into_iter().rev() {
        let (head, len) = container.wide_head();
        out.copy_within(container.at + 1..end, container.at + 1 + shift);
        shift -= len - 1;
        let room = out.iter_mut().skip(container.at + shift);
        for (byte, head) in room.zip(head.iter().take(len)) {
            *byte = *head;
        }
        end = container.at;
    }
}

/// A position in the text.
#[derive(Debug, Clone, Copy)]
struct Cursor<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        self.json.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn number(&mut self) -> Option<(&'a str, bool)> {
        let (len, is_whole) = number::scan(self.rest())?;
        let number = self.json.get(self.at..self.at + len)?;
        self.at += len;
        Some((number, is_whole))
    }

    /// The value of a string.
    fn text(&mut self) -> Option<Cow<'a, str>> {
        self.eat(b'"')?;
        let (len, is_plain) = text::scan(self.rest())?;
        let raw = self.json.get(self.at..self.at + len)?;
        let text = if is_plain {
            Cow::Borrowed(raw)
        } else {
            Cow::Owned(text::unescape(raw)?)
        };
        self.at += len + 1;
        Some(text)
    }

    fn base64(&mut self) -> Option<Vec<u8>> {
        STANDARD.decode(&*self.text()?).ok()
    }

    /// `[TYPE, BASE64]`.
    fn extension(&mut self) -> Option<(i8, Vec<u8>)> {
        self.eat(b'[')?;
        self.blank();
        let (kind, is_whole) = self.number()?;
        self.blank();
        self.eat(b',')?;
        self.blank();
        let bytes = self.base64()?;
        self.blank();
        self.eat(b']')?;
        // -0 differs from 0.
        let kind = (is_whole && kind != "-0").then(|| kind.parse().ok())??;
        Some((kind, bytes))
    }
}
