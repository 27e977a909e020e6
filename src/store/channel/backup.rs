//! Channels in a backup of the store: one line of JSON each.

use redb::{Database, ReadableDatabase as _, WriteTransaction};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{CHANNELS, MESSAGES, State};
use turntable_core::id::MessageId;

/// A channel as a line of a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct Line {
    pub(in crate::store) channel: String,
    epoch: Box<str>,
    offset: u64,
    until_ms: u64,
    messages: Vec<LineMessage>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LineMessage {
    offset: u64,
    at_ms: u64,
    id: String,
    message: Box<RawValue>,
}

/// A channel for a backup, without messages that cannot be read; `None` where its state
/// cannot be.
pub(in crate::store) fn export(
    database: &Database,
    channel: &str,
) -> Result<Option<Line>, redb::Error> {
    let transaction = database.begin_read()?;
    let channels = transaction.open_table(CHANNELS)?;
    let record = channels.get(channel)?;
    let state = record.and_then(|record| serde_json::from_slice::<State>(record.value()).ok());
    let Some(state) = state else {
        return Ok(None);
    };
    let (mut messages, table) = (Vec::new(), transaction.open_table(MESSAGES)?);
    for entry in table.range((channel, 0)..=(channel, state.offset))? {
        let (key, value) = entry?;
        let (at_ms, id, text) = value.value();
        if let Ok(message) = serde_json::from_slice(text) {
            messages.push(LineMessage {
                offset: key.value().1,
                at_ms,
                id: MessageId::from(id).to_string(),
                message,
            });
        }
    }
    Ok(Some(Line {
        channel: channel.to_owned(),
        epoch: state.epoch,
        offset: state.offset,
        until_ms: state.until_ms,
        messages,
    }))
}

/// Writes a channel of a backup. Clients may have later messages than it has, so it is
/// of no life: it begins another epoch.
pub(in crate::store) fn import(
    transaction: &WriteTransaction,
    line: &Line,
) -> Result<(), redb::Error> {
    let mut messages = transaction.open_table(MESSAGES)?;
    let mut bytes = 0;
    for one in &line.messages {
        let text = one.message.get().as_bytes();
        bytes += text.len() as u64;
        let id = MessageId::from_string(&one.id).unwrap_or_default();
        let value = (one.at_ms, id.0, text);
        messages.insert((line.channel.as_str(), one.offset), value)?;
    }
    let state = State {
        epoch: line.epoch.clone(),
        offset: line.offset,
        life: 0,
        bytes,
        at_ms: line.messages.last().map_or(0, |last| last.at_ms),
        until_ms: line.until_ms,
    };
    let record = serde_json::to_vec(&state).unwrap_or_default();
    let mut channels = transaction.open_table(CHANNELS)?;
    channels.insert(line.channel.as_str(), record.as_slice())?;
    Ok(())
}
