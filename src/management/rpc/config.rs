//! The service `config`: the configuration, its layers and its versions.

use std::sync::Arc;

use actix_web::web;
use serde::Serialize;
use serde_json::{Map, Value};

use super::method::{Answer, Arguments, Call, Kind, Method, Parameter, Type, result, wrong};
use super::shape::{Field, Shape};
use crate::management::Management;
use crate::management::configuration::{Configuration, Proposal};
use crate::management::role::Role;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// A list of texts.
const TEXTS: Shape = Shape::List(&Shape::Text);

/// Keys with other values.
const CHANGED: Shape = Shape::List(&Shape::Object(&[
    Field::new("key", Shape::Text),
    Field::new("from", Shape::Any),
    Field::new("to", Shape::Any),
    Field::new("layer", Shape::Text),
    Field::new("restart", Shape::Boolean),
]));

/// What would change.
const PREVIEW: Shape = Shape::Object(&[
    Field::new("changed", CHANGED),
    Field::new("restart", TEXTS),
    Field::new("warnings", TEXTS),
]);

/// What was put in force.
const APPLIED: Shape = Shape::Object(&[
    Field::new("version", Shape::Count),
    Field::new("changed", CHANGED),
    Field::new("restart", TEXTS),
    Field::new("warnings", TEXTS),
]);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "get",
        description: "Every key with its value, its layer (default, file, environment, api), the place in that layer, and whether a change needs a restart. Secrets are hidden.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Object(&[
            Field::new("version", Shape::Count),
            Field::new(
                "settings",
                Shape::Map(&Shape::Object(&[
                    Field::new("value", Shape::Any),
                    Field::new("layer", Shape::Text),
                    Field::optional("origin", Shape::Text),
                    Field::new("restart", Shape::Boolean),
                ])),
            ),
        ]),
        parameters: &[],
        run: get,
    },
    Method {
        name: "check",
        description: "What would change: config is an object of keys as config.set takes it, or the whole content of a file as a string. Nothing is changed.",
        // It reads the files that the configuration names.
        role: Role::Admin,
        kind: Kind::Look,
        result: PREVIEW,
        parameters: &[Parameter::new("config", Type::Any)],
        run: check,
    },
    Method {
        name: "set",
        description: "Sets keys above the file and the environment, all or none; null removes a key that was set so. With version only if that one is in force. Returns what changed.",
        role: Role::Admin,
        kind: Kind::Change,
        result: APPLIED,
        parameters: &[
            Parameter::new("config", Type::Object),
            Parameter::optional("version", Type::Count),
        ],
        run: set,
    },
    Method {
        name: "reload",
        description: "Reads the configuration file again, and files with keys and schemas. Returns what changed.",
        role: Role::Admin,
        kind: Kind::Change,
        result: APPLIED,
        parameters: &[],
        run: reload,
    },
    Method {
        name: "getHistory",
        description: "The last versions, the newest first: who put each in force, when, how, and what changed.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::List(&Shape::Object(&[
            Field::new("version", Shape::Count),
            Field::new("at_ms", Shape::Count),
            Field::new("by", Shape::Text),
            Field::new("source", Shape::Text),
            Field::optional("of", Shape::Count),
            Field::new("changed", CHANGED),
        ])),
        parameters: &[],
        run: get_history,
    },
    Method {
        name: "rollback",
        description: "Puts the file and the keys of an earlier version in force again, as a new version. The file itself is not written. With expected only if that version is in force. Returns what changed.",
        role: Role::Admin,
        kind: Kind::Change,
        result: APPLIED,
        parameters: &[
            Parameter::new("version", Type::Count),
            Parameter::optional("expected", Type::Count),
        ],
        run: rollback,
    },
    Method {
        name: "checkRollback",
        description: "What a rollback to an earlier version would change. Nothing is changed.",
        role: Role::Admin,
        kind: Kind::Look,
        result: PREVIEW,
        parameters: &[Parameter::new("version", Type::Count)],
        run: check_rollback,
    },
    Method {
        name: "getStatus",
        description: "The version in force, where it comes from, what waits for a restart, and what was refused last: a configuration, and files of certificates.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Object(&[
            Field::new("version", Shape::Count),
            Field::new("at_ms", Shape::Count),
            Field::new("by", Shape::Text),
            Field::new("source", Shape::Text),
            Field::new("file", Shape::Nullable(&Shape::Text)),
            Field::new("file_differs", Shape::Boolean),
            Field::new("is_watched", Shape::Boolean),
            Field::new("is_stored", Shape::Boolean),
            Field::new("restart", TEXTS),
            Field::new(
                "refused",
                Shape::Nullable(&Shape::Object(&[
                    Field::new("at_ms", Shape::Count),
                    Field::new("source", Shape::Text),
                    Field::new("message", Shape::Text),
                ])),
            ),
            Field::new(
                "certificates_refused",
                Shape::List(&Shape::Object(&[
                    Field::new("at_ms", Shape::Count),
                    Field::new("key", Shape::Text),
                    Field::new("file", Shape::Text),
                    Field::new("message", Shape::Text),
                ])),
            ),
            Field::new("warnings", TEXTS),
        ]),
        parameters: &[],
        run: get_status,
    },
];

/// Does something with the configuration on a thread that may wait for files.
async fn on_thread<T: Serialize + Send + 'static>(
    management: &Management,
    work: impl FnOnce(&dyn Configuration) -> Result<T, ErrorBody> + Send + 'static,
) -> Answer {
    let configuration: Arc<dyn Configuration> = management.configuration.clone();
    let done = web::block(move || work(&*configuration)).await;
    result(done.map_err(|_| ErrorBody::new(ErrorCode::Internal, "the call was given up"))??)
}

/// The keys of an argument.
fn keys(fields: Vec<(Box<str>, Payload)>) -> Result<Map<String, Value>, ErrorBody> {
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| Ok((name.into(), read(&value)?)))
        .collect()
}

fn read(value: &Payload) -> Result<Value, ErrorBody> {
    let value = serde_json::from_str(value.as_json());
    value.map_err(|error| wrong(format!("config: {error}")))
}

fn get(management: &Management, _: Arguments) -> Call<'_> {
    Box::pin(on_thread(management, |config| Ok(config.get())))
}

fn check(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let proposal = match read(&arguments.value()?)? {
            Value::Object(keys) => Proposal::Keys(keys),
            Value::String(file) => Proposal::File(file),
            _ => {
                let message = "config must be an object of keys, or the content of a file";
                return Err(wrong(message));
            }
        };
        on_thread(management, move |config| config.check(&proposal)).await
    })
}

fn set(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let by = arguments.caller();
        let (keys, version) = (keys(arguments.object()?)?, arguments.optional_count()?);
        on_thread(management, move |config| config.set(&keys, version, &by)).await
    })
}

fn reload(management: &Management, arguments: Arguments) -> Call<'_> {
    let by = arguments.caller();
    Box::pin(on_thread(management, move |config| config.reload(&by)))
}

fn get_history(management: &Management, _: Arguments) -> Call<'_> {
    Box::pin(on_thread(management, |config| Ok(config.history())))
}

fn rollback(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let by = arguments.caller();
        let (version, expected) = (arguments.count()?, arguments.optional_count()?);
        on_thread(management, move |config| {
            config.rollback(version, expected, &by)
        })
        .await
    })
}

fn check_rollback(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let version = arguments.count()?;
        on_thread(management, move |config| config.check_rollback(version)).await
    })
}

fn get_status(management: &Management, _: Arguments) -> Call<'_> {
    Box::pin(on_thread(management, |config| Ok(config.status())))
}
