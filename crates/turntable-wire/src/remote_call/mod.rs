//! Remote calls, the encoding of the poll transport (section 4.2 of the protocol):
//! a JSON array of entries up, a JSON array of entries down.
//!
//! An entry is a call `{"f": "service:function", "args", "id"?}` or the answer
//! to one, `{"id", "r"}` or `{"id", "error"}`. The core is the service `$av`:
//! the commands of section 2.1 go up as calls of `$av:COMMAND`, the messages of
//! 2.2 come down as calls of `$av:NAME`. Entries are decoded one by one, so that
//! an invalid one does not affect the others. They are encoded from the v1 text of
//! a message, which all transports share.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{Entry, Limits, decode};
pub use encode::{connected, entry};

/// The service of the core, including the colon.
const CORE: &str = "$av:";
