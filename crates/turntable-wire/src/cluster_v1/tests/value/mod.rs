//! Values of every kind, for calls and deliveries.

mod call;
mod delivery;

use std::borrow::Cow;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use turntable_core::address::Address;
use turntable_core::backup::{AvatarBackup, RoomBackup};
use turntable_core::call::{AvatarCall, Call, Stamped};
use turntable_core::delivery::Delivery;
use turntable_core::frame::SharedFrame;
use turntable_core::id::{ChannelId, MessageId, UserId};
use turntable_core::key::{
    Caller, GatewayId, Generation, NodeId, Place, SessionKey, SessionSlot, SlotKey, WorkerId,
};
use turntable_core::limit::Limit;
use turntable_core::model::service::{Instance, Origin, Outcome, ServiceRequest};
use turntable_core::owner::OwnerId;
use turntable_core::packet::{ErrorBody, Reason, Refusal, RequestId, Status};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

pub(super) use call::stamped;
pub(super) use delivery::delivery;

pub(super) const GATEWAY: GatewayId = GatewayId {
    node: NodeId(1),
    boot: 2,
    worker: WorkerId(3),
};

/// The smallest delivery.
pub(super) fn end() -> Delivery {
    let slot = SessionSlot::new(1, 2);
    Delivery::End {
        to: Place {
            gateway: GATEWAY,
            slot,
        },
        is_replaced: false,
    }
}

/// A call to the avatar of a user.
pub(super) fn to_avatar(user: &str) -> Stamped {
    let call = AvatarCall::Watch { gateway: GATEWAY };
    Stamped {
        generation: Generation(7),
        call: Call::Avatar(UserId::parse(user).unwrap(), call),
    }
}

pub(super) fn gateway() -> impl Strategy<Value = GatewayId> + Clone {
    any::<(u16, u32, u16)>().prop_map(|(node, boot, worker)| GatewayId {
        node: NodeId(node),
        boot,
        worker: WorkerId(worker),
    })
}

fn place() -> impl Strategy<Value = Place> + Clone {
    (gateway(), any::<(u32, u32)>()).prop_map(|(gateway, (index, generation))| Place {
        gateway,
        slot: SessionSlot::new(index, generation),
    })
}

fn caller() -> impl Strategy<Value = Caller> + Clone {
    (any::<u64>(), place()).prop_map(|(key, place)| Caller {
        key: SessionKey::from_number(key),
        place,
    })
}

fn user() -> impl Strategy<Value = UserId> + Clone {
    "[A-Za-z0-9_-]{1,8}:[a-zà-ÿ0-9:]{1,12}".prop_map(|text| UserId::parse(&text).unwrap())
}

fn channel() -> impl Strategy<Value = ChannelId> + Clone {
    "[a-zà-ÿ0-9]{1,8}(/[a-z]{1,4}){0,3}".prop_map(|text| ChannelId::parse(&text).unwrap())
}

fn text() -> impl Strategy<Value = Box<str>> + Clone {
    any::<String>().prop_map(Into::into)
}

fn payload() -> impl Strategy<Value = Payload> + Clone {
    prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#"{"a": [1e999, {"b": "\u00e9"}]}"#.to_owned()),
    ]
    .prop_map(|json| Payload::from_json(&json))
}

fn request() -> impl Strategy<Value = Option<RequestId>> + Clone {
    option::of(prop_oneof![
        any::<i64>().prop_map(|number| RequestId(number.to_string().into())),
        "[ -~]{0,20}".prop_map(|text| RequestId(serde_json::to_string(&text).unwrap().into())),
    ])
}

fn number() -> impl Strategy<Value = f64> + Clone {
    use proptest::num::f64;
    f64::NORMAL | f64::ZERO | f64::SUBNORMAL | f64::INFINITE | f64::NEGATIVE | f64::POSITIVE
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Online),
        Just(Status::Idle),
        Just(Status::Busy),
        Just(Status::Invisible),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<(Box<str>, Payload)>> {
    vec((text(), payload()), 0..4)
}

fn avatar_backup() -> impl Strategy<Value = AvatarBackup> {
    let status = option::of(status());
    (status, option::of(payload()), attributes(), any::<bool>()).prop_map(
        |(status, note, attributes, is_hidden)| AvatarBackup {
            status,
            note,
            attributes: Arc::from(attributes),
            is_hidden,
        },
    )
}

fn room_backup() -> impl Strategy<Value = RoomBackup> {
    (text(), option::of(text())).prop_map(|(game, team)| RoomBackup { game, team })
}

fn owner() -> impl Strategy<Value = OwnerId> {
    prop_oneof![
        user().prop_map(OwnerId::Avatar),
        channel().prop_map(OwnerId::Room),
        channel().prop_map(OwnerId::Channel),
        text().prop_map(OwnerId::Service),
    ]
}

fn instance() -> impl Strategy<Value = Instance> {
    prop_oneof![
        caller().prop_map(|caller| Instance::Session(caller.key)),
        Just(Instance::Local),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        payload().prop_map(Ok),
        error().prop_map(|error| Err(*error)),
    ]
}

fn service_request() -> impl Strategy<Value = ServiceRequest> {
    let session = (caller(), request()).prop_map(|(caller, id)| Origin::Session { caller, id });
    let origin = prop_oneof![session, call::requester().prop_map(Origin::Server)];
    let (user, args) = (option::of(user()), option::of(payload()));
    let timeout_ms = option::of(any::<u64>());
    let address = option::of(any::<u64>().prop_map(Address::from_number));
    let request = |(origin, user, address, function, args, timeout_ms)| ServiceRequest {
        origin,
        user,
        address,
        function,
        args,
        timeout_ms,
    };
    (origin, user, address, text(), args, timeout_ms).prop_map(request)
}

fn generation() -> impl Strategy<Value = Generation> {
    any::<u64>().prop_map(Generation)
}

fn error() -> impl Strategy<Value = Box<ErrorBody>> {
    let codes: Vec<ErrorCode> = ErrorCode::ALL.into();
    let name = || any::<String>().prop_map(Cow::from);
    let details = vec((name(), any::<u64>()), 0..3);
    (
        prop::sample::select(codes),
        text(),
        option::of(name()),
        details,
        option::of(prop::sample::select(vec![
            Reason::Expired,
            Reason::Invalid,
            Reason::Revoked,
            Reason::Kicked,
            Reason::Banned,
        ])),
        option::of(prop::sample::select(Vec::from(Limit::ALL))),
        option::of((text(), text())),
    )
        .prop_map(
            |(code, message, command, details, reason, limit, refusal)| {
                Box::new(ErrorBody {
                    code,
                    message,
                    command,
                    details,
                    reason,
                    limit,
                    refusal: refusal.map(|(key, reason)| Box::new(Refusal { key, reason })),
                })
            },
        )
}

fn frame() -> impl Strategy<Value = SharedFrame> {
    let text = prop_oneof![any::<String>(), "[a-z]{120,130}"];
    (text, any::<u128>()).prop_map(|(text, id)| {
        let v1 = crate::frame::text_frame(|out| out.extend_from_slice(text.as_bytes()));
        SharedFrame::new(v1, MessageId::from(id))
    })
}
