//! The configuration file of a server that runs: it is read again by SIGHUP, by
//! `config.reload`, and when it was saved.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Cause, LiveConfiguration, SERVER, State, refused};
use crate::clock;
use crate::config::watch::{Found, Stamp, Watch};
use crate::management::configuration::{Applied, Refusal, Source};
use crate::plain_file::read_text;
use turntable_core::packet::ErrorBody;

/// Between two readings that have to be equal, and how often they may differ.
const READ_INTERVAL: Duration = Duration::from_millis(20);
const READS_MAX: usize = 50;

impl LiveConfiguration {
    /// Reads the file again, and the files that it names. Without a file only these.
    pub(in crate::app) fn reload_by(&self, source: Source, by: &str) -> Result<Applied, ErrorBody> {
        let Some(path) = self.path() else {
            let mut state = self.state.lock();
            let next = state.sources.clone();
            let cause = Cause {
                source,
                by,
                of: None,
            };
            return self.put(&mut state, next, cause);
        };
        let read = read_settled(&path);
        let mut state = self.state.lock();
        let text = read.and_then(|text| state.accept(text));
        match text {
            Ok(text) => self.put_file(&mut state, &text, (source, by)),
            Err(fault) => Err(self.refuse(&mut state, &path, &fault, (source, by))),
        }
    }

    /// Looks at the file, and puts it in force where it was saved. Returns how long to wait
    /// for the next look.
    fn look(&self, watch: &mut Watch) -> Duration {
        let Some(path) = self.path().filter(|_| self.is_watched()) else {
            *watch = Watch::default();
            return watch.pause().max(Duration::from_secs(1));
        };
        let stamp = std::fs::metadata(&path).ok().as_ref().map(Stamp::of);
        match watch.look(stamp) {
            Found::Nothing => {}
            Found::Missing => {
                let gone = "it is gone; the configuration stays in force as it is";
                let fault = io::Error::new(io::ErrorKind::NotFound, gone);
                let mut state = self.state.lock();
                self.refuse(&mut state, &path, &fault, (Source::File, SERVER));
            }
            Found::Settled => self.read_saved(&path),
        }
        watch.pause()
    }

    /// Puts the file in force where it has another content than at the reading before.
    fn read_saved(&self, path: &Path) {
        let read = read_settled(path);
        let mut state = self.state.lock();
        let (source, by) = (Source::File, SERVER);
        if let Ok(text) = &read
            && state.disk.as_deref() == Some(text)
        {
            // One that was gone is there again.
            if !state.file_differs() {
                state.refused.take_if(|refused| refused.source == source);
            }
            return;
        }
        if let Ok(text) = &read {
            // It is refused once, also where it is empty.
            state.disk = Some(text.as_str().into());
        }
        match read.and_then(|text| state.accept(text)) {
            Ok(text) => {
                // It is in the log whether it succeeds.
                let _ = self.put_file(&mut state, &text, (source, by));
            }
            Err(fault) => {
                self.refuse(&mut state, path, &fault, (source, by));
            }
        }
    }

    /// A file that cannot be read, or is empty.
    fn refuse(
        &self,
        state: &mut State,
        path: &Path,
        fault: &io::Error,
        (source, by): (Source, &str),
    ) -> ErrorBody {
        let message = format!("{}: {fault}", path.display());
        self.shared.metrics.count_reload("refused");
        let name = source.name();
        log::warn!("the configuration was not read again ({name} by {by}): {message}");
        state.refused = Some(Refusal {
            at_ms: clock::now_ms(),
            source,
            message: message.clone(),
        });
        refused(message)
    }

    fn path(&self) -> Option<PathBuf> {
        let state = self.state.lock();
        let file = state.sources.file.as_ref();
        file.map(|file| file.path.clone())
    }

    fn is_watched(&self) -> bool {
        self.state.lock().in_force.management.watch_file
    }
}

impl State {
    /// The content of a file, unless it is empty: some editors empty a file before they
    /// write it, and a server without a configuration is rarely what its operator wants.
    fn accept(&self, text: String) -> io::Result<Arc<str>> {
        let before = self.sources.file.as_ref();
        if text.trim().is_empty() && before.is_none_or(|file| !file.is_empty()) {
            let message = "it is empty: a comment in it says that the defaults are meant";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(text.into())
    }
}

/// The content of a file that nobody is writing: two readings in a row are equal.
fn read_settled(path: &Path) -> io::Result<String> {
    let mut before = read_text(path)?;
    for _ in 0..READS_MAX {
        std::thread::sleep(READ_INTERVAL);
        let now = read_text(path)?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
    Err(io::Error::other("it is being written"))
}

/// Watches the file as long as the server runs.
pub(in crate::app) async fn watch(live: Weak<LiveConfiguration>) {
    let mut watch = Watch::default();
    loop {
        let Some(now) = live.upgrade() else {
            return;
        };
        if now.path().is_none() {
            return;
        }
        let looked = actix_rt::task::spawn_blocking(move || {
            let pause = now.look(&mut watch);
            (watch, pause)
        });
        let Ok((next, pause)) = looked.await else {
            return;
        };
        watch = next;
        actix_rt::time::sleep(pause).await;
    }
}
