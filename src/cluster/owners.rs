//! The way from gateways, and from owners, to owners.
//!
//! A call goes to the directory of the shard that its owner's id belongs to. Calls
//! of one sender to one owner arrive in the order in which they were made.

use std::fmt;

use turntable_core::call::{AvatarCall, Call, ChannelCall, RoomCall, ServiceCall};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{GatewayId, Generation, ShardId};

/// Calls to objects: to those of this process by their directories' mailboxes.
pub trait Owners: fmt::Debug + Send + Sync {
    /// Calls an owner, which answers, if at all, by deliveries.
    fn call(&self, call: Call);

    /// The owners of a shard live under that generation from now on.
    fn learn(&self, shard: ShardId, generation: Generation);

    /// How many shards there are, each with a directory.
    fn shards(&self) -> usize;

    /// The shard of an id; `None` where there are no shards. An id keeps it for the
    /// life of the process, and another process may choose another.
    fn shard(&self, id: &str) -> Option<ShardId>;
}

impl dyn Owners {
    /// Calls a user's avatar.
    pub fn avatar(&self, user: &UserId, call: AvatarCall) {
        self.call(Call::Avatar(user.clone(), call));
    }

    /// Calls a room.
    pub fn room(&self, channel: &ChannelId, call: RoomCall) {
        self.call(Call::Room(channel.clone(), call));
    }

    /// Calls a channel.
    pub fn channel(&self, channel: &ChannelId, call: ChannelCall) {
        self.call(Call::Channel(channel.clone(), call));
    }

    /// Calls a service.
    pub fn service(&self, name: &str, call: ServiceCall) {
        self.call(Call::Service(name.into(), call));
    }

    /// Announces to every directory whether `gateway` wants everything below a
    /// path.
    pub fn below(&self, channel: &ChannelId, gateway: GatewayId, wanted: bool) {
        self.call(Call::Below {
            channel: channel.clone(),
            gateway,
            wanted,
        });
    }
}
