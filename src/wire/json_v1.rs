//! v1: messages as JSON text.
