//! turntable: presence, channels and game rooms for browsers, on actix actors.
//!
//! The modules are layers; each uses only those below it in this list.

pub mod app;

pub mod command;

pub mod config;

pub mod http;

pub mod management;

pub mod operator;

pub mod restart;

pub mod gateway;

pub mod actor;

pub mod portal;

pub mod cluster;

pub mod service;

pub mod store;

pub mod http_client;

pub mod clock;
pub mod log_filter;
pub mod log_limit;
pub mod memory;
pub mod metric;
mod opaque;
mod plain_file;
pub mod slow;
#[cfg(test)]
mod testing;
mod visible;
pub mod watched;
pub mod webhook;
