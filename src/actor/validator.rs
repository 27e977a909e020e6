//! Who may refuse a change of attributes: the rules of `[attributes]`, then the
//! validators of a program that embeds the server.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::actor::ActorSettings;
use crate::clock;
use crate::log_limit::LogLimit;
use turntable_core::id::UserId;
use turntable_core::model::avatar::AttributeChanges;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// A validator may panic at each change.
static PANICKED: LogLimit = LogLimit::new();

/// Who changes an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setter {
    /// A client of the user: by `set`, or with its `idme`.
    Client,
    /// The server: the operator, or the program that embeds it.
    Server,
}

/// A change that is about to be made.
#[derive(Debug, Clone, Copy)]
pub struct AttributeChange<'c> {
    /// The user.
    pub user: &'c UserId,
    /// The name of the attribute.
    pub name: &'c str,
    /// Its new value; `None` removes it.
    pub value: Option<&'c Payload>,
    /// All attributes of the user before the change.
    pub attributes: &'c [(Box<str>, Payload)],
    /// Who changes it.
    pub by: Setter,
}

/// Looks at each change of an attribute before it is made, behind the rules of
/// `[attributes.schema]`, and learns of those that were made. It runs on the user's
/// worker: it must not block.
pub trait AttributeValidator: Send + Sync {
    /// Whether the change may be made. Of a `set` with several changes all are made or
    /// none.
    ///
    /// # Errors
    /// Why not: a sentence, which the setter gets as `details.reason`.
    fn check(&self, change: &AttributeChange<'_>) -> Result<(), String>;

    /// A change was made. The changes of one user come in their order.
    fn changed(&self, _change: &AttributeChange<'_>) {}
}

/// The validators of a program, in their order.
#[derive(Clone, Default)]
pub struct Validators(Arc<[Arc<dyn AttributeValidator>]>);

impl fmt::Debug for Validators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} validators", self.0.len())
    }
}

impl From<Vec<Arc<dyn AttributeValidator>>> for Validators {
    fn from(validators: Vec<Arc<dyn AttributeValidator>>) -> Self {
        Self(validators.into())
    }
}

impl Validators {
    fn check(&self, change: &AttributeChange<'_>) -> Result<(), String> {
        for validator in &*self.0 {
            let outcome = catch_unwind(AssertUnwindSafe(|| validator.check(change)));
            outcome.unwrap_or_else(|_| {
                panicked(change.name);
                Err("its validator failed".to_owned())
            })?;
        }
        Ok(())
    }

    fn changed(&self, change: &AttributeChange<'_>) {
        for validator in &*self.0 {
            if catch_unwind(AssertUnwindSafe(|| validator.changed(change))).is_err() {
                panicked(change.name);
            }
        }
    }
}

fn panicked(name: &str) {
    if let Some(left_out) = PANICKED.admit(clock::now_ms()) {
        log::error!("a validator of the attribute {name:?} panicked{left_out}");
    }
}

/// Tells the validators what was changed.
pub(super) fn changed(
    settings: &ActorSettings,
    user: &UserId,
    attributes: &[(Box<str>, Payload)],
    changed: &AttributeChanges,
    by: Setter,
) {
    for (name, value) in changed {
        settings.validators.changed(&AttributeChange {
            user,
            name,
            value: value.as_ref(),
            attributes,
            by,
        });
    }
}

/// Whether all of these changes may be made.
///
/// # Errors
/// `forbidden` for an attribute of the server, `refused` with the reason.
pub(super) fn check(
    settings: &ActorSettings,
    user: &UserId,
    attributes: &[(Box<str>, Payload)],
    changed: &AttributeChanges,
    by: Setter,
) -> Result<(), ErrorBody> {
    for (name, value) in changed {
        let rule = |value| settings.attribute_rules.check(name, value);
        value.as_ref().map_or(Ok(()), rule).map_err(|reason| {
            let message = format!("the attribute {name} {reason}");
            ErrorBody::new(ErrorCode::Refused, message).refusing(&**name, reason)
        })?;
        let change = AttributeChange {
            user,
            name,
            value: value.as_ref(),
            attributes,
            by,
        };
        settings.validators.check(&change).map_err(|reason| {
            let message = format!("the attribute {name} was refused: {reason}");
            ErrorBody::new(ErrorCode::Refused, message).refusing(&**name, reason)
        })?;
    }
    Ok(())
}

/// The error for a client that sets an attribute of the server.
pub(crate) fn server_only(name: &str) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Forbidden,
        format!("the attribute {name} is set by the server only"),
    )
    .refusing(name, "it is set by the server only")
}
