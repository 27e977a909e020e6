//! `turntable shard`: print the slot of an id, which every client can compute.

use clap::Args;

use turntable_core::id::shard;

#[derive(Debug, Args)]
pub(super) struct ShardArgs {
    /// A user, a channel or any other id; its bytes are used unchanged.
    #[arg(allow_hyphen_values = true)]
    id: String,
    /// The cluster's number of slots, from 1.
    #[arg(long, short = 'k', value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    slots: u32,
}

impl ShardArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let slot = shard(&self.id, self.slots)
            .ok_or_else(|| anyhow::anyhow!("the number of slots must be at least 1"))?;
        super::print(&format!("{slot}\n"))
    }
}
