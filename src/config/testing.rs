//! What unit tests of the configuration share.

use crate::config::load;

/// What is wrong with the text of a configuration; nothing where it is accepted.
pub(super) fn problems(text: &str) -> String {
    let composed = load::compose(Some(("c.toml", text)), &[], &|_| unreachable!());
    composed.map_or_else(|error| error.to_string(), |_| String::new())
}
