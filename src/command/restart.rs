//! `turntable restart`: the method `node/restart` of a server that runs, and what came of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use serde::Deserialize;

use super::call::{URL, token};
use crate::management::client::{CallError, Client};
use turntable_core::payload::Payload;

/// Seconds until the new program has to serve, by default.
const TIMEOUT: u64 = 60;
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// How long an answer may take: while sessions are restored, it waits for ten seconds.
const ANSWER_MAX: Duration = Duration::from_secs(15);

#[derive(Debug, Args)]
pub(super) struct RestartArgs {
    /// Where the management listener is; behind a proxy, with its path.
    #[arg(long, default_value = URL)]
    url: String,
    /// The file with the token. Without one: the variable TURNTABLE_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Seconds until the new program has to serve, with the sessions of the one before. The exit
    /// code is 1 where it does not.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Return when the restart begins.
    #[arg(long)]
    no_wait: bool,
}

/// What is read of the status of a server.
#[derive(Debug, Deserialize)]
struct Status {
    started_ms: Option<u64>,
}

/// Which start of a program an answer is of; a version before this field has none.
fn start_of(answer: &Payload) -> anyhow::Result<Option<u64>> {
    let status: Status = serde_json::from_str(answer.as_json())?;
    Ok(status.started_ms)
}

impl RestartArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let token = token(self.token_file.as_deref())?;
        let timeout = Duration::from_secs(self.timeout);
        let until = Instant::now() + timeout;
        let client = |timeout| Client::at(&self.url, token.as_deref(), timeout);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let none = || Payload::from_json("{}");
        let before = runtime.block_on(client(timeout)?.call("node", "restart", none()))?;
        if self.no_wait {
            return super::print_json(&before);
        }
        let first = start_of(&before)?;
        let mut has_answered = false;
        let mut seen = "the program of before still answers".to_owned();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() && first.is_none() && has_answered {
                eprintln!("note: the server does not say when it started, before and after");
                return super::print_json(&before);
            }
            if left.is_zero() {
                bail!(
                    "the restart began, and after {} s no new program serves: {seen}; its log says why. \
                     If management.listen has changed, ask there",
                    self.timeout
                );
            }
            let asked = client(left.min(ANSWER_MAX))?;
            match runtime.block_on(asked.call("node", "getStatus", none())) {
                Ok(now) if start_of(&now)? != first => {
                    return super::print_json(&now);
                }
                Ok(_) => {
                    has_answered = true;
                    "the program of before still answers".clone_into(&mut seen);
                }
                Err(error) if is_final(&error) => {
                    bail!("the restart began, and the server answers now: {error}");
                }
                Err(error) => {
                    // The program of before may have answered once more before it saved.
                    has_answered = false;
                    seen = error.to_string();
                }
            }
            std::thread::sleep(LOOK.min(left));
        }
    }
}

/// Whether another program answers that this call cannot ask: it has other tokens.
fn is_final(error: &CallError) -> bool {
    matches!(error.status, 401 | 403)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn status_says_which_start_it_is_of() {
        let of = |json| start_of(&Payload::from_json(json)).ok();
        assert_eq!(
            of(r#"{"state": "serving", "started_ms": 7}"#),
            Some(Some(7))
        );
        assert_eq!(of(r#"{"state": "serving"}"#), Some(None));
        assert_eq!(of("7"), None);
    }
}
