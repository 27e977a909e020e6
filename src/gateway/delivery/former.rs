//! Deliveries that were on their way when `authenticate` made a session another user.
//!
//! Owners address them to the place that the session had as the user before. What was for
//! that user is dropped. Answers to commands are not: their client still waits for them.

use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use turntable_core::key::Place;
use turntable_core::packet::{ErrorBody, RequestId};
use turntable_core::reason::ErrorCode;

impl Gateway {
    /// The answer to a command of the user that a session was before; nothing else is
    /// passed on. A join is answered that the session has left again.
    pub(super) fn answer_former(&mut self, to: Place, id: Option<RequestId>, frame: Frame) {
        let (Some(session), Some(id)) = (self.sessions.at_place(to), id) else {
            return;
        };
        let Some(command) = self.pending.take_command(session, &id) else {
            return;
        };
        match command {
            "joingame" | "joinchannel" => {
                let message = "the session became another user and has left what it joined";
                let error = ErrorBody::new(ErrorCode::Conflict, message).of(command);
                self.send_error(session, error, Some(id));
            }
            _ => self.send_frame(session, frame, Some(&id)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::session::pending::Awaited;
    use crate::gateway::testing::{Noted, begin, entry, gateway, path, user};
    use crate::portal::checker::Identity;
    use turntable_core::backup::{AvatarBackup, Backup};
    use turntable_core::delivery::{Delivery, Topic};
    use turntable_core::frame::SharedFrame;
    use turntable_core::id::MessageId;
    use turntable_core::key::SessionSlot;

    fn frame() -> SharedFrame {
        SharedFrame::new(b"\x81\x02{}".as_slice().into(), MessageId::from(1))
    }

    /// A session that became another user, and its places before and after.
    fn changed(gateway: &mut Gateway) -> (SessionSlot, Place, Place) {
        let session = begin(gateway);
        let place = |gateway: &Gateway| gateway.sessions.caller(session).unwrap().place;
        let before = place(gateway);
        entry(gateway, session).session.is_provisional = true;
        let identity = Identity::new(user("1:2"));
        gateway.renewed(session, Ok(identity), None);
        assert_eq!(entry(gateway, session).session.user, user("1:2"));
        (session, before, place(gateway))
    }

    #[test]
    fn session_that_changed_twice_gets_the_answers_of_all_its_users() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let (session, first, second) = changed(&mut gateway);
        entry(&mut gateway, session).session.is_provisional = true;
        gateway.renewed(session, Ok(Identity::new(user("1:3"))), None);
        assert_eq!(entry(&mut gateway, session).session.user, user("1:3"));
        for (number, to) in [first, second].into_iter().enumerate() {
            let id = RequestId(number.to_string().into());
            gateway.await_answer(Awaited::answer(session, "publish", id.clone()));
            let count = messages(&mut gateway, session);
            gateway.deliver(Delivery::Send {
                to,
                frame: frame(),
                id: Some(id),
            });
            assert_eq!(messages(&mut gateway, session), count + 1);
        }
        // What is no answer is for the users before.
        let count = messages(&mut gateway, session);
        gateway.deliver(Delivery::Send {
            to: second,
            frame: frame(),
            id: None,
        });
        assert_eq!(messages(&mut gateway, session), count);
    }

    fn messages(gateway: &mut Gateway, session: SessionSlot) -> u64 {
        entry(gateway, session).session.outbox.numbered()
    }

    #[test]
    fn what_was_for_the_user_before_is_dropped() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let (session, before, after) = changed(&mut gateway);
        let (count, room) = (messages(&mut gateway, session), Topic::Room(path("r")));
        let send = |to| Delivery::Send {
            to,
            frame: frame(),
            id: None,
        };
        let late = [
            send(before),
            Delivery::Enter {
                to: before,
                topic: room.clone(),
            },
            Delivery::Backup {
                to: before,
                backup: Backup::Avatar(AvatarBackup {
                    is_hidden: true,
                    ..AvatarBackup::default()
                }),
            },
            Delivery::End {
                to: before,
                is_replaced: true,
            },
        ];
        for delivery in late {
            gateway.deliver(delivery);
            gateway.run();
        }
        assert_eq!(messages(&mut gateway, session), count);
        let topics = &gateway.subscriptions.topics;
        assert!(topics.subscribers(&room).is_empty());
        assert!(entry(&mut gateway, session).backups.is_none());
        gateway.deliver(send(after));
        assert_eq!(messages(&mut gateway, session), count + 1);
    }

    #[test]
    fn answers_to_commands_arrive_and_joins_are_refused() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let (session, to, _) = changed(&mut gateway);
        let count = messages(&mut gateway, session);
        for (number, command) in ["publish", "joingame"].into_iter().enumerate() {
            let id = RequestId(number.to_string().into());
            gateway.await_answer(Awaited::answer(session, command, id.clone()));
            for _ in 0..2 {
                gateway.deliver(Delivery::Send {
                    to,
                    frame: frame(),
                    id: Some(id.clone()),
                });
            }
            // The second one is none.
            assert_eq!(messages(&mut gateway, session), count + 1 + number as u64);
        }
        let outbox = &entry(&mut gateway, session).session.outbox;
        let last = outbox.waiting().last().unwrap();
        let text = last.as_message().unwrap().text().to_owned();
        assert!(text.contains("conflict"), "{text}");
    }
}
