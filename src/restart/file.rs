//! The file with the state of a server that stopped.
//!
//! | bytes | content |
//! |---|---|
//! | 0..8 | `TTSTATE` and a zero |
//! | 8..12 | the version, little endian |
//! | 12..20 | the length of the body |
//! | 20..24 | CRC-32 of the body |
//! | 24.. | the body: `State` in postcard's format |
//!
//! It has the secrets of sessions, so only the user of the server may read it. It takes its place
//! when it is whole, has another name while the next process restores it, and is removed in front
//! of the first client. A file that is no such state, that ended the process that restored it, or
//! that is not to be restored, is set aside, and the server starts without.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::State;
use crate::plain_file;

/// The version that is written.
pub const VERSION: u32 = 1;
/// Those that are read.
const READ: &[u32] = &[VERSION];

const MAGIC: &[u8; 8] = b"TTSTATE\0";
const HEAD_BYTES: usize = 24;
/// A disk without so much space has none for a state.
const PROBE_BYTES: usize = 1 << 20;
/// What a file that is not whole yet is called, behind its name.
const NEW_SUFFIX: &str = ".new";
/// What it is called while it is restored.
const RESTORING_SUFFIX: &str = ".restoring";
/// How far the clock may have been put back since it was saved, in ms.
const FUTURE_MAX_MS: u64 = 60_000;

/// Why a file is no state that can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not begin as one.
    #[error("it is no state of a server")]
    Foreign,
    /// It has another version.
    #[error("it has version {0}, and this program reads version {VERSION}")]
    Version(u32),
    /// It is shorter or longer than it says.
    #[error("it is truncated, or more follows it")]
    Length,
    /// Its bytes have changed.
    #[error("it is damaged: the checksum differs")]
    Checksum,
    /// The body is no state.
    #[error("it cannot be read")]
    Malformed,
    /// The system does not let it be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// It was saved later than now.
    #[error("it was saved {0} ms later than now: its age is not known")]
    Future(u64),
    /// It was saved too long ago.
    #[error("it was saved {0} ms ago, longer than store.sessions_age_max_ms")]
    Age(u64),
    /// A process has ended while it restored it, and another would do the same.
    #[error("the server ended while it was restored")]
    Fatal,
    /// Its restoration panicked.
    #[error("its restoration failed")]
    Panic,
    /// Its restoration did not end.
    #[error("its restoration did not end within {0} ms")]
    Late(u64),
    /// Sessions are not saved.
    #[error("store.save_sessions is off")]
    Unused,
}

/// Whether this program reads states of that version.
#[must_use]
pub fn reads(version: u32) -> bool {
    READ.contains(&version)
}

/// A state as the bytes of the file.
///
/// # Errors
/// A value without an encoding, which no state has.
pub fn encode(state: &State) -> io::Result<Vec<u8>> {
    let bytes = vec![0; HEAD_BYTES];
    let mut bytes = postcard::to_extend(state, bytes).map_err(io::Error::other)?;
    let (head, body) = bytes.split_at_mut(HEAD_BYTES);
    head.copy_from_slice(&head_of(body));
    Ok(bytes)
}

/// What is in front of a body in the file.
#[must_use]
pub fn head_of(body: &[u8]) -> Vec<u8> {
    let fields = [
        &MAGIC[..],
        &VERSION.to_le_bytes(),
        &(body.len() as u64).to_le_bytes(),
        &crc32fast::hash(body).to_le_bytes(),
    ];
    fields.concat()
}

/// The state of the bytes of a file.
///
/// # Errors
/// [`Refused`].
pub fn decode(bytes: &[u8]) -> Result<State, Refused> {
    let (head, body) = bytes.split_at_checked(HEAD_BYTES).ok_or(Refused::Foreign)?;
    let (magic, rest) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(Refused::Foreign);
    }
    let number = |from: usize, count: usize| {
        let bytes = rest.get(from..from + count).unwrap_or_default();
        bytes
            .iter()
            .rev()
            .fold(0, |all, byte| all << 8 | u64::from(*byte))
    };
    let (version, length, checksum) = (number(0, 4) as u32, number(4, 8), number(12, 4));
    if !reads(version) {
        return Err(Refused::Version(version));
    }
    if length != body.len() as u64 {
        return Err(Refused::Length);
    }
    if u64::from(crc32fast::hash(body)) != checksum {
        return Err(Refused::Checksum);
    }
    match postcard::take_from_bytes(body) {
        Ok((state, [])) => Ok(state),
        _ => Err(Refused::Malformed),
    }
}

/// Writes a state. Returns how many bytes it has.
///
/// # Errors
/// The system's error.
pub fn write(path: &Path, state: &State) -> io::Result<usize> {
    let bytes = encode(state)?;
    let new = behind(path, NEW_SUFFIX);
    // One of an earlier attempt may have other permissions.
    let _ = fs::remove_file(&new);
    let written = write_new(&new, &bytes).and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        // It has secrets.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    folder_of(path)?.sync_all()?;
    Ok(bytes.len())
}

/// Whether a state can be written here: looked at before clients are sent away.
///
/// # Errors
/// The system's error.
pub fn check_writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let new = behind(path, NEW_SUFFIX);
    let _ = fs::remove_file(&new);
    let written = write_new(&new, &[0; PROBE_BYTES]);
    let _ = fs::remove_file(&new);
    written
}

fn write_new(new: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What the process before has left.
#[derive(Debug, Default, PartialEq)]
pub struct Left {
    /// Its state, where it is to be restored.
    pub state: Option<State>,
    /// How many files were set aside.
    pub set_aside: u64,
}

/// The state that the process before has left, unless it was saved longer than `age_max_ms` ago.
/// A file that is none is set aside, and a line of the log says so.
#[must_use]
pub fn read(path: &Path, now_ms: u64, age_max_ms: u64) -> Left {
    let mut set_aside = set_remains_aside(path, now_ms);
    let state = match read_plain(path, now_ms, age_max_ms) {
        Ok(state) => state,
        Err(why) => {
            set_file_aside(path, &why, now_ms);
            set_aside += 1;
            None
        }
    };
    Left { state, set_aside }
}

fn read_plain(path: &Path, now_ms: u64, age_max_ms: u64) -> Result<Option<State>, Refused> {
    let bytes = match plain_file::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| Refused::Unreadable(error.kind())),
    };
    let state = bytes.and_then(|bytes| decode(&bytes)).and_then(|state| {
        let age_ms = now_ms.saturating_sub(state.saved_ms);
        let future_ms = state.saved_ms.saturating_sub(now_ms);
        match age_ms > age_max_ms {
            true => Err(Refused::Age(age_ms)),
            false if future_ms > FUTURE_MAX_MS => Err(Refused::Future(future_ms)),
            false => Ok(state),
        }
    });
    state.map(Some)
}

/// Sets the state that the process before has left aside, because sessions are not saved: a later
/// start would restore it over newer data. Returns how many files it were.
pub fn set_unused_aside(path: &Path, now_ms: u64) -> u64 {
    let remains = set_remains_aside(path, now_ms);
    if !path.exists() {
        return remains;
    }
    set_file_aside(path, &Refused::Unused, now_ms);
    remains + 1
}

/// What processes left that were ended while they wrote a state, or restored one. Returns how
/// many states it were.
fn set_remains_aside(path: &Path, now_ms: u64) -> u64 {
    let _ = fs::remove_file(behind(path, NEW_SUFFIX));
    let restoring = behind(path, RESTORING_SUFFIX);
    if !restoring.exists() {
        return 0;
    }
    set_file_aside(&restoring, &Refused::Fatal, now_ms);
    1
}

fn set_file_aside(path: &Path, why: &Refused, now_ms: u64) {
    let aside = behind(path, &format!(".refused-{}", now_ms / 1_000));
    let shown = path.display();
    match fs::rename(path, &aside) {
        Ok(()) => log::error!(
            "{shown} is not restored: {why}; it is now {}, and the server starts fresh",
            aside.display()
        ),
        Err(error) => log::error!(
            "{shown} is not restored: {why}; it cannot be renamed: {error}; the server starts fresh"
        ),
    }
}

/// A state that was read is about to be restored.
pub fn begin_restore(path: &Path) {
    let restoring = behind(path, RESTORING_SUFFIX);
    let renamed = fs::rename(path, &restoring).and_then(|()| folder_of(path)?.sync_all());
    if let Err(error) = renamed {
        let path = path.display();
        log::error!("{path} cannot be renamed: {error}; the next start restores it again");
    }
}

/// It cannot be restored.
pub fn fail_restore(path: &Path, why: &Refused, now_ms: u64) {
    set_file_aside(&behind(path, RESTORING_SUFFIX), why, now_ms);
}

/// It is not restored by this process: the next one does.
pub fn put_back(path: &Path) {
    let restoring = behind(path, RESTORING_SUFFIX);
    let renamed = fs::rename(&restoring, path).and_then(|()| folder_of(path)?.sync_all());
    if let Err(error) = renamed
        && error.kind() != io::ErrorKind::NotFound
    {
        log::error!("{} cannot be renamed: {error}", restoring.display());
    }
}

/// It is restored: removes it.
pub fn end_restore(path: &Path) {
    let restoring = behind(path, RESTORING_SUFFIX);
    let removed = fs::remove_file(&restoring).and_then(|()| folder_of(path)?.sync_all());
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        log::error!("{} cannot be removed: {error}", restoring.display());
    }
}

fn behind(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn folder_of(path: &Path) -> io::Result<File> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::gateway::session::export::SavedSessions;
    use crate::testing::{make_pipe, names};

    const NOW: u64 = 1_700_000_000_000;

    fn read(path: &Path, now_ms: u64, age_max_ms: u64) -> Option<State> {
        super::read(path, now_ms, age_max_ms).state
    }

    fn state() -> State {
        State {
            saved_ms: NOW,
            sessions: vec![SavedSessions::default(), SavedSessions::default()],
            ..State::default()
        }
    }

    #[test]
    fn what_was_written_is_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db.state");
        assert_eq!(read(&path, NOW, 1_000), None);
        fs::write(behind(&path, NEW_SUFFIX), "half").unwrap();
        let bytes = write(&path, &state()).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), bytes as u64);
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path, NOW + 1_000, 1_000), Some(state()));
        begin_restore(&path);
        end_restore(&path);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn state_whose_restoration_ended_the_process_is_not_restored_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db.state");
        write(&path, &state()).unwrap();
        assert_eq!(read(&path, NOW, 1_000), Some(state()));
        begin_restore(&path);
        let left = super::read(&path, NOW, 1_000);
        assert_eq!((left.state, left.set_aside), (None, 1));
        let names = names(folder.path());
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(names[0].contains(".state.restoring.refused-"), "{names:?}");
        // The next one is restored.
        write(&path, &state()).unwrap();
        assert_eq!(read(&path, NOW, 1_000), Some(state()));
    }

    #[test]
    fn place_of_a_state_is_checked_before_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db.state");
        check_writable(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::create_dir(&path).unwrap();
        assert!(check_writable(&path).is_err());
        assert!(check_writable(&folder.path().join("gone/users.db.state")).is_err());
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let good = encode(&state()).unwrap();
        assert_eq!(decode(&good), Ok(state()));
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] ^= byte;
            decode(&bytes)
        };
        assert_eq!(changed(0, 1), Err(Refused::Foreign));
        assert_eq!(changed(8, 2), Err(Refused::Version(3)));
        assert_eq!(changed(12, 1), Err(Refused::Length));
        assert_eq!(changed(HEAD_BYTES, 1), Err(Refused::Checksum));
        for length in 0..good.len() {
            assert!(decode(&good[..length]).is_err(), "{length}");
        }
        let mut longer = good.clone();
        longer.push(0);
        assert_eq!(decode(&longer), Err(Refused::Length));
    }

    #[test]
    fn state_that_is_not_written_leaves_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db.state");
        // A folder of that name cannot be replaced.
        fs::create_dir(&path).unwrap();
        assert!(write(&path, &state()).is_err());
        assert_eq!(names(folder.path()), ["users.db.state"]);
    }

    #[test]
    fn what_cannot_be_read_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db.state");
        // To read a pipe would wait for somebody who writes to it.
        make_pipe(&path);
        assert_eq!(read(&path, NOW, 1_000), None);
        let names = names(folder.path());
        assert!(names[0].contains(".refused-"), "{names:?}");
    }

    #[test]
    fn state_that_is_not_restored_now_is_not_restored_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db.state");
        write(&path, &state()).unwrap();
        fs::write(behind(&path, NEW_SUFFIX), "half").unwrap();
        assert_eq!(set_unused_aside(&path, NOW), 1);
        let names = names(folder.path());
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(names[0].contains(".refused-"), "{names:?}");
        assert_eq!(set_unused_aside(&path, NOW), 0);
        assert_eq!(read(&path, NOW, 1_000), None);
    }

    #[test]
    fn state_of_the_future_has_no_age() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db.state");
        write(&path, &state()).unwrap();
        assert_eq!(read(&path, NOW - 60_000, 1_000), Some(state()));
        assert_eq!(read(&path, NOW - 60_001, 1_000), None);
        assert!(!path.exists());
    }

    #[test]
    fn refused_file_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db.state");
        write(&path, &state()).unwrap();
        assert_eq!(read(&path, NOW + 1_001, 1_000), None);
        assert!(!path.exists());
        let aside = behind(&path, &format!(".refused-{}", (NOW + 1_001) / 1_000));
        assert!(aside.exists());
        fs::write(&path, &encode(&state()).unwrap()[..30]).unwrap();
        assert_eq!(read(&path, NOW + 5_000, 10_000), None);
        assert!(!path.exists());
    }
}
