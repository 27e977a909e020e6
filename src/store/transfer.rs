//! `turntable store`: the file of a server that is stopped, as lines of JSON and back,
//! and a look through the whole file.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::file::{Entry, File, Seen};
use super::record;
use turntable_core::id::UserId;

/// Users of one commit of a restore.
const BATCH: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    user: String,
    /// Omitted where the user has no attributes.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    /// When it was last seen, Unix ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen: Option<u64>,
}

fn open(path: &Path) -> anyhow::Result<File> {
    if !path.exists() {
        bail!("there is no file {}", path.display());
    }
    File::open(path, usize::MAX).map_err(anyhow::Error::msg)
}

/// Writes a line for each user. Returns how many.
///
/// # Errors
/// A file that cannot be read, an output that cannot be written.
pub fn backup(path: &Path, out: &mut dyn Write) -> anyhow::Result<usize> {
    let mut file = open(path)?;
    let mut users: BTreeMap<String, (Option<Vec<u8>>, Option<u64>)> = BTreeMap::new();
    for (user, bytes) in file.all().map_err(anyhow::Error::msg)? {
        users.entry(user).or_default().0 = Some(bytes);
    }
    for (user, at_ms) in file.all_seen().map_err(anyhow::Error::msg)? {
        users.entry(user).or_default().1 = Some(at_ms);
    }
    for (user, (bytes, last_seen)) in &users {
        let record = bytes.as_deref().map(serde_json::from_slice).transpose();
        let line = Line {
            user: user.clone(),
            record: record.with_context(|| format!("the record of {user} is not readable"))?,
            last_seen: *last_seen,
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(users.len())
}

/// Makes a file of the lines of a backup. Returns how many users it has.
///
/// # Errors
/// A file that exists, a line that is none of a backup.
pub fn restore(path: &Path, lines: &mut dyn BufRead) -> anyhow::Result<usize> {
    if path.exists() {
        bail!(
            "{} exists; a backup is restored to a new file",
            path.display()
        );
    }
    let (mut entries, mut seen) = (Vec::new(), Vec::new());
    let mut users = 0;
    for (number, line) in (1..).zip(lines.lines()) {
        let text = line.context("the backup cannot be read")?;
        let (record, at_ms) =
            entry(&text).with_context(|| format!("line {number} of the backup"))?;
        entries.extend(record);
        seen.extend(at_ms);
        users = number;
    }
    let mut file = File::open(path, usize::MAX).map_err(anyhow::Error::msg)?;
    for batch in entries.chunks(BATCH) {
        file.write(batch, &[]).map_err(anyhow::Error::msg)?;
    }
    for batch in seen.chunks(BATCH) {
        file.write(&[], batch).map_err(anyhow::Error::msg)?;
    }
    Ok(users)
}

/// What a line says: the record of a user, and when it was last seen.
fn entry(text: &str) -> anyhow::Result<(Option<Entry>, Option<Seen>)> {
    let line: Line<'_> = serde_json::from_str(text)?;
    UserId::parse(&line.user).map_err(|_| anyhow::anyhow!("{:?} is no user id", line.user))?;
    let record = line.record.map(|record| record.get().as_bytes());
    if record.is_some_and(|record| record::read(record).is_none()) {
        bail!("the record of {} is not readable", line.user);
    }
    if record.is_none() && line.last_seen.is_none() {
        bail!("the line has neither record nor last_seen");
    }
    let seen = line.last_seen.map(|at_ms| (line.user.clone(), at_ms));
    Ok((record.map(|record| (line.user, record.to_vec())), seen))
}

/// Looks through the whole file. Returns how many users it has.
///
/// # Errors
/// What is wrong with it.
pub fn check(path: &Path) -> anyhow::Result<usize> {
    let mut file = open(path)?;
    if !file.check().map_err(anyhow::Error::msg)? {
        bail!("{} was damaged; what could be was repaired", path.display());
    }
    let entries = file.all().map_err(anyhow::Error::msg)?;
    let is_damaged = |entry: &&Entry| record::read(&entry.1).is_none();
    if let Some((user, _)) = entries.iter().find(is_damaged) {
        bail!("the record of {user} is not readable");
    }
    Ok(entries.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn restored_file_has_what_was_backed_up() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        let record = br#"{"attributes":{"n":1.50}}"#.to_vec();
        let entries = [
            ("1:1".to_owned(), record.clone()),
            ("1:2".to_owned(), record),
        ];
        let seen = [("1:2".to_owned(), 7), ("1:3".to_owned(), 8)];
        let open = |path| File::open(path, 9).unwrap();
        open(&first).write(&entries, &seen).unwrap();
        let mut lines = Vec::new();
        assert_eq!(backup(&first, &mut lines).unwrap(), 3);
        assert_eq!(restore(&second, &mut &*lines).unwrap(), 3);
        assert_eq!(open(&second).all().unwrap(), entries);
        assert_eq!(open(&second).all_seen().unwrap(), seen);
        assert_eq!(check(&second).unwrap(), 2);
        assert!(restore(&second, &mut &*lines).is_err());
        let third = folder.path().join("c");
        assert!(restore(&third, &mut &b"{\"user\":\"x\"}\n"[..]).is_err());
        assert!(check(&folder.path().join("none")).is_err());
    }
}
