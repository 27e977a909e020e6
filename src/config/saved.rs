//! What calls have set, and the versions, as they are saved beside the store. It is not in the
//! store: `turntable check` reads it while a server has that open.
//!
//! The file begins with all of it, as one JSON object. Behind that is a line for each version
//! that came later, so that a change writes itself and no others:
//!
//! | line | |
//! |---|---|
//! | `+{..}` | a version that is in force, with what it differs in from the one before |
//! | `-{..}` | one that was written and not put in force; it may be a part of one |
//!
//! The last line may be torn: it has no end. What it was is not known, so it is left out. Any other
//! damage is an error: without what calls have set, roles and limits would be others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Error;

use super::api::ApiLayer;
use super::version::{Remembered, Snapshot, VERSIONS_MAX, Versions};
use crate::management::configuration::Version;

/// What it is called, behind the path of the store.
const SUFFIX: &str = ".config";
/// The beginning of a line in force.
pub(super) const IN_FORCE: u8 = b'+';
/// The beginning of a line that is not, or not yet.
const STAGED: u8 = b'-';

/// What is saved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Saved {
    /// What calls have set.
    pub api: ApiLayer,
    /// The versions.
    pub versions: Versions,
}

/// The same as it is written: texts of files once each.
#[derive(Serialize, Deserialize)]
struct Written {
    api: ApiLayer,
    files: Vec<Arc<str>>,
    versions: Vec<WrittenVersion>,
}

#[derive(Serialize, Deserialize)]
struct WrittenVersion {
    #[serde(flatten)]
    version: Version,
    /// Which of the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<usize>,
    api: ApiLayer,
}

/// A version in a line of its own.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    version: Version,
    /// The content of the file, unless that is the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "is_false")]
    same_file: bool,
    api: ApiLayer,
}

const fn is_false(value: &bool) -> bool {
    !*value
}

/// How far a file goes, and what it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Bytes in force, with the last line's end.
    pub(super) bytes: u64,
    /// All bytes.
    pub(super) all_bytes: u64,
    /// Lines behind the beginning that are in force.
    pub(super) lines: usize,
    /// The last version.
    pub(super) last: u64,
    /// The rest is a part of a line that may have been in force.
    pub(super) is_torn: bool,
}

/// The file beside the store at `path`; `None` where the store is memory.
#[must_use]
pub fn beside(path: &str) -> Option<PathBuf> {
    (!path.is_empty()).then(|| format!("{path}{SUFFIX}").into())
}

/// What is saved there; `None` where nothing is.
///
/// # Errors
/// A sentence for a file that cannot be read.
pub fn read(path: &Path) -> Result<Option<Saved>, String> {
    Ok(read_with_extent(path)?.map(|(saved, _)| saved))
}

/// Whether the last line of the file is torn.
#[must_use]
pub fn is_torn(path: &Path) -> bool {
    let found = read_with_extent(path).ok().flatten();
    found.is_some_and(|(_, extent)| extent.is_torn)
}

/// The same as [`read`], with how far the file goes.
pub(super) fn read_with_extent(path: &Path) -> Result<Option<(Saved, Extent)>, String> {
    let wrong = |error: &dyn std::fmt::Display| {
        let path = path.display();
        format!(
            "{path} has what config.set has set, and cannot be read: {error}; to start with the \
             other layers alone, set it aside: mv {path} {path}.damaged"
        )
    };
    match fs::read(path) {
        Ok(bytes) => parse(&bytes).map(Some).map_err(|error| wrong(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(&error)),
    }
}

/// What a file has.
fn parse(bytes: &[u8]) -> serde_json::Result<(Saved, Extent)> {
    // What follows is no JSON, and a part of a line may be no text.
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Written>();
    let written = match values.next() {
        Some(written) => written?,
        None => return Err(Error::custom("it is empty")),
    };
    let (_, lines) = bytes
        .split_at_checked(values.byte_offset())
        .unwrap_or_default();
    let lines = lines.trim_ascii_start();
    let mut saved = Saved {
        api: written.api,
        versions: Versions::default(),
    };
    for WrittenVersion { version, file, api } in written.versions {
        let file = file.and_then(|index| written.files.get(index).cloned());
        saved.put(version, file, api);
    }
    let mut end = bytes.len() - lines.len();
    let mut extent = Extent {
        bytes: end as u64,
        all_bytes: bytes.len() as u64,
        ..Extent::default()
    };
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let has_end = line.ends_with(b"\n");
        match line.first() {
            Some(&IN_FORCE) => match serde_json::from_slice(line.get(1..).unwrap_or_default()) {
                Ok(version) => saved.put_line(version),
                Err(_) if !has_end => {
                    extent.is_torn = true;
                    continue;
                }
                Err(error) => return Err(error),
            },
            Some(&STAGED) => continue,
            // Room for a line, which the system has not written.
            Some(0) if !has_end => continue,
            _ => return Err(Error::custom("a line begins with neither + nor -")),
        }
        extent.lines += 1;
        extent.bytes = end as u64;
    }
    extent.last = saved.versions.last();
    Ok((saved, extent))
}

impl Saved {
    /// The version of a line.
    fn put_line(&mut self, line: Line) {
        let before = self.versions.latest();
        let file = match line.same_file {
            true => before.and_then(|before| before.snapshot.file.clone()),
            false => line.file,
        };
        self.api = line.api.clone();
        self.put(line.version, file, line.api);
    }

    fn put(&mut self, version: Version, file: Option<Arc<str>>, api: ApiLayer) {
        let snapshot = Snapshot {
            file,
            api,
            program: None,
        };
        self.versions.put(Remembered { version, snapshot });
    }

    /// All of it, as a file begins.
    pub(super) fn whole(&self) -> serde_json::Result<String> {
        let mut files: Vec<Arc<str>> = Vec::new();
        let versions = self.versions.iter().map(|known| {
            let file = known.snapshot.file.as_ref().map(|text| {
                let at = files.iter().position(|file| file == text);
                at.unwrap_or_else(|| {
                    files.push(text.clone());
                    files.len() - 1
                })
            });
            WrittenVersion {
                version: known.version.clone(),
                file,
                api: known.snapshot.api.clone(),
            }
        });
        let versions = versions.collect();
        let written = Written {
            api: self.api.clone(),
            files,
            versions,
        };
        Ok(serde_json::to_string_pretty(&written)? + "\n")
    }

    /// The line of the last version, not yet in force, for a file that goes so far; `None` where
    /// all is to be written again: that has other versions, or enough lines.
    pub(super) fn line_behind(&self, extent: &Extent) -> serde_json::Result<Option<String>> {
        let mut newest = self.versions.iter().rev();
        let (Some(last), Some(before)) = (newest.next(), newest.next()) else {
            return Ok(None);
        };
        if extent.lines >= VERSIONS_MAX
            || before.version.version != extent.last
            || last.snapshot.api != self.api
        {
            return Ok(None);
        }
        let (file, file_before) = (&last.snapshot.file, &before.snapshot.file);
        let same_file = file.is_some() && file == file_before;
        let line = serde_json::to_string(&Line {
            version: last.version.clone(),
            file: file.clone().filter(|_| !same_file),
            same_file,
            api: self.api.clone(),
        })?;
        let staged = char::from(STAGED);
        Ok(Some(format!("{staged}{line}\n")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::management::configuration::{Change, Layer, Source};

    /// Adds a version with this file, in which calls have set `presence.watch_max`.
    pub(in crate::config) fn add(saved: &mut Saved, file: Option<&str>, watch_max: u64) {
        let change = Change {
            key: "presence.watch_max".to_owned(),
            from: json!(1),
            to: json!(watch_max),
            layer: Layer::Api,
            restart: false,
        };
        let version = Version {
            version: 0,
            at_ms: 1_700_000_000_000,
            by: "deploy".to_owned(),
            source: Source::Rollback,
            of: Some(3),
            changed: vec![change],
        };
        let keys = json!({"presence.watch_max": watch_max, "server.hosts": ["a.example"]});
        saved.api = ApiLayer::default().with(keys.as_object().unwrap()).unwrap();
        let snapshot = Snapshot {
            file: file.map(Into::into),
            api: saved.api.clone(),
            program: None,
        };
        saved.versions.add(version, snapshot);
    }

    fn four() -> Saved {
        let mut saved = Saved::default();
        for (number, file) in [None, Some("# a"), Some("# a"), Some("# b")]
            .iter()
            .enumerate()
        {
            add(&mut saved, *file, number as u64);
        }
        saved
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let mut saved = four();
        let mut text = saved.whole().unwrap();
        let (read, extent) = parse(text.as_bytes()).unwrap();
        assert_eq!(read, saved);
        assert_eq!(text.matches("# a").count(), 1);
        assert_eq!((extent.last, extent.bytes), (4, text.len() as u64));
        // Each line behind it has what is new.
        for file in [Some("# b"), Some("# c"), None, None] {
            let (_, extent) = parse(text.as_bytes()).unwrap();
            add(&mut saved, file, 7);
            let line = saved.line_behind(&extent).unwrap().unwrap();
            assert!(line.starts_with('-') && line.ends_with('\n'), "{line}");
            assert_eq!(
                parse((text.clone() + &line).as_bytes()).unwrap().1.bytes,
                extent.bytes
            );
            text += &line.replacen('-', "+", 1);
            assert_eq!(parse(text.as_bytes()).unwrap().0, saved);
        }
        assert_eq!(text.matches("# b").count(), 1);
        assert_eq!(text.matches("# c").count(), 1);
        assert_eq!(parse(text.as_bytes()).unwrap().1.lines, 4);
    }

    #[test]
    fn line_that_is_not_in_force_is_no_version() {
        let saved = four();
        let text = saved.whole().unwrap();
        for torn in ["-", "-{\"version\": 5", "-{}\n"] {
            let (read, extent) = parse((text.clone() + torn).as_bytes()).unwrap();
            assert_eq!(read, saved);
            assert_eq!(extent.bytes, text.len() as u64);
            assert_eq!(extent.all_bytes, (text.len() + torn.len()) as u64);
        }
        for wrong in ["+{\n", "x", "x\n", "\0\n", "+{\n-"] {
            assert!(parse((text.clone() + wrong).as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn part_of_a_line_is_left_out() {
        let mut saved = four();
        let text = saved.whole().unwrap();
        let (_, extent) = parse(text.as_bytes()).unwrap();
        let before = saved.clone();
        add(&mut saved, Some("# caf\u{e9}"), 7);
        let staged = saved.line_behind(&extent).unwrap().unwrap();
        for is_in_force in [false, true] {
            let line = match is_in_force {
                true => staged.replacen('-', "+", 1),
                false => staged.clone(),
            };
            // The end of the line is no part of what it says. Some parts are no text.
            for length in 1..line.len() - 1 {
                let part = line.as_bytes().get(..length).unwrap();
                let (read, extent) = parse(&[text.as_bytes(), part].concat()).unwrap();
                assert_eq!(read, before);
                assert_eq!(extent.bytes, text.len() as u64);
                assert_eq!(extent.is_torn, is_in_force);
            }
        }
        let zeros = parse(&[text.as_bytes(), &[0; 100]].concat()).unwrap();
        assert_eq!((zeros.0, zeros.1.is_torn), (before, false));
    }

    #[test]
    fn damage_is_an_error() {
        let text = four().whole().unwrap();
        for wrong in ["", "\0\0\0", &text[..text.len() - 20], &text[20..]] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn file_of_before_there_were_lines_is_read() {
        let saved = four();
        let text = saved.whole().unwrap();
        let before = text.trim_end();
        let (read, extent) = parse(before.as_bytes()).unwrap();
        assert_eq!(read, saved);
        let compact = serde_json::from_str::<Value>(before).unwrap().to_string();
        assert_eq!(parse(compact.as_bytes()).unwrap().0, saved);
        assert_eq!(extent.bytes, before.len() as u64);
    }

    #[test]
    fn all_is_written_again_where_a_line_does_not_follow() {
        let mut saved = four();
        let (_, extent) = parse(saved.whole().unwrap().as_bytes()).unwrap();
        assert_eq!(saved.line_behind(&extent).unwrap(), None, "it is there");
        add(&mut saved, None, 9);
        assert!(saved.line_behind(&extent).unwrap().is_some());
        let full = Extent {
            lines: VERSIONS_MAX,
            ..extent
        };
        assert_eq!(saved.line_behind(&full).unwrap(), None, "enough lines");
        add(&mut saved, None, 9);
        assert_eq!(saved.line_behind(&extent).unwrap(), None, "one is missing");
    }

    #[test]
    fn store_in_memory_saves_nothing() {
        assert_eq!(beside(""), None);
    }
}
