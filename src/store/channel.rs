//! Histories of channels in the file of a store.
//!
//! A channel has a state (epoch, last offset) and its messages by offset. Changes are
//! written behind, so those of the last moments are lost with a process that is killed.
//! Each opening of the file is a life with a number, and a life that was not closed is
//! known: what a channel wrote in it or before may lack messages that clients have. Such a
//! channel is loaded as not whole, and begins another epoch.

pub(super) mod backup;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use redb::{ReadableTableMetadata as _, WriteTransaction};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use turntable_core::frame::SharedFrame;
use turntable_core::id::MessageId;
use turntable_wire::frame::text_frame;

/// States by path.
const CHANNELS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("channels");
/// Messages by path and offset: when it was published in Unix ms, its id, its text.
const MESSAGES: TableDefinition<'_, (&str, u64), (u64, u128, &[u8])> =
    TableDefinition::new("messages");
/// The number of the life, that of the last one that was not closed, and whether the
/// last one was.
const LIVES: TableDefinition<'_, &str, u64> = TableDefinition::new("lives");

/// A channel as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredChannel {
    /// The life that it was in.
    pub epoch: Box<str>,
    /// How many messages of that life there were.
    pub offset: u64,
    /// Whether there were no others that clients may have.
    pub is_whole: bool,
    /// The last messages, without a gap: when each was published, and its frame.
    pub messages: Vec<(u64, SharedFrame)>,
}

/// A change of a channel that is to be stored.
#[derive(Debug, Clone)]
pub enum ChannelChange {
    /// What is stored of it is not its past: it begins.
    Begin,
    /// It goes on as another life: clients may have messages that are not stored.
    Renew {
        /// That life.
        epoch: Box<str>,
    },
    /// A message was published, and those before `first` are not retained any more.
    Message {
        /// The life of the channel.
        epoch: Box<str>,
        /// The place of the message.
        offset: u64,
        /// When it was published, Unix ms.
        at_ms: u64,
        /// When the last message of the channel may go, Unix ms.
        until_ms: u64,
        /// The message.
        frame: SharedFrame,
        /// The first that is retained.
        first: u64,
    },
    /// Messages before `first` are not retained any more.
    Trim {
        /// The first that is retained.
        first: u64,
    },
}

/// The record of a channel's state.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    epoch: Box<str>,
    offset: u64,
    /// The life of the file in which it was written.
    life: u64,
    /// Bytes of its messages.
    bytes: u64,
    /// When it was written, Unix ms.
    at_ms: u64,
    until_ms: u64,
}

/// What is not written yet of one channel.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    begins: bool,
    /// The life that it goes on as, where no message has one.
    epoch: Option<Box<str>>,
    messages: Vec<Message>,
    first: u64,
    /// Bytes of the messages.
    pub(super) bytes: usize,
}

#[derive(Debug)]
struct Message {
    epoch: Box<str>,
    offset: u64,
    at_ms: u64,
    until_ms: u64,
    frame: SharedFrame,
}

impl Unwritten {
    /// One more change.
    pub(super) fn add(&mut self, change: ChannelChange) {
        match change {
            ChannelChange::Begin => {
                *self = Self {
                    begins: true,
                    ..Self::default()
                };
            }
            ChannelChange::Renew { epoch } => self.epoch = Some(epoch),
            ChannelChange::Message {
                epoch,
                offset,
                at_ms,
                until_ms,
                frame,
                first,
            } => {
                self.bytes += frame.v1().len();
                self.messages.push(Message {
                    epoch,
                    offset,
                    at_ms,
                    until_ms,
                    frame,
                });
                self.trim(first);
            }
            ChannelChange::Trim { first } => self.trim(first),
        }
    }

    /// Messages that went meanwhile need not be written; the last one has the state.
    fn trim(&mut self, first: u64) {
        self.first = first;
        let last = self.messages.len().saturating_sub(1);
        let gone = self.messages.iter().take(last);
        let gone = gone.take_while(|message| message.offset < first).count();
        for message in self.messages.drain(..gone) {
            self.bytes -= message.frame.v1().len();
        }
    }
}

/// The number of this opening of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    number: u64,
    /// The last one that was not closed.
    unclosed: u64,
}

impl Life {
    /// Begins the next one.
    pub(super) fn begin(database: &Database) -> Result<Self, redb::Error> {
        let transaction = database.begin_write()?;
        let life = {
            open_singly(&transaction)?;
            let mut lives = transaction.open_table(LIVES)?;
            let get = |name| -> Result<u64, redb::Error> {
                Ok(lives.get(name)?.map_or(0, |value| value.value()))
            };
            let (before, is_closed) = (get("number")?, get("is_closed")? == 1);
            let unclosed = match is_closed {
                true => get("unclosed")?,
                false => before,
            };
            let number = before + 1;
            lives.insert("number", number)?;
            lives.insert("unclosed", unclosed)?;
            lives.insert("is_closed", 0)?;
            Self { number, unclosed }
        };
        transaction.commit()?;
        Ok(life)
    }

    /// Whether it is the last one of a file.
    pub(super) fn is_in(self, database: &Database) -> Result<bool, redb::Error> {
        let lives = match database.begin_read()?.open_table(LIVES) {
            Ok(lives) => lives,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let number = lives.get("number")?.map(|number| number.value());
        Ok(number == Some(self.number))
    }

    /// Everything was written.
    pub(super) fn close(database: &Database) -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(LIVES)?.insert("is_closed", 1)?;
        transaction.commit()?;
        Ok(())
    }
}

/// Opens each table, and closes it.
pub(super) fn open_singly(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(LIVES)?;
    transaction.open_table(CHANNELS)?;
    transaction.open_table(MESSAGES)?;
    Ok(())
}

/// Writes what is not written of a channel. Returns the bytes of its messages then.
pub(super) fn write(
    transaction: &WriteTransaction,
    channel: &str,
    unwritten: &Unwritten,
    life: Life,
) -> Result<u64, redb::Error> {
    let mut channels = transaction.open_table(CHANNELS)?;
    let mut messages = transaction.open_table(MESSAGES)?;
    let known = channels
        .get(channel)?
        .and_then(|record| serde_json::from_slice::<State>(record.value()).ok());
    let known = known.filter(|_| !unwritten.begins);
    let mut bytes = known.as_ref().map_or(0, |state| state.bytes);
    let first = match &known {
        Some(_) => unwritten.first,
        None => u64::MAX,
    };
    for gone in messages.extract_from_if((channel, 0)..(channel, first), |_, _| true)? {
        let (_, value) = gone?;
        bytes = bytes.saturating_sub(value.value().2.len() as u64);
    }
    if known.is_none() {
        bytes = 0;
    }
    for message in &unwritten.messages {
        if message.offset >= unwritten.first {
            let text = message.frame.text();
            let value = (message.at_ms, message.frame.id().0, text.as_bytes());
            bytes += text.len() as u64;
            messages.insert((channel, message.offset), value)?;
        }
    }
    let state = match (unwritten.messages.last(), known) {
        (Some(last), _) => State {
            epoch: last.epoch.clone(),
            offset: last.offset,
            life: life.number,
            bytes,
            at_ms: last.at_ms,
            until_ms: last.until_ms,
        },
        (None, Some(known)) => match &unwritten.epoch {
            Some(epoch) => State {
                epoch: epoch.clone(),
                life: life.number,
                bytes,
                ..known
            },
            None => State { bytes, ..known },
        },
        (None, None) => {
            channels.remove(channel)?;
            return Ok(0);
        }
    };
    // A struct of numbers and a string can be written.
    let record = serde_json::to_vec(&state).unwrap_or_default();
    channels.insert(channel, record.as_slice())?;
    Ok(bytes)
}

/// Removes a channel.
pub(super) fn remove(transaction: &WriteTransaction, channel: &str) -> Result<(), redb::Error> {
    transaction.open_table(CHANNELS)?.remove(channel)?;
    let mut messages = transaction.open_table(MESSAGES)?;
    messages.retain_in((channel, 0)..=(channel, u64::MAX), |_, _| false)?;
    Ok(())
}

/// What was read of a channel, and whether some of it was damaged.
pub(super) type Read = (Option<StoredChannel>, bool);

/// Reads a channel. Messages before a damaged one are left out, as what is retained has
/// no gap.
pub(super) fn read(database: &Database, channel: &str, life: Life) -> Result<Read, redb::Error> {
    let transaction = database.begin_read()?;
    let channels = transaction.open_table(CHANNELS)?;
    let Some(record) = channels.get(channel)? else {
        return Ok((None, false));
    };
    let Ok(state) = serde_json::from_slice::<State>(record.value()) else {
        return Ok((None, true));
    };
    let messages = transaction.open_table(MESSAGES)?;
    let (mut found, mut expected, mut is_damaged) = (Vec::new(), state.offset, false);
    for entry in messages
        .range((channel, 0)..=(channel, state.offset))?
        .rev()
    {
        let (key, value) = entry?;
        let (at_ms, id, text) = value.value();
        let is_message = serde_json::from_slice::<&RawValue>(text).is_ok();
        if key.value().1 != expected || !is_message {
            is_damaged = true;
            break;
        }
        let frame = text_frame(|out| out.extend_from_slice(text));
        found.push((at_ms, SharedFrame::new(frame, MessageId::from(id))));
        expected = expected.saturating_sub(1);
    }
    found.reverse();
    let stored = StoredChannel {
        epoch: state.epoch,
        offset: state.offset,
        is_whole: state.life > life.unclosed,
        messages: found,
    };
    Ok((Some(stored), is_damaged))
}

/// A channel in the file: its path, the bytes of its messages, when it was written and
/// until when it has to be retained.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) channel: String,
    pub(super) bytes: u64,
    pub(super) at_ms: u64,
    pub(super) until_ms: u64,
}

/// All channels in the file. One with a damaged state is old and without messages.
pub(super) fn all(database: &Database) -> Result<Vec<Entry>, redb::Error> {
    let channels = match database.begin_read()?.open_table(CHANNELS) {
        Ok(channels) => channels,
        // A file of an earlier version.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::with_capacity(channels.len()? as usize);
    for entry in channels.iter()? {
        let (channel, record) = entry?;
        let state = serde_json::from_slice::<State>(record.value()).ok();
        let (bytes, at_ms, until_ms) = state.map_or((0, 0, 0), |state| {
            (state.bytes, state.at_ms, state.until_ms)
        });
        let channel = channel.value().to_owned();
        found.push(Entry {
            channel,
            bytes,
            at_ms,
            until_ms,
        });
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
