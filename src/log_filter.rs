//! What the log on standard error has, which can change while the server runs.
//!
//! The binary installs the log at its start. A program that embeds the server has a log of
//! its own, which the section `[log]` does not change.

use std::borrow::Cow;
use std::sync::OnceLock;

use arc_swap::ArcSwap;
use env_logger::{Builder, Env, Logger};
use log::{LevelFilter, Log, Metadata, Record};
use serde::{Deserialize, Serialize};

use crate::slow;
use crate::visible::visible_lines;

/// Without a filter of the configuration or the environment.
const DEFAULT: &str = "info,actix_server=warn";

/// The section `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// What is logged, in the syntax of `RUST_LOG`. Empty: what `RUST_LOG` says.
    pub filter: String,
    /// From how many ms on what takes long is logged; 0: nothing is.
    pub slow_ms: u64,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            filter: String::new(),
            slow_ms: 500,
        }
    }
}

impl LogSettings {
    /// The range of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[("slow_ms", 0, 3_600_000)];

    /// What is wrong with the section.
    ///
    /// # Errors
    /// A sentence, where the filter is none.
    pub fn check(&self) -> Result<(), String> {
        let parsed = env_filter::Builder::new().try_parse(&self.filter).map(drop);
        parsed.map_err(|error| {
            format!("{error}; accepted is the syntax of RUST_LOG, like info,turntable=debug")
        })
    }
}

/// The log of the process.
struct FilteredLog(ArcSwap<Logger>);

static LOG: OnceLock<FilteredLog> = OnceLock::new();

impl Log for FilteredLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.load().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let logger = self.0.load();
        if !logger.matches(record) {
            return;
        }
        // Ids of clients, and what other programs say, may be in any line.
        let text = record.args().to_string();
        match visible_lines(&text) {
            Cow::Borrowed(_) => logger.log(record),
            Cow::Owned(shown) => {
                let mut as_shown = Record::builder();
                as_shown.metadata(record.metadata().clone());
                logger.log(&as_shown.args(format_args!("{shown}")).build());
            }
        }
    }

    fn flush(&self) {
        self.0.load().flush();
    }
}

/// The log with a filter; an empty one is that of the environment.
fn logger(filter: &str) -> Logger {
    let mut builder = match filter {
        "" => Builder::from_env(Env::default().default_filter_or(DEFAULT)),
        filter => {
            let mut builder = Builder::new();
            builder.parse_filters(filter);
            builder
        }
    };
    // It logs as errors what clients send; `http::takeable` logs that and counts it.
    let builder = builder.filter_module("actix_http", LevelFilter::Off);
    builder.build()
}

/// Begins the log of the process.
pub fn begin() {
    let logger = logger("");
    let level = logger.filter();
    let log = LOG.get_or_init(|| FilteredLog(ArcSwap::from_pointee(logger)));
    if log::set_logger(log).is_ok() {
        log::set_max_level(level);
    }
}

/// Puts settings in force, where the log is that of [`begin`].
pub fn apply(settings: &LogSettings) {
    slow::set(settings.slow_ms);
    if let Some(log) = LOG.get() {
        let logger = logger(&settings.filter);
        let level = logger.filter();
        log.0.store(logger.into());
        log::set_max_level(level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_has_the_syntax_of_the_variable() {
        let check = |filter: &str| {
            let settings = LogSettings {
                filter: filter.to_owned(),
                ..LogSettings::default()
            };
            settings.check()
        };
        for filter in [
            "",
            "warn",
            "info,turntable=debug",
            "turntable::portal=trace",
        ] {
            assert_eq!(check(filter), Ok(()), "{filter}");
        }
        for filter in ["turntable=loud", "a=b=c"] {
            assert!(check(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn filter_replaces_the_one_of_the_environment() {
        assert_eq!(logger("warn").filter(), LevelFilter::Warn);
        let debug = logger("error,turntable=debug");
        assert_eq!(debug.filter(), LevelFilter::Debug);
        let of = |target| {
            Metadata::builder()
                .level(log::Level::Error)
                .target(target)
                .build()
        };
        assert!(debug.enabled(&of("other")));
        assert!(!debug.enabled(&of("actix_http::h1")));
    }
}
