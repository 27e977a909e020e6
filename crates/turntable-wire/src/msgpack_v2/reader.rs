//! Splits MessagePack into tokens: complete scalars, and heads of containers.
//!
//! A length is checked against the remaining input; nothing is allocated here.

use rmp::Marker;

use super::{NUMBER_KEY, V2Error, number};

/// A scalar, or the head of a container with the number of its elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    /// Not yet validated as UTF-8.
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Extension(i8, &'a [u8]),
    List(u32),
    Map(u32),
    /// The digits of a number that has no other form, from the map that contains
    /// them. [`Reader::token`] never returns it, [`Reader::number`] does.
    Digits(&'a [u8]),
}

/// The remaining input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The remaining input.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next token.
    pub(super) fn token(&mut self) -> Result<Token<'a>, V2Error> {
        let [first] = self.bytes()?;
        Ok(match Marker::from_u8(first) {
            Marker::Null => Token::Null,
            Marker::Reserved => return Err(V2Error::Reserved),
            Marker::False => Token::Boolean(false),
            Marker::True => Token::Boolean(true),
            Marker::FixPos(value) => Token::Unsigned(value.into()),
            Marker::U8 => Token::Unsigned(u8::from_be_bytes(self.bytes()?).into()),
            Marker::U16 => Token::Unsigned(u16::from_be_bytes(self.bytes()?).into()),
            Marker::U32 => Token::Unsigned(u32::from_be_bytes(self.bytes()?).into()),
            Marker::U64 => Token::Unsigned(u64::from_be_bytes(self.bytes()?)),
            Marker::FixNeg(value) => Token::Signed(value.into()),
            Marker::I8 => Token::Signed(i8::from_be_bytes(self.bytes()?).into()),
            Marker::I16 => Token::Signed(i16::from_be_bytes(self.bytes()?).into()),
            Marker::I32 => Token::Signed(i32::from_be_bytes(self.bytes()?).into()),
            Marker::I64 => Token::Signed(i64::from_be_bytes(self.bytes()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.bytes()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.bytes()?)),
            Marker::FixStr(len) => Token::Text(self.take(len.into())?),
            Marker::Str8 => Token::Text(self.counted_8()?),
            Marker::Str16 => Token::Text(self.counted_16()?),
            Marker::Str32 => Token::Text(self.counted_32()?),
            Marker::Bin8 => Token::Binary(self.counted_8()?),
            Marker::Bin16 => Token::Binary(self.counted_16()?),
            Marker::Bin32 => Token::Binary(self.counted_32()?),
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => {
                let len = u8::from_be_bytes(self.bytes()?);
                self.extension(len.into())?
            }
            Marker::Ext16 => {
                let len = u16::from_be_bytes(self.bytes()?);
                self.extension(len.into())?
            }
            Marker::Ext32 => {
                let len = u32::from_be_bytes(self.bytes()?);
                self.extension(len)?
            }
            Marker::FixArray(count) => self.list(count.into())?,
            Marker::Array16 => {
                let count = u16::from_be_bytes(self.bytes()?);
                self.list(count.into())?
            }
            Marker::Array32 => {
                let count = u32::from_be_bytes(self.bytes()?);
                self.list(count)?
            }
            Marker::FixMap(count) => self.map(count.into())?,
            Marker::Map16 => {
                let count = u16::from_be_bytes(self.bytes()?);
                self.map(count.into())?
            }
            Marker::Map32 => {
                let count = u32::from_be_bytes(self.bytes()?);
                self.map(count)?
            }
        })
    }

    /// After the head of a map with one entry: the digits of the number that it is.
    /// `None`, and nothing is consumed, for any other map.
    pub(super) fn number(&mut self) -> Option<Token<'a>> {
        let mut ahead = *self;
        let key = ahead.token().ok()?;
        let Token::Text(digits) = ahead.token().ok()? else {
            return None;
        };
        if key != Token::Text(NUMBER_KEY.as_bytes()) || !number::is_stored(digits) {
            return None;
        }
        *self = ahead;
        Some(Token::Digits(digits))
    }

    /// The bytes of the next value of any type.
    pub(super) fn value(&mut self) -> Result<&'a [u8], V2Error> {
        let before = self.rest;
        // Each head claims at most as many elements as bytes remain, so the sum of
        // the claims is far below 2^64.
        let mut missing = 1u64;
        while missing > 0 {
            missing -= 1;
            missing += match self.token()? {
                Token::List(count) => u64::from(count),
                Token::Map(count) => 2 * u64::from(count),
                _ => 0,
            };
        }
        let len = before.len() - self.rest.len();
        before.get(..len).ok_or(V2Error::Truncated)
    }

    fn list(&self, count: u32) -> Result<Token<'a>, V2Error> {
        // Each element takes at least one byte.
        if u64::from(count) > self.rest.len() as u64 {
            return Err(V2Error::Truncated);
        }
        Ok(Token::List(count))
    }

    fn map(&self, count: u32) -> Result<Token<'a>, V2Error> {
        if 2 * u64::from(count) > self.rest.len() as u64 {
            return Err(V2Error::Truncated);
        }
        Ok(Token::Map(count))
    }

    fn extension(&mut self, len: u32) -> Result<Token<'a>, V2Error> {
        let kind = i8::from_be_bytes(self.bytes()?);
        Ok(Token::Extension(kind, self.take(len)?))
    }

    fn counted_8(&mut self) -> Result<&'a [u8], V2Error> {
        let len = u8::from_be_bytes(self.bytes()?);
        self.take(len.into())
    }

    fn counted_16(&mut self) -> Result<&'a [u8], V2Error> {
        let len = u16::from_be_bytes(self.bytes()?);
        self.take(len.into())
    }

    fn counted_32(&mut self) -> Result<&'a [u8], V2Error> {
        let len = u32::from_be_bytes(self.bytes()?);
        self.take(len)
    }

    fn take(&mut self, len: u32) -> Result<&'a [u8], V2Error> {
        let len = usize::try_from(len).map_err(|_| V2Error::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(V2Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], V2Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(V2Error::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}
