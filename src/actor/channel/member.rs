//! Members of a channel: what its sessions do, and what its listeners are sent of it.

use std::time::Duration;

use actix::{AsyncContext, Context};

use super::Channel;
use crate::clock;
use turntable_core::delivery::{Meta, Topic};
use turntable_core::key::{GatewayId, SessionKey};
use turntable_core::model::member::{Listener, Members};
use turntable_core::packet::ServerPacket;

impl Channel {
    /// Changes the members, where they are shown; `step` gets the grace, too.
    pub(super) fn step_members(&mut self, step: impl FnOnce(&mut Members, u64, u64)) {
        let grace_ms = self.shared.settings().presence.grace_ms;
        if let Some(members) = &mut self.model.members {
            step(members, clock::now_ms(), grace_ms);
        }
    }

    /// Sends the listeners what changed.
    pub(super) fn report_members(&mut self) {
        if self.is_recovering {
            return;
        }
        if let Some(packet) = self.model.member_change(clock::now_ms()) {
            self.publish_named(self.model.interest.gateways(), &packet);
        }
    }

    /// Sends a message to the sessions that joined this very path, encoded once.
    pub(super) fn publish_named(&self, gateways: &[GatewayId], packet: &ServerPacket) {
        if gateways.is_empty() {
            return;
        }
        let frame = self.shared.frame(packet, None);
        let meta = Meta {
            offset: None,
            is_exact: true,
        };
        for subpaths in [false, true] {
            let topic = Topic::of_channel(self.id.clone(), subpaths);
            self.shared.bus.publish(gateways, &topic, &frame, meta);
        }
    }

    /// What a gateway has of the channel, where the actor before this one was lost.
    pub(super) fn announced(&mut self, gateway: GatewayId, listeners: Vec<(SessionKey, Listener)>) {
        let is_new = self.model.interest.add(gateway);
        self.step_members(|members, now_ms, grace_ms| {
            for (session, listener) in listeners {
                members.join(session, listener, now_ms, grace_ms);
            }
        });
        if is_new && !self.is_recovering {
            self.begin_anew(&[gateway]);
        }
    }

    /// Sees to it that graces end and changes that wait are sent.
    pub(super) fn wake_for_members(&mut self, ctx: &mut Context<Self>) {
        let members = self.model.members.as_ref();
        let Some(at_ms) = members.and_then(|members| members.next_deadline_ms()) else {
            return;
        };
        if let Some((timer, timer_ms)) = self.members_timer {
            if timer_ms <= at_ms {
                return;
            }
            ctx.cancel_future(timer);
        }
        let wait = Duration::from_millis(at_ms.saturating_sub(clock::now_ms()) + 1);
        let timer = ctx.run_later(wait, |channel, ctx| {
            channel.members_timer = None;
            channel.step_members(|members, now_ms, _| members.advance(now_ms));
            channel.report_members();
            channel.wake_for_members(ctx);
        });
        self.members_timer = Some((timer, at_ms));
    }
}
