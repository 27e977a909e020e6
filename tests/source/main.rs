//! The repository: layers, style, tables that exist more than once, the fuzz
//! corpus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod dashboard;
mod fuzz_corpus;
mod layering;
mod logging;
mod style;
mod table;
mod words;
