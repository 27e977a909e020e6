use proptest::prelude::*;

use super::*;
use crate::key::{NodeId, WorkerId};
use crate::packet::{MemberChange, MemberUpdate};

const NOW: u64 = 1_732_000_000_000;
const GRACE: u64 = 5_000;
const RATES: PublishRates = PublishRates {
    bytes: BucketSettings::new(1_000, 10_000),
    messages: BucketSettings::new(0, 1),
};
const RETENTION: Retention = Retention {
    messages_max: 4,
    age_ms: 5_000,
    bytes_max: 10_000,
    last_value_ms: 0,
};

fn channel() -> Channel {
    Channel::new(ChannelId::parse("chat").unwrap(), "e1")
}

fn since(epoch: &str, offset: u64) -> Past {
    Past {
        since: Some(Position {
            epoch: epoch.into(),
            offset,
        }),
        history: 0,
    }
}

fn publish(
    channel: &mut Channel,
    data: &str,
    now_ms: u64,
) -> Result<(ServerPacket, ReplyData), ErrorBody> {
    let from = UserId::parse("1:1").ok();
    let data = Payload::from_json(data);
    channel.publish(MessageId::nil(), from, data, &RATES, now_ms)
}

#[test]
fn bytes_over_the_rate_are_refused_and_take_no_offset() {
    let mut channel = channel();
    let data = format!("\"{}\"", "x".repeat(6_000));
    publish(&mut channel, &data, NOW).unwrap();
    let error = publish(&mut channel, &data, NOW).unwrap_err();
    assert_eq!(error.code, ErrorCode::RateLimited);
    assert_eq!(error.limit, Some(Limit::ChannelBytes));
    let retry_ms = error.detail("retry_ms").unwrap();
    assert!((2_000..3_000).contains(&retry_ms), "{retry_ms}");
    assert_eq!(channel.offset(), 1);
    publish(&mut channel, "1", NOW).unwrap();
    publish(&mut channel, &data, NOW + retry_ms + 200).unwrap();
    assert_eq!(channel.offset(), 3);
}

#[test]
fn default_rate_leaves_room_for_the_reader() {
    let rate = crate::model::settings::ChannelSettings::default().bytes;
    let outbox = crate::session::settings::SessionSettings::default().outbox_bytes_max;
    assert!(u64::from(rate.per_second) * 8 < 10_000_000, "10 Mbit/s");
    assert!(rate.burst as usize <= outbox / 2);
    // One sender alone cannot take what the others need.
    let own = crate::session::settings::LimitSettings::default().bytes;
    assert!(own.per_second <= rate.per_second / 2 && own.burst <= rate.burst / 2);
}

#[test]
fn offsets_count_from_one_and_prove_that_nothing_was_missed() {
    let mut channel = channel();
    let recovered = |channel: &mut Channel, epoch: &str, offset| {
        let none = Retention::default();
        let joined = channel.join(&since(epoch, offset), false, &none, NOW);
        assert!(joined.messages.is_empty());
        joined.recovered
    };
    assert!(recovered(&mut channel, "e1", 0));
    for expected in 1..=3 {
        let has_epoch = expected == 1;
        let (packet, _) = publish(&mut channel, "{}", NOW).unwrap();
        let ServerPacket::Message(message) = packet else {
            unreachable!("a publication is a message");
        };
        assert_eq!(message.offset, expected);
        assert_eq!(message.epoch.as_deref(), has_epoch.then_some("e1"));
    }
    assert!(recovered(&mut channel, "e1", 3));
    assert!(!recovered(&mut channel, "e1", 2));
    assert!(!recovered(&mut channel, "e0", 3));
    let joined = channel.join(&Past::default(), false, &Retention::default(), NOW);
    assert!(!joined.recovered);
}

/// Publishes and retains; the frame is the offset as text.
fn retain(channel: &mut Channel, retention: &Retention, now_ms: u64) -> u64 {
    publish(channel, "1", now_ms).unwrap();
    let offset = channel.offset();
    let text = offset.to_string();
    let frame = [&[0x81, text.len() as u8], text.as_bytes()].concat();
    let id = MessageId::from(u128::from(offset));
    let frame = SharedFrame::new(frame.into(), id);
    channel.retain(&frame, retention, usize::MAX, now_ms);
    offset
}

fn offsets(joined: &Joined) -> Vec<u64> {
    let offset = |frame: &SharedFrame| frame.text().parse().unwrap();
    joined.messages.iter().map(offset).collect()
}

#[test]
fn missed_messages_are_given_if_all_are_there() {
    let mut channel = channel();
    for _ in 0..6 {
        retain(&mut channel, &RETENTION, NOW);
    }
    let mut join = |past: Past, subpaths| {
        let joined = channel.join(&past, subpaths, &RETENTION, NOW);
        (joined.recovered, offsets(&joined))
    };
    assert_eq!(join(since("e1", 6), false), (true, vec![]));
    assert_eq!(join(since("e1", 2), false), (true, vec![3, 4, 5, 6]));
    assert_eq!(join(since("e1", 1), false), (false, vec![]));
    assert_eq!(join(since("e1", 7), false), (false, vec![]));
    assert_eq!(join(since("e0", 5), false), (false, vec![]));
    let with = |past: Past, history| Past { history, ..past };
    assert_eq!(join(with(since("e1", 4), 1), false), (true, vec![5, 6]));
    assert_eq!(join(with(since("e1", 1), 2), false), (false, vec![5, 6]));
    assert_eq!(
        join(with(Past::default(), 9), false),
        (false, vec![3, 4, 5, 6])
    );
    // The paths below are not known to be whole.
    assert_eq!(join(since("e1", 6), true), (false, vec![]));
    assert_eq!(join(with(since("e1", 4), 1), true), (false, vec![6]));
}

#[test]
fn the_last_value_is_given_to_those_who_join() {
    let retention = Retention {
        messages_max: 0,
        last_value_ms: 60_000,
        ..RETENTION
    };
    let mut channel = channel();
    for _ in 0..3 {
        retain(&mut channel, &retention, NOW);
    }
    let mut join = |past: &Past, now_ms| {
        let joined = channel.join(past, false, &retention, now_ms);
        (joined.recovered, offsets(&joined))
    };
    assert_eq!(join(&Past::default(), NOW), (false, vec![3]));
    assert_eq!(join(&since("e1", 1), NOW), (false, vec![3]));
    assert_eq!(join(&since("e1", 2), NOW), (true, vec![3]));
    assert_eq!(join(&since("e1", 3), NOW), (true, vec![]));
    assert_eq!(join(&Past::default(), NOW + 60_000), (false, vec![]));
}

#[test]
fn messages_over_the_rate_take_no_bytes_and_the_other_way_round() {
    let rates = PublishRates {
        bytes: BucketSettings::new(1_000, 1_000),
        messages: BucketSettings::new(1, 2),
    };
    let mut channel = channel();
    let mut publish = |bytes: usize| {
        let data = Payload::from_json(&format!("\"{}\"", "x".repeat(bytes)));
        let from = UserId::parse("1:1").unwrap();
        let answer = channel.publish(MessageId::nil(), Some(from), data, &rates, NOW);
        answer.map_err(|error| error.limit.unwrap()).map(|_| ())
    };
    assert_eq!(publish(300), Ok(()));
    assert_eq!(publish(900), Err(Limit::ChannelBytes));
    assert_eq!(publish(300), Ok(()));
    assert_eq!(publish(0), Err(Limit::ChannelRate));
}

#[test]
fn change_that_a_new_listener_was_listed_is_sent_when_it_is_undone() {
    let mut channel = channel();
    channel.show_members(Some(100));
    let listener = |number: u64| Listener {
        user: UserId::parse(&format!("1:{number}")).unwrap(),
        dropped_ms: None,
        is_hidden: false,
    };
    let key = SessionKey::from_number;
    let join = |channel: &mut Channel, number: u64| {
        let members = channel.members.as_mut().unwrap();
        members.join(key(number), listener(number), NOW, GRACE);
    };
    // Until changes have to wait.
    let mut number = 0;
    loop {
        number += 1;
        join(&mut channel, number);
        if channel.member_change(NOW).is_none() {
            break;
        }
    }
    // One more listener is sent them in a list; the others are not.
    channel.join(&Past::default(), false, &RETENTION, NOW);
    channel.members.as_mut().unwrap().leave(key(number), NOW);
    let due_ms = channel.members.as_ref().unwrap().next_deadline_ms();
    let due_ms = due_ms.unwrap();
    let Some(ServerPacket::ChannelMembers { members, .. }) = channel.member_change(due_ms) else {
        panic!("the new listener still has it in its list");
    };
    let left = (listener(number).user, MemberChange::Left);
    assert_eq!(members, MemberUpdate::Names(vec![left]));
    // That is sent: the next one is undone before it is.
    let members = channel.members.as_mut().unwrap();
    members.join(key(number), listener(number), due_ms, GRACE);
    members.leave(key(number), due_ms);
    assert_eq!(channel.member_change(due_ms + 10_000), None);
}

#[test]
fn a_message_that_is_not_heard_has_a_life_of_its_own() {
    let [one, other] = [1_u128, 2].map(|number| Channel::unheard(MessageId::from(number)));
    let place = |reply| match reply {
        ReplyData::Published { offset, epoch, .. } => Position { epoch, offset },
        _ => Position {
            epoch: "".into(),
            offset: 0,
        },
    };
    let [one, other] = [one, other].map(place);
    assert_eq!((one.offset, other.offset), (1, 1));
    assert_ne!(one.epoch, other.epoch);
    // A later life proves nothing about it.
    let past = Past {
        since: Some(one),
        history: 0,
    };
    let joined = channel().join(&past, false, &RETENTION, NOW);
    assert!(!joined.recovered);
}

proptest! {
    #[test]
    fn a_restored_channel_behaves_alike(
        before in 0..50u64,
        after in prop::collection::vec(prop::option::of(0..60u64), 1..20),
        workers in prop::collection::vec(0..4u16, 0..6),
        shown in prop::collection::vec((0..20u64, any::<bool>()), 0..30),
        shift_ms in 0..1_000_000_000u64,
    ) {
        let id = ChannelId::parse("chat").unwrap();
        let mut saved = Channel::new(id.clone(), "e1");
        // Of a time of their own, so that both give the same answer.
        let publish = |channel: &mut Channel, now_ms| {
            let answer = publish(channel, &"1".repeat(400), now_ms);
            if answer.is_ok() {
                let frame = SharedFrame::new(
                    b"\x81\x011".as_slice().into(),
                    MessageId::from(u128::from(channel.offset())),
                );
                channel.retain(&frame, &RETENTION, usize::MAX, now_ms);
            }
            answer.map(|(_, reply)| reply)
        };
        for _ in 0..before {
            let _ = publish(&mut saved, NOW);
        }
        for worker in workers {
            saved.interest.add(GatewayId {
                node: NodeId(1),
                boot: 2,
                worker: WorkerId(worker),
            });
        }
        saved.show_members(Some(5));
        for (number, is_hidden) in shown {
            let listener = Listener {
                user: UserId::parse(&format!("1:{}", number / 2)).unwrap(),
                dropped_ms: None,
                is_hidden,
            };
            let members = saved.members.as_mut().unwrap();
            members.join(SessionKey::from_number(number), listener, NOW, GRACE);
        }
        let text = serde_json::to_string(&saved.save(NOW, GRACE)).unwrap();
        let later = NOW + shift_ms;
        let mut restored = Channel::restore(id, serde_json::from_str(&text).unwrap(), later, GRACE, Some(5));
        prop_assert_eq!(restored.save(later, GRACE), saved.save(NOW, GRACE));
        for (step, ms) in after.into_iter().zip((0..).step_by(300)) {
            match step {
                Some(offset) => {
                    let past = since("e1", offset);
                    prop_assert_eq!(
                        restored.join(&past, false, &RETENTION, later + ms),
                        saved.join(&past, false, &RETENTION, NOW + ms)
                    );
                }
                None => prop_assert_eq!(
                    publish(&mut restored, later + ms),
                    publish(&mut saved, NOW + ms)
                ),
            }
        }
    }

    /// A client that leaves and comes back with its position, at random, either gets
    /// every message exactly once, in order, or learns that it missed some.
    #[test]
    fn a_client_that_comes_back_misses_nothing_or_gets_an_error(
        steps in prop::collection::vec((0..6u8, 0..3_000u64), 1..120),
        messages_max in 0..6usize,
        last_value_ms in prop::sample::select(vec![0, 4_000u64]),
        history in 0..4u32,
    ) {
        let retention = Retention { messages_max, last_value_ms, ..RETENTION };
        let (mut channel, mut now_ms, mut life) = (channel(), NOW, 1);
        let mut epoch = "e1".to_owned();
        // What the client has: its epoch, the last offset, and whether it is on.
        let (mut known, mut last, mut is_on) = (epoch.clone(), 0, true);
        for (step, ms) in steps {
            now_ms += ms;
            match step {
                0..=2 => {
                    if publish(&mut channel, "1", now_ms).is_err() {
                        continue;
                    }
                    let offset = channel.offset();
                    let text = format!("{offset}");
                    let frame = [&[0x81, text.len() as u8], text.as_bytes()].concat();
                    let frame = SharedFrame::new(frame.into(), MessageId::nil());
                    channel.retain(&frame, &retention, usize::MAX, now_ms);
                    if is_on {
                        prop_assert_eq!(offset, last + 1);
                        last = offset;
                    }
                }
                3 => is_on = false,
                4 => {
                    let past = Past { history, ..since(&known, last) };
                    let joined = channel.join(&past, false, &retention, now_ms);
                    let got = offsets(&joined);
                    prop_assert!(got.iter().zip(got.iter().skip(1)).all(|(a, b)| *b == a + 1));
                    if joined.recovered {
                        prop_assert_eq!(&known, &epoch);
                        let missed: Vec<u64> = (last + 1..=channel.offset()).collect();
                        prop_assert_eq!(got, missed);
                    } else if let Some(newest) = got.last() {
                        prop_assert_eq!(*newest, channel.offset());
                    }
                    (known, last, is_on) = (epoch.clone(), channel.offset(), true);
                }
                _ => {
                    // The channel is lost and begins another life.
                    life += 1;
                    epoch = format!("e{life}");
                    let id = ChannelId::parse("chat").unwrap();
                    channel = Channel::new(id, epoch.clone());
                    if is_on {
                        (known, last) = (epoch.clone(), 0);
                    }
                }
            }
        }
    }
}
