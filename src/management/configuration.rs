//! The configuration as the operator sees it: what the service `config` shows and changes.
//! The server's own implementation is above this layer (`app/reload.rs`).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use turntable_core::packet::ErrorBody;

/// Where the value of a key comes from; each layer overrides those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The defaults in the binary.
    Default,
    /// The program that embeds the server.
    Program,
    /// The configuration file.
    File,
    /// A variable of the environment.
    Environment,
    /// `config.set`.
    Api,
}

impl Layer {
    /// Its name in answers and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Program => "program",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Api => "api",
        }
    }
}

/// What put a version in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The start of the server.
    Start,
    /// `config.set`.
    Set,
    /// `config.reload`.
    Reload,
    /// SIGHUP.
    Signal,
    /// The file was saved.
    File,
    /// `config.rollback`.
    Rollback,
    /// The program that embeds the server.
    Program,
}

impl Source {
    /// Its name in answers and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Set => "set",
            Self::Reload => "reload",
            Self::Signal => "signal",
            Self::File => "file",
            Self::Rollback => "rollback",
            Self::Program => "program",
        }
    }
}

/// A key whose value differs from the one before. Secrets are hidden.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The path of the key.
    pub key: String,
    /// Its value before; null where there was none.
    pub from: Value,
    /// Its value now; null where there is none.
    pub to: Value,
    /// Where the value comes from now.
    pub layer: Layer,
    /// Whether it takes effect with the next start of the server.
    pub restart: bool,
}

/// A configuration that was put in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Applied {
    /// Its version; the one before where nothing is new.
    pub version: u64,
    /// What it changed.
    pub changed: Vec<Change>,
    /// The keys among them that take effect with the next start.
    pub restart: Vec<String>,
    /// What an operator should know about it.
    pub warnings: Vec<String>,
}

/// What a configuration would change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// What it would change.
    pub changed: Vec<Change>,
    /// The keys among them that would take effect with the next start.
    pub restart: Vec<String>,
    /// What an operator should know about it.
    pub warnings: Vec<String>,
}

/// A version of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Its number; each is one more than the one before.
    pub version: u64,
    /// When it was put in force, Unix ms.
    pub at_ms: u64,
    /// Who did it: the name of a token, `local` without one, `server`, or `program`.
    pub by: String,
    /// How.
    pub source: Source,
    /// The version that it restored, of a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// What it changed.
    pub changed: Vec<Change>,
}

/// A key as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Its value; a secret is hidden.
    pub value: Value,
    /// Where that comes from.
    pub layer: Layer,
    /// The place in that layer: line and column of the file, or the variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Whether a change takes effect with the next start of the server.
    pub restart: bool,
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// Its version.
    pub version: u64,
    /// Every key, by its path.
    pub settings: BTreeMap<String, Setting>,
}

/// A configuration that was refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    /// When, Unix ms.
    pub at_ms: u64,
    /// How it came.
    pub source: Source,
    /// What is wrong with it.
    pub message: String,
}

/// Files of a certificate that were refused while the one before is in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CertificateRefusal {
    /// When they were first, Unix ms.
    pub at_ms: u64,
    /// The key that names the file at fault.
    pub key: String,
    /// That file.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
}

/// How the configuration is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The version in force.
    pub version: u64,
    /// When it was put in force, Unix ms.
    pub at_ms: u64,
    /// Who did it.
    pub by: String,
    /// How.
    pub source: Source,
    /// The configuration file; null without one.
    pub file: Option<String>,
    /// Whether the file, as it was read last, is not the one in force: it was refused, or
    /// a rollback restored another one.
    pub file_differs: bool,
    /// Whether a saved file is put in force by itself.
    pub is_watched: bool,
    /// Whether what `config.set` has set outlives the server.
    pub is_stored: bool,
    /// The keys that take effect with the next start.
    pub restart: Vec<String>,
    /// What was refused since the version in force; null where nothing was.
    pub refused: Option<Refusal>,
    /// Certificates whose files have changed and were refused; the ones before are in force.
    pub certificates_refused: Vec<CertificateRefusal>,
    /// What an operator should know about it.
    pub warnings: Vec<String>,
}

/// What is checked, or set.
#[derive(Debug, Clone, PartialEq)]
pub enum Proposal {
    /// Keys, as `config.set` takes them.
    Keys(Map<String, Value>),
    /// The content of a file in place of the one in force.
    File(String),
}

/// The configuration of a server that runs.
///
/// Calls may take a while: they read and write files.
pub trait Configuration: fmt::Debug + Send + Sync {
    /// Every key with its layer.
    fn get(&self) -> Shown;

    /// What a proposal would change.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(&self, proposal: &Proposal) -> Result<Preview, ErrorBody>;

    /// Sets keys above all other layers; null removes a key from this layer.
    ///
    /// # Errors
    /// `conflict` where the version in force is another one, or what is wrong with the
    /// keys; then nothing has changed.
    fn set(
        &self,
        keys: &Map<String, Value>,
        expected: Option<u64>,
        by: &str,
    ) -> Result<Applied, ErrorBody>;

    /// Reads the file again.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    fn reload(&self, by: &str) -> Result<Applied, ErrorBody>;

    /// The versions that are remembered, the newest first.
    fn history(&self) -> Vec<Version>;

    /// Puts the file and the keys of an earlier version in force again.
    ///
    /// # Errors
    /// `conflict` where the version in force is not the expected one, `not_found` for one
    /// that is not remembered, or why it cannot be in force now; then nothing has changed.
    fn rollback(&self, version: u64, expected: Option<u64>, by: &str)
    -> Result<Applied, ErrorBody>;

    /// What a rollback to an earlier version would change.
    ///
    /// # Errors
    /// As those of [`Configuration::rollback`].
    fn check_rollback(&self, version: u64) -> Result<Preview, ErrorBody>;

    /// How it is.
    fn status(&self) -> Status;
}
