//! Messages that several sessions retain.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::gateway::testing::begin_as;
use turntable_core::frame::SharedFrame;
use turntable_core::id::MessageId;

#[test]
fn message_of_many_sessions_is_once_in_a_value_and_shared_again() {
    let owners = Arc::new(Noted::default());
    let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
    let packet = |text: &str| {
        let error = ErrorBody::new(ErrorCode::Forbidden, text.repeat(100));
        ServerPacket::Error(Box::new(error))
    };
    let v1 = Frame::message(&packet("all"), None);
    let v1 = v1.as_message().unwrap().v1().clone();
    let sent = Frame::shared(SharedFrame::new(v1, MessageId::from(7)));
    let slots = [7, 8].map(|number| {
        let slot = begin_as(&mut from, number);
        let outbox = &mut entry(&mut from, slot).session.outbox;
        outbox.push(sent.clone());
        outbox.push(Frame::message(&packet("one"), None));
        outbox.push(published(1));
        slot
    });
    let collected = RefCell::default();
    let exports = slots.map(|slot| from.export_with(slot, Some(&collected)).unwrap());
    let texts = collected.into_inner().into_texts();
    assert_eq!(texts, [sent.as_message().unwrap().text().into()]);
    for export in &exports {
        let [shared, rest @ ..] = &export.session.outbox.messages[..] else {
            unreachable!("three messages");
        };
        assert_eq!(&**shared, "#0");
        assert!(rest.iter().all(|text| text.starts_with('{')));
    }
    // A reference without a text is no message.
    let [export, _] = exports.clone();
    let alone = into.import_session(export);
    assert_eq!(alone, Err(ImportError::Message));

    let mut shared = SharedTexts::of(texts);
    let restored = exports.map(|export| {
        let slot = into.restore_session(export, &mut shared).unwrap();
        let outbox = &entry(&mut into, slot).session.outbox;
        let frames: Vec<Frame> = outbox.retained().chain(outbox.waiting()).cloned().collect();
        frames
    });
    let first = restored.each_ref().map(|frames| match frames.first() {
        Some(Frame::Message(message)) => message.clone(),
        other => unreachable!("{other:?}"),
    });
    let [one, other] = &first;
    assert!(Rc::ptr_eq(one, other));
    assert_eq!(one.text(), sent.as_message().unwrap().text());
    assert_eq!(one.used_id(), sent.as_message().unwrap().used_id());
}

#[test]
fn shared_texts_that_are_no_messages_are_refused() {
    let mut shared = SharedTexts::of(vec![
        "no message".into(),
        "{\"command\":\"a\",\"data\":1}".into(),
    ]);
    for reference in ["#0", "#2", "#", "#-1", "#1x", "#18446744073709551616"] {
        assert!(shared.frame(reference, None).is_none(), "{reference}");
    }
    assert!(shared.frame("#1", None).is_some());
}
