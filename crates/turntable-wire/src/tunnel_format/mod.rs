//! The text formats of tunnels (section 4.1 of the protocol).
//!
//! A format is four strftime-like templates (header, envelope, keepalive,
//! footer), a content type and an encoding of inserted values. Templates are
//! parsed and validated once, when the configuration is read; rendering appends to
//! a buffer and cannot fail. A format whose envelope contains no data of its
//! receiver is rendered once for all of them.

mod built_in;
mod encoding;
mod format;
mod template;
#[cfg(test)]
mod tests;

pub use built_in::built_in;
pub use encoding::Encoding;
pub use format::{Format, FormatError, FormatSettings, Opening, is_callback};
pub use template::{Template, TemplateError};
