//! `turntable call`: call a method of the management listener of a server that runs.

use std::fmt::{Display, Write as _};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, error::ErrorKind};

use crate::config::entry::TOKEN_VARIABLE;
use crate::management::client::Client;
use crate::management::rpc::method::Method;
use crate::management::rpc::{self, SERVICES};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;

/// Where a server has its management listener by default.
pub(super) const URL: &str = "http://127.0.0.1:8181";
/// Seconds that a call may take by default.
const TIMEOUT: u64 = 30;
/// In place of an object: standard input.
const STANDARD_INPUT: &str = "-";

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// The service, as user. Without one, all methods are listed.
    service: Option<String>,
    /// The method, as kick. Without one, those of the service are listed.
    method: Option<String>,
    /// The arguments in the order of the parameters. Values and objects are JSON; a value that
    /// is no JSON is a text. Secrets are better in standard input, with --json -: other users of
    /// the machine see command lines.
    #[arg(allow_negative_numbers = true, conflicts_with = "json")]
    args: Vec<String>,
    /// Named parameters in place of the arguments, as a JSON object; - reads it from standard
    /// input.
    #[arg(long, value_name = "OBJECT")]
    json: Option<String>,
    /// Where the management listener is; behind a proxy, with its path.
    #[arg(long, default_value = URL)]
    url: String,
    /// The file with the token. Without one: the variable TURNTABLE_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Seconds that the call may take.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

impl CallArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (Some(service), Some(name)) = (&self.service, &self.method) else {
            return super::print(&listed(self.service.as_deref())?);
        };
        let arguments = match &self.json {
            Some(object) => read(object)?,
            None => {
                let method = rpc::find(service, name).map_err(usage)?;
                rpc::of_texts(method, &self.args).map_err(usage)?
            }
        };
        let token = token(self.token_file.as_deref())?;
        let timeout = Duration::from_secs(self.timeout);
        let client = Client::at(&self.url, token.as_deref(), timeout)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let arguments = Payload::from_json(&arguments);
        let result = runtime.block_on(client.call(service, name, arguments))?;
        super::print_json(&result)
    }
}

/// A command line that fits no method: exit code 2.
fn wrong(message: impl Display) -> clap::Error {
    let mut all = super::Cli::command();
    // Its usage is shown, not that of the whole program.
    all.build();
    let call = all.find_subcommand("call").cloned();
    call.unwrap_or(all).error(ErrorKind::InvalidValue, message)
}

fn usage(error: ErrorBody) -> clap::Error {
    wrong(error.message)
}

fn read(object: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    match object {
        STANDARD_INPUT => {
            std::io::stdin()
                .read_to_string(&mut text)
                .context("standard input cannot be read")?;
        }
        object => object.clone_into(&mut text),
    }
    let parsed = serde_json::from_str::<serde_json::Value>(&text);
    if !parsed.is_ok_and(|value| value.is_object()) {
        return Err(wrong("--json takes a JSON object of named parameters").into());
    }
    Ok(text)
}

/// The token, which is never on the command line.
pub(super) fn token(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let text = match file {
        Some(file) => Some(
            std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?,
        ),
        None => std::env::var(TOKEN_VARIABLE).ok(),
    };
    let text = text.map(|text| text.trim().to_owned());
    Ok(text.filter(|text| !text.is_empty()))
}

/// The methods of a service, or of all, with their parameters.
fn listed(service: Option<&str>) -> Result<String, clap::Error> {
    let mut text = String::new();
    let wanted = SERVICES
        .iter()
        .filter(|(name, _)| service.is_none_or(|service| service == *name));
    for (name, methods) in wanted {
        for method in *methods {
            let _ = writeln!(text, "{name} {}", form(method));
            let _ = writeln!(text, "    {} ({})", method.description, method.role.name());
        }
    }
    match text.is_empty() {
        false => Ok(text),
        true => {
            let names: Vec<&str> = SERVICES.iter().map(|(name, _)| *name).collect();
            let message = format!("there is no such service; there are {}", names.join(", "));
            Err(wrong(message))
        }
    }
}

/// A method with its parameters: `ban userId seconds [reason]`.
fn form(method: &Method) -> String {
    let mut text = method.name.to_owned();
    for parameter in method.parameters {
        let _ = match parameter.is_optional {
            true => write!(text, " [{}]", parameter.name),
            false => write!(text, " {}", parameter.name),
        };
    }
    text
}
