//! `turntable shard`: tell the slot of an id, as every client can compute it.

use std::num::NonZeroU32;

use clap::Args;

use crate::id::shard;

#[derive(Debug, Args)]
pub(super) struct ShardArgs {
    /// A user, a channel or any other id; its bytes are taken as they are.
    #[arg(allow_hyphen_values = true)]
    id: String,
    /// The cluster's number of slots, from 1.
    #[arg(long, short = 'k', value_name = "K")]
    slots: NonZeroU32,
}

impl ShardArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let slot = shard(&self.id, self.slots.get())
            .ok_or_else(|| anyhow::anyhow!("--slots 0: accepted is 1 to {}", u32::MAX))?;
        super::print(&format!("{slot}\n"))
    }
}
