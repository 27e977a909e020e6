//! The service `auth`: which session of your own site belongs to which user.

use serde_json::Value;

use super::method::{Arguments, Call, Kind, Method, Parameter, Type, result, wrong};
use super::page::{PAGE, Page};
use super::shape::Shape;
use crate::management::Management;
use crate::management::role::Role;
use crate::portal::SESSION_ID_BYTES_MAX;
use turntable_core::packet::ErrorBody;

const USER: Parameter = Parameter::new("userId", Type::User);
const SESSION: Parameter = Parameter::hidden("sessionId", Type::Text);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "set",
        description: "The session of your site with this sessionId is the user's from now on; the one before is replaced.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[USER, SESSION],
        run: set,
    },
    Method {
        name: "check",
        description: "The user that a session of your site belongs to, or null.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Nullable(&Shape::Text),
        parameters: &[SESSION],
        run: check,
    },
    Method {
        name: "remove",
        description: "Removes the user's entry and ends all sessions of the user. Returns whether there was one.",
        role: Role::Operate,
        kind: Kind::Change,
        result: Shape::Boolean,
        parameters: &[USER],
        run: remove,
    },
    Method {
        name: "listAll",
        description: "The users with an entry.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Page("users", &Shape::List(&Shape::Text)),
        parameters: PAGE,
        run: list_all,
    },
];

fn session_id(arguments: &mut Arguments) -> Result<String, ErrorBody> {
    let text = arguments.text()?;
    match text.len() {
        1..=SESSION_ID_BYTES_MAX => Ok(text),
        _ => Err(wrong(format!(
            "a sessionId has 1 to {SESSION_ID_BYTES_MAX} bytes"
        ))),
    }
}

fn set(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let (user, session_id) = (arguments.user()?, session_id(&mut arguments)?);
        let call = arguments.operator_call(None);
        let set = management.shared.set_session(&user, &session_id, call);
        set.await?;
        result(true)
    })
}

fn check(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let session_id = session_id(&mut arguments)?;
        let user = management.shared.portal.session_user(&session_id);
        result(user.map_or(Value::Null, |user| user.as_str().into()))
    })
}

fn remove(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.user()?;
        let call = arguments.operator_call(None);
        result(management.shared.remove_session(&user, call).await?)
    })
}

fn list_all(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let page = Page::take(&mut arguments, management.list_max)?;
        let users = management.shared.portal.session_users();
        page.list("users", users.iter().map(|user| user.as_str().to_owned()))
    })
}
