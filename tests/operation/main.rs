//! The server as an operator sees it: configuration, pages, metrics, shutdown,
//! the load generator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod access;
mod api;
mod apply;
mod audit;
mod bench;
mod config;
mod console;
mod drain;
mod embedder;
mod game;
mod history;
mod management;
mod measure;
mod memory;
mod own_files;
mod packaging;
mod page;
mod reload;
mod reload_load;
mod restart;
mod restart_load;
mod restart_process;
mod restart_state;
mod session;
mod set;
mod shutdown;
mod stuck;
mod tls;
mod trace;
mod transport;
