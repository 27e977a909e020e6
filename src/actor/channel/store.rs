//! A channel whose history outlives the process: loaded before anything else is done,
//! each change written behind.

use actix::{AsyncContext, Context, Handler, Message};

use super::Channel;
use crate::clock;
use crate::cluster::mailbox::Awaited;
use crate::store::LoadedChannel;
use crate::store::channel::ChannelChange;
use turntable_core::call::ChannelCall;
use turntable_core::frame::SharedFrame;

/// What waits until the history is loaded.
#[derive(Debug, Default)]
pub(super) struct Loading {
    deferred: Vec<ChannelCall>,
    /// Whether the gateways have announced what they have meanwhile.
    is_recovered: bool,
}

/// The store has the channel.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Loaded(LoadedChannel, Awaited);

impl Channel {
    /// Loads what is stored of the channel, where it is to be.
    pub(super) fn load(&mut self, ctx: &mut Context<Self>) {
        if !self.is_stored {
            return;
        }
        self.loading = Some(Box::default());
        let address = ctx.address();
        let awaited = self.shared.mailboxes.await_answer();
        let load = Box::new(move |loaded| address.do_send(Loaded(loaded, awaited)));
        self.shared.store.load_channel(&self.id, load);
    }

    /// Holds a call back while the channel is loading.
    pub(super) fn hold(&mut self, call: ChannelCall) -> Option<ChannelCall> {
        match &mut self.loading {
            Some(loading) => {
                loading.deferred.push(call);
                None
            }
            None => Some(call),
        }
    }

    /// Whether the gateways' announcements have to wait, too.
    pub(super) fn hold_recovered(&mut self) -> bool {
        match &mut self.loading {
            Some(loading) => {
                loading.is_recovered = true;
                true
            }
            None => false,
        }
    }

    /// What is stored of the channel is not its past.
    pub(super) fn begin_stored(&mut self) {
        self.stored_first = 1;
        self.shared
            .store
            .save_channel(&self.id, ChannelChange::Begin);
    }

    /// Stores the message that was published last.
    pub(super) fn store(&mut self, frame: &SharedFrame, at_ms: u64) {
        if !self.is_stored {
            return;
        }
        self.stored_first = self.model.first_retained();
        let retained_ms = self.retention.age_ms.max(self.retention.last_value_ms);
        let change = ChannelChange::Message {
            epoch: self.model.epoch().into(),
            offset: self.model.offset(),
            at_ms,
            until_ms: at_ms.saturating_add(retained_ms),
            frame: frame.clone(),
            first: self.stored_first,
        };
        self.shared.store.save_channel(&self.id, change);
    }

    /// Removes from the store what is not retained any more.
    pub(super) fn trim_stored(&mut self) {
        let first = self.model.first_retained();
        if self.is_stored && first != self.stored_first {
            self.stored_first = first;
            let change = ChannelChange::Trim { first };
            self.shared.store.save_channel(&self.id, change);
        }
    }
}

impl Handler<Loaded> for Channel {
    type Result = ();

    fn handle(&mut self, Loaded(loaded, _awaited): Loaded, ctx: &mut Self::Context) {
        let loading = self.loading.take().unwrap_or_default();
        match loaded {
            Ok(Some(stored)) => {
                // After a fault nobody knows whether the last message was sent.
                let is_same = stored.is_whole && !self.is_recovering;
                let epoch = is_same.then_some(stored.epoch);
                self.model
                    .continue_with(epoch, stored.offset, stored.messages);
                self.stored_first = self.model.first_retained();
                if !is_same {
                    // Else it would be yet another one after the next stop.
                    let epoch = self.model.epoch().into();
                    let change = ChannelChange::Renew { epoch };
                    self.shared.store.save_channel(&self.id, change);
                }
                self.model.expire(&self.retention, clock::now_ms());
            }
            Ok(None) | Err(_) => self.begin_stored(),
        }
        for call in loading.deferred {
            self.step(call);
        }
        if loading.is_recovered {
            self.recovered();
        }
        self.after(ctx);
    }
}
