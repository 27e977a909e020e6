//! The histories of channels in a file.

use std::sync::atomic::Ordering;

use super::File;
use crate::clock;
use crate::log_limit::LogLimit;
use crate::store::channel::backup::{self, Line};
use crate::store::channel::{self, Life, StoredChannel};
use crate::store::retained::RetainedChannels;
use crate::visible::visible;
use turntable_core::id::ChannelId;

/// Records may be damaged one by one.
static DAMAGED: LogLimit = LogLimit::new();

impl File {
    /// A server begins to use the file. Channels that nobody has to have any more go, and
    /// so many are stored at most, of so many bytes.
    pub(in crate::store) fn begin(
        &mut self,
        channels_max: usize,
        bytes_max: u64,
    ) -> Result<(), String> {
        let now_ms = clock::now_ms();
        let (life, all) = self.with(|database| {
            let life = Life::begin(database)?;
            Ok((life, channel::all(database)?))
        })?;
        self.life = Some(life);
        self.retained = RetainedChannels::new(channels_max, bytes_max);
        for entry in all {
            let at_ms = match now_ms < entry.until_ms {
                true => entry.at_ms,
                // It goes first.
                false => 0,
            };
            self.retained.put(&entry.channel, entry.bytes, at_ms);
        }
        Ok(())
    }

    /// Everything was written.
    pub(in crate::store) fn close(&mut self) -> Result<(), String> {
        if self.has_lost.load(Ordering::Relaxed) || self.life.is_none() {
            return Ok(());
        }
        self.with(Life::close)
    }

    /// Changes of channels are not written: none is whole from here on.
    pub(in crate::store) fn note_lost(&self) {
        self.has_lost.store(true, Ordering::Relaxed);
    }

    /// A channel; of a damaged one what can be used.
    pub(in crate::store) fn read_channel(
        &mut self,
        channel: &ChannelId,
    ) -> Result<Option<StoredChannel>, String> {
        let Some(life) = self.life else {
            return Ok(None);
        };
        let has_lost = self.has_lost.load(Ordering::Relaxed);
        let (found, is_damaged) =
            self.with(|database| channel::read(database, channel.as_str(), life))?;
        if is_damaged && let Some(left_out) = DAMAGED.admit(clock::now_ms()) {
            let effect = "what could not be read is left out";
            let channel = visible(channel.as_str());
            log::error!("the history of channel {channel} is damaged; {effect}{left_out}");
        }
        Ok(found.map(|found| StoredChannel {
            is_whole: found.is_whole && !has_lost,
            ..found
        }))
    }

    /// All channels, as lines of a backup; a damaged state is left out.
    pub(in crate::store) fn channels(&mut self) -> Result<Vec<Line>, String> {
        self.with(|database| {
            let all = channel::all(database)?.into_iter();
            let lines = all.map(|entry| backup::export(database, &entry.channel));
            lines.filter_map(Result::transpose).collect()
        })
    }

    /// Writes channels of a backup.
    pub(in crate::store) fn restore_channels(&mut self, lines: &[Line]) -> Result<(), String> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            channel::open_singly(&transaction)?;
            for line in lines {
                backup::import(&transaction, line)?;
            }
            transaction.commit()?;
            Ok(())
        })
    }
}
