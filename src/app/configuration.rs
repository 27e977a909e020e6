//! The configuration of a server that runs. It puts another one in force, all of it or
//! nothing, and remembers the versions.
//!
//! Everything that can fail is done before: the layers are composed and checked, files are
//! read, checkers and backends are made, and what is to be saved is written. One lock makes
//! changes one after another.

mod operator;
mod reading;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::settings::NodeSettings;
use crate::clock;
use crate::config::diff::{self, Origins};
use crate::config::restart;
use crate::config::saved::{self, Saved};
use crate::config::saved_file::{SavedFile, Staged};
use crate::config::source::{Composed, Sources};
use crate::config::version::{Snapshot, Versions};
use crate::config::{self, Config};
use crate::gateway::Shared;
use crate::log_filter;
use crate::log_limit::LogLimit;
use crate::management::access::Access;
use crate::management::configuration::{Applied, Change, Refusal, Source, Version};
use crate::management::in_force::OperatorSettings;
use crate::watched::Watched;
pub(super) use reading::watch;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Who puts a configuration in force that nobody called for: a signal, a saved file.
pub(super) const SERVER: &str = "server";
/// The same of the program that embeds the server.
const PROGRAM: &str = "program";

/// Configurations that are put in force may differ in what is warned of.
static WARNED: LogLimit = LogLimit::new();

/// The configuration in force, and how to replace it.
pub(super) struct LiveConfiguration {
    state: Mutex<State>,
    settings: NodeSettings,
    shared: Arc<Shared>,
    operator: Arc<Watched<OperatorSettings>>,
    /// Where browsers connect.
    server: SocketAddr,
    /// Where what calls set is saved; `None` where it ends with the server.
    saved_file: Option<Mutex<SavedFile>>,
    warned: config::Warned,
}

/// What is in force, and what was.
struct State {
    sources: Sources,
    origins: Origins,
    /// What the layers say.
    wanted: Config,
    /// The same but for keys that wait for a restart.
    in_force: Config,
    versions: Versions,
    /// The content of the file as it was read last.
    disk: Option<Arc<str>>,
    refused: Option<Refusal>,
    /// Why what is in force could not be saved; `None` where it is saved, or never is.
    unsaved: Option<String>,
}

/// How a configuration comes.
#[derive(Clone, Copy)]
struct Cause<'a> {
    source: Source,
    by: &'a str,
    /// The version that is restored.
    of: Option<u64>,
}

/// A configuration that may be put in force.
struct Candidate {
    composed: Composed,
    in_force: Config,
    changed: Vec<Change>,
}

impl fmt::Debug for LiveConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveConfiguration").finish_non_exhaustive()
    }
}

impl LiveConfiguration {
    /// The configuration that a server starts with. `server` is where browsers connect.
    ///
    /// # Errors
    /// The file with its versions cannot be read.
    pub(super) fn new(
        sources: Sources,
        composed: Composed,
        (settings, shared): (NodeSettings, Arc<Shared>),
        server: SocketAddr,
        warned: config::Warned,
    ) -> anyhow::Result<Self> {
        let Composed { config, origins } = composed;
        let opened = saved::beside(&config.store.path).map(SavedFile::open);
        let opened = opened.transpose().map_err(anyhow::Error::msg)?;
        let (saved_file, saved) = opened.unzip();
        let saved = saved.flatten();
        let is_saved = saved.is_some();
        let versions = saved.unwrap_or_default().versions;
        let operator = OperatorSettings::new(&config.management, &url(&config, server));
        let live = Self {
            state: Mutex::new(State {
                disk: sources.file.as_ref().map(|file| file.text.clone()),
                sources,
                origins,
                wanted: config.clone(),
                in_force: config,
                versions,
                refused: None,
                unsaved: None,
            }),
            settings,
            shared,
            operator: Arc::new(Watched::new(operator)),
            server,
            saved_file: saved_file.map(Mutex::new),
            warned,
        };
        live.begin(is_saved);
        Ok(live)
    }

    /// The first version of this process: the last one that is remembered, where nothing has
    /// changed since.
    fn begin(&self, is_saved: bool) {
        let mut state = self.state.lock();
        let before = state.versions.latest().map(|last| {
            let sources = state.sources_of(&last.snapshot);
            sources.compose().map(|composed| composed.config)
        });
        let changed = match &before {
            None => Some(Vec::new()),
            Some(Ok(before)) => {
                let changed = diff::between(before, &state.wanted, &state.origins);
                (!changed.is_empty()).then_some(changed)
            }
            // One of another release, perhaps.
            Some(Err(_)) => Some(Vec::new()),
        };
        if let Some(changed) = changed {
            let cause = Cause {
                source: Source::Start,
                by: SERVER,
                of: None,
            };
            state.add_version(cause, changed);
            let written = is_saved.then(|| self.stage(&state.saved())).flatten();
            if let Some(Err(error)) = written.map(|staged| staged.and_then(|new| self.commit(new)))
            {
                state.unsaved = Some(unsaved(&error));
            }
        }
        self.show_version(&state);
    }

    /// What is in force at the operator's listener.
    pub(super) fn operator(&self) -> Arc<Watched<OperatorSettings>> {
        self.operator.clone()
    }

    /// Puts the configuration of the program in force, in place of the one before.
    pub(super) fn apply(&self, config: Config) -> anyhow::Result<Applied> {
        let mut state = self.state.lock();
        let next = Sources {
            api: state.sources.api.clone(),
            ..Sources::program(config)
        };
        let cause = Cause {
            source: Source::Program,
            by: PROGRAM,
            of: None,
        };
        let applied = self.put(&mut state, next, cause);
        applied.map_err(|error| anyhow::anyhow!("{}", error.message))
    }

    /// What would be in force with these layers.
    fn candidate(&self, state: &State, next: &Sources) -> Result<Candidate, ErrorBody> {
        let composed = next.compose().map_err(refused)?;
        let problems = self.shared.portal.problems(&composed.config.portal);
        let problems = problems.map_err(refused)?;
        if !problems.is_empty() {
            return Err(refused(problems.join("\n")));
        }
        let in_force = restart::in_force(&composed.config, &state.in_force);
        if in_force != composed.config {
            in_force.check().map_err(|error| {
                refused(format!(
                    "{error}\nwith the keys that change with a restart as they are now"
                ))
            })?;
        }
        Ok(Candidate {
            changed: diff::between(&state.wanted, &composed.config, &composed.origins),
            composed,
            in_force,
        })
    }

    /// Puts other layers in force, or nothing of them. It is counted and in the log.
    fn put(
        &self,
        state: &mut State,
        next: Sources,
        cause: Cause<'_>,
    ) -> Result<Applied, ErrorBody> {
        let put = self.try_put(state, next, cause);
        let metrics = &self.shared.metrics;
        match &put {
            Err(error) => {
                metrics.count_reload("refused");
                log::warn!(
                    "a configuration was refused, and nothing has changed ({} by {}): {}",
                    cause.source.name(),
                    cause.by,
                    error.message
                );
                state.refused = Some(Refusal {
                    at_ms: clock::now_ms(),
                    source: cause.source,
                    message: error.message.clone().into(),
                });
            }
            Ok(None) => {
                metrics.count_reload("unchanged");
                log::info!(
                    "the configuration is unchanged ({} by {})",
                    cause.source.name(),
                    cause.by
                );
                state.refused = None;
            }
            Ok(Some(changed)) => {
                metrics.count_reload("applied");
                state.refused = None;
                state.log(changed);
            }
        }
        let changed = put?.unwrap_or_default();
        self.warn(&state.in_force);
        self.show_version(state);
        let waiting = changed.iter().filter(|change| change.restart);
        Ok(Applied {
            version: state.versions.last(),
            restart: waiting.map(|change| change.key.clone()).collect(),
            warnings: state.warnings(),
            changed,
        })
    }

    /// What was changed; `None` where nothing is new.
    fn try_put(
        &self,
        state: &mut State,
        next: Sources,
        cause: Cause<'_>,
    ) -> Result<Option<Vec<Change>>, ErrorBody> {
        let candidate = self.candidate(state, &next)?;
        if matches!(cause.source, Source::Set | Source::Rollback) {
            accept_access(state, &candidate)?;
        }
        let (config, changed) = (&candidate.in_force, candidate.changed);
        if cause.source == Source::Set {
            self.accept_restart(&changed)?;
        }
        let is_new = !changed.is_empty() || next.api != state.sources.api;
        let mut after = State {
            sources: next,
            origins: candidate.composed.origins,
            wanted: candidate.composed.config,
            in_force: config.clone(),
            versions: state.versions.clone(),
            disk: state.disk.clone(),
            refused: None,
            unsaved: state.unsaved.clone(),
        };
        let mut staged = None;
        if is_new {
            after.add_version(cause, changed.clone());
            staged = self.stage(&after.saved());
        }
        if let (Source::Set, Some(Err(error))) = (cause.source, &staged) {
            // What a call sets would be lost.
            let message = format!("it cannot be saved: {error}");
            return Err(ErrorBody::new(ErrorCode::Unavailable, message));
        }
        let reads_files = matches!(cause.source, Source::Reload | Source::Signal);
        let applied = self.settings.apply(config, &self.shared, reads_files);
        applied.map_err(refused)?;
        let operator = OperatorSettings::new(&config.management, &url(config, self.server));
        self.operator.set(operator);
        if config.log != state.in_force.log {
            log_filter::apply(&config.log);
        }
        *state = after;
        if let Some(written) = staged.map(|staged| staged.and_then(|new| self.commit(new))) {
            state.unsaved = written.err().map(|error| unsaved(&error));
        }
        Ok(is_new.then_some(changed))
    }

    /// A key that waits for a restart, and is lost with it, is not set by a call.
    fn accept_restart(&self, changed: &[Change]) -> Result<(), ErrorBody> {
        if self.saved_file.is_some() {
            return Ok(());
        }
        let lost = changed.iter().find(|change| change.restart);
        lost.map_or(Ok(()), |lost| {
            Err(refused(format!(
                "{} takes effect with a restart, and what calls set does not outlive one \
                 without store.path: set it in the file or the environment",
                lost.key
            )))
        })
    }

    /// Writes what is to be saved; `None` where nothing is.
    fn stage(&self, saved: &Saved) -> Option<std::io::Result<Staged>> {
        let file = self.saved_file.as_ref()?;
        Some(file.lock().stage(saved))
    }

    /// Puts in force what was written.
    fn commit(&self, staged: Staged) -> std::io::Result<()> {
        let file = self.saved_file.as_ref();
        file.map_or(Ok(()), |file| file.lock().commit(staged))
    }

    /// Warns of what the configuration before did not have. A program may put many in force.
    fn warn(&self, config: &Config) {
        let news = self.warned.news(config);
        if news.is_empty() {
            return;
        }
        if let Some(left_out) = WARNED.admit(clock::now_ms()) {
            log::warn!("{}{left_out}", news.join("; "));
        }
    }

    fn show_version(&self, state: &State) {
        let version = i64::try_from(state.versions.last()).unwrap_or(i64::MAX);
        self.shared.metrics.config_version.set(version);
    }
}

impl State {
    fn add_version(&mut self, cause: Cause<'_>, changed: Vec<Change>) {
        let version = Version {
            version: 0,
            at_ms: clock::now_ms(),
            by: cause.by.to_owned(),
            source: cause.source,
            of: cause.of,
            changed,
        };
        let snapshot = Snapshot {
            file: self.sources.file.as_ref().map(|file| file.text.clone()),
            api: self.sources.api.clone(),
            program: self.sources.program.clone(),
        };
        self.versions.add(version, snapshot);
    }

    /// The layers of a version, in the environment of this process.
    fn sources_of(&self, snapshot: &Snapshot) -> Sources {
        let mut sources = self.sources.clone();
        sources.api = snapshot.api.clone();
        if let (Some(file), Some(text)) = (&mut sources.file, &snapshot.file) {
            file.text = text.clone();
        }
        if snapshot.program.is_some() {
            sources.program.clone_from(&snapshot.program);
        }
        sources
    }

    fn saved(&self) -> Saved {
        Saved {
            api: self.sources.api.clone(),
            versions: self.versions.clone(),
        }
    }

    /// Writes the version in force, and what it has changed.
    fn log(&self, changed: &[Change]) {
        let Some(latest) = self.versions.latest() else {
            return;
        };
        let (live, waiting): (Vec<_>, Vec<_>) = changed.iter().partition(|change| !change.restart);
        let lines = |changes: &[&Change]| {
            let lines = changes.iter().map(|change| diff::line(change));
            lines.collect::<Vec<_>>().join(", ")
        };
        let version = &latest.version;
        let mut text = format!(
            "version {} of the configuration is in force ({} by {})",
            version.version,
            version.source.name(),
            version.by
        );
        if !live.is_empty() {
            text += &format!(": {}", lines(&live));
        }
        if !waiting.is_empty() {
            text += &format!("; with the next restart: {}", lines(&waiting));
        }
        log::info!("{text}");
    }
}

/// A sentence about versions that could not be saved, for answers; it is in the log, too.
fn unsaved(error: &std::io::Error) -> String {
    let message = format!(
        "the versions of the configuration could not be saved: {error}; the next start has \
         those that were saved before"
    );
    log::error!("{message}");
    message
}

/// Where clients reach a server, as a URL.
fn url(config: &Config, server: SocketAddr) -> String {
    match config.server.url.as_str() {
        "" => format!("{}://{server}", config.server.tls.scheme()),
        url => url.to_owned(),
    }
}

/// A call does not take the right to make such calls from everybody: what calls have set is
/// above the file, so that no file would give it back.
fn accept_access(state: &State, next: &Candidate) -> Result<(), ErrorBody> {
    let has_admin = |config: &Config| Access::new(&config.management).has_admin();
    let is_lost = |from, to| has_admin(from) && !has_admin(to);
    if is_lost(&state.wanted, &next.composed.config) || is_lost(&state.in_force, &next.in_force) {
        return Err(refused(
            "nobody could change the configuration by a call then: a token would be needed, and \
             no entry of management.tokens has the role admin",
        ));
    }
    Ok(())
}

/// A configuration that is refused.
fn refused(message: impl fmt::Display) -> ErrorBody {
    /// The first problems say enough.
    const LINES_MAX: usize = 20;
    let message = message.to_string();
    let lines: Vec<&str> = message.lines().collect();
    let shown = lines.get(..LINES_MAX).unwrap_or(&lines).join("\n");
    let more = match lines.len().saturating_sub(LINES_MAX) {
        0 => String::new(),
        more => format!("\nand {more} more"),
    };
    ErrorBody::new(ErrorCode::BadMessage, format!("{shown}{more}"))
}
