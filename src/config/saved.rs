//! The file beside the store with what calls have set, and with the versions. It is not in
//! the store: `turntable check` reads it while a server has that open.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::api::ApiLayer;
use super::version::{Remembered, Snapshot, Versions};
use crate::management::configuration::Version;

/// What it is called, behind the path of the store.
const SUFFIX: &str = ".config";
/// What a file that is not whole yet is called, behind that.
const NEW_SUFFIX: &str = ".new";

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
    let wrong = |error: &dyn std::fmt::Display| {
        let path = path.display();
        format!("{path} has what config.set has set, and cannot be read: {error}")
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&error)),
    };
    let written: Written = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    let mut versions = Versions::default();
    for WrittenVersion { version, file, api } in written.versions {
        let file = file.and_then(|index| written.files.get(index).cloned());
        let snapshot = Snapshot {
            file,
            api,
            program: None,
        };
        versions.put(Remembered { version, snapshot });
    }
    Ok(Some(Saved {
        api: written.api,
        versions,
    }))
}

/// A file that is written, and not yet in its place.
#[derive(Debug)]
pub struct Staged {
    new: PathBuf,
    path: PathBuf,
}

/// Writes what is to be saved, without taking the place of what is.
///
/// # Errors
/// The system's error.
pub fn stage(path: &Path, saved: &Saved) -> io::Result<Staged> {
    let mut files: Vec<Arc<str>> = Vec::new();
    let versions = saved.versions.iter().map(|known| {
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
        api: saved.api.clone(),
        files,
        versions,
    };
    let text = serde_json::to_string_pretty(&written).map_err(io::Error::other)?;
    let mut name = path.as_os_str().to_owned();
    name.push(NEW_SUFFIX);
    let new = PathBuf::from(name);
    // It has secrets.
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(Staged {
        new,
        path: path.to_owned(),
    })
}

impl Staged {
    /// Puts it in its place.
    ///
    /// # Errors
    /// The system's error.
    pub fn commit(self) -> io::Result<()> {
        fs::rename(&self.new, &self.path)?;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;
    use crate::management::configuration::{Change, Layer, Source};

    fn version(changed: Vec<Change>) -> Version {
        Version {
            version: 0,
            at_ms: 1_700_000_000_000,
            by: "deploy".to_owned(),
            source: Source::Rollback,
            of: Some(3),
            changed,
        }
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("users.db");
        let path = beside(store.to_str().unwrap()).unwrap();
        assert_eq!(read(&path), Ok(None));
        let keys = json!({"presence.watch_max": 5, "server.hosts": ["a.example"]});
        let api = ApiLayer::default().with(keys.as_object().unwrap()).unwrap();
        let mut versions = Versions::default();
        for file in [None, Some("# a"), Some("# a"), Some("# b")] {
            let change = Change {
                key: "presence.watch_max".to_owned(),
                from: json!(1),
                to: json!(5),
                layer: Layer::Api,
                restart: false,
            };
            let snapshot = Snapshot {
                file: file.map(Into::into),
                api: api.clone(),
                program: None,
            };
            versions.add(version(vec![change]), snapshot);
        }
        let saved = Saved { api, versions };
        let staged = stage(&path, &saved).unwrap();
        assert_eq!(read(&path), Ok(None));
        staged.commit().unwrap();
        assert_eq!(read(&path), Ok(Some(saved)));
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("# a").count(), 1);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&path, "{").unwrap();
        assert!(read(&path).unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn store_in_memory_saves_nothing() {
        assert_eq!(beside(""), None);
    }
}
