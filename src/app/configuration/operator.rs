//! What the service `config` calls.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Candidate, Cause, LiveConfiguration, State, accept_access, refused};
use crate::config::source::{SourceFile, Sources};
use crate::config::{self, diff, key, restart};
use crate::management::configuration::{
    Applied, Configuration, Preview, Proposal, Setting, Shown, Source, Status, Version,
};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

impl State {
    /// The layers with other keys of calls.
    fn with_keys(&self, keys: &Map<String, Value>) -> Result<Sources, ErrorBody> {
        Ok(Sources {
            api: self.sources.api.with(keys).map_err(refused)?,
            ..self.sources.clone()
        })
    }

    /// The layers with another content of the file.
    fn with_file(&self, text: &str) -> Sources {
        let path = match &self.sources.file {
            Some(file) => file.path.clone(),
            None => "config".into(),
        };
        let file = SourceFile {
            path,
            text: text.into(),
        };
        Sources {
            file: Some(file),
            ..self.sources.clone()
        }
    }

    /// The layers of a version that is remembered.
    fn of_version(&self, version: u64) -> Result<Sources, ErrorBody> {
        let snapshot = self.versions.get(version).ok_or_else(|| {
            let message = format!("version {version} is not remembered; see config.getHistory");
            ErrorBody::new(ErrorCode::NotFound, message)
        })?;
        Ok(self.sources_of(snapshot))
    }

    /// Checks the version that a caller has seen.
    ///
    /// # Errors
    /// `conflict` where another one is in force.
    fn expect(&self, expected: Option<u64>) -> Result<(), ErrorBody> {
        let version = self.versions.last();
        match expected.filter(|expected| *expected != version) {
            None => Ok(()),
            Some(expected) => {
                let message = format!("version {version} is in force, not {expected}");
                Err(ErrorBody::new(ErrorCode::Conflict, message))
            }
        }
    }

    /// What an operator should know about what is in force.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = config::warnings(&self.wanted);
        warnings.extend(self.unsaved.clone());
        warnings
    }

    /// Whether the file, as it was read last, is not the one in force.
    pub(super) fn file_differs(&self) -> bool {
        let file = self.sources.file.as_ref().map(|file| &file.text);
        self.sources.file.is_some() && file != self.disk.as_ref()
    }
}

impl Configuration for LiveConfiguration {
    fn get(&self) -> Shown {
        let state = self.state.lock();
        let settings = diff::settings(&state.wanted).into_iter();
        let settings = settings.map(|(path, value)| {
            let setting = Setting {
                value,
                layer: state.origins.layer(&path),
                origin: state.origins.of(&path).map(ToString::to_string),
                restart: restart::is_needed(&path),
            };
            (key::join(&path), setting)
        });
        Shown {
            version: state.versions.last(),
            settings: settings.collect(),
        }
    }

    fn check(&self, proposal: &Proposal) -> Result<Preview, ErrorBody> {
        let state = self.state.lock();
        let next = match proposal {
            Proposal::Keys(keys) => state.with_keys(keys)?,
            Proposal::File(text) => state.with_file(text),
        };
        let candidate = self.candidate(&state, &next)?;
        if matches!(proposal, Proposal::Keys(_)) {
            accept_access(&state, &candidate)?;
            self.accept_restart(&candidate.changed)?;
        }
        // A file is read with all that it names, as by a reload.
        self.preview(candidate, matches!(proposal, Proposal::File(_)))
    }

    fn set(
        &self,
        keys: &Map<String, Value>,
        expected: Option<u64>,
        by: &str,
    ) -> Result<Applied, ErrorBody> {
        let mut state = self.state.lock();
        state.expect(expected)?;
        let next = state.with_keys(keys)?;
        let cause = Cause {
            source: Source::Set,
            by,
            of: None,
        };
        self.put(&mut state, next, cause)
    }

    fn reload(&self, by: &str) -> Result<Applied, ErrorBody> {
        self.reload_by(Source::Reload, by)
    }

    fn history(&self) -> Vec<Version> {
        let state = self.state.lock();
        let newest = state.versions.iter().rev();
        newest.map(|known| known.version.clone()).collect()
    }

    fn rollback(
        &self,
        version: u64,
        expected: Option<u64>,
        by: &str,
    ) -> Result<Applied, ErrorBody> {
        let mut state = self.state.lock();
        state.expect(expected)?;
        let next = state.of_version(version)?;
        let cause = Cause {
            source: Source::Rollback,
            by,
            of: Some(version),
        };
        self.put(&mut state, next, cause)
    }

    fn check_rollback(&self, version: u64) -> Result<Preview, ErrorBody> {
        let state = self.state.lock();
        let candidate = self.candidate(&state, &state.of_version(version)?)?;
        accept_access(&state, &candidate)?;
        self.preview(candidate, false)
    }

    fn status(&self) -> Status {
        let state = self.state.lock();
        let latest = state.versions.latest().map(|latest| &latest.version);
        let waiting = diff::between(&state.in_force, &state.wanted, &state.origins);
        let file = state.sources.file.as_ref();
        Status {
            version: state.versions.last(),
            at_ms: latest.map_or(0, |latest| latest.at_ms),
            by: latest.map_or_else(String::new, |latest| latest.by.clone()),
            source: latest.map_or(Source::Start, |latest| latest.source),
            file: file.map(|file| file.path.display().to_string()),
            file_differs: state.file_differs(),
            is_watched: file.is_some() && state.in_force.management.watch_file,
            is_stored: self.saved_file.is_some(),
            restart: waiting.into_iter().map(|change| change.key).collect(),
            refused: state.refused.clone(),
            certificates_refused: self.settings.certificates.refused(),
            warnings: state.warnings(),
        }
    }
}

impl LiveConfiguration {
    /// What a configuration would change, once the files that it names are read.
    fn preview(&self, candidate: Candidate, reads_files: bool) -> Result<Preview, ErrorBody> {
        let checked = self.settings.check_files(&candidate.in_force, reads_files);
        checked.map_err(refused)?;
        let Candidate {
            composed, changed, ..
        } = candidate;
        let waiting = changed.iter().filter(|change| change.restart);
        Ok(Preview {
            restart: waiting.map(|change| change.key.clone()).collect(),
            warnings: config::warnings(&composed.config),
            changed,
        })
    }

    /// Puts another content of the file in force, which was read from the disk.
    pub(super) fn put_file(
        &self,
        state: &mut State,
        text: &Arc<str>,
        (source, by): (Source, &str),
    ) -> Result<Applied, ErrorBody> {
        state.disk = Some(text.clone());
        let next = state.with_file(text);
        let cause = Cause {
            source,
            by,
            of: None,
        };
        self.put(state, next, cause)
    }
}
