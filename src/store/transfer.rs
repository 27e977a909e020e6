//! `turntable store`: the file of a server that is stopped, as lines of JSON and back,
//! and a look through the whole file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::channel::backup;
use super::file::{Entry, File, PasswordEntry};
use super::record;
use turntable_core::id::{ChannelId, UserId};

/// Users of one commit of a restore.
const BATCH: usize = 1_000;

/// A user with its record, its password, or both.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    user: String,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    /// The hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<Box<str>>,
}

type Hashes = BTreeMap<String, Box<str>>;

/// Opens a file that exists.
pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    if !path.exists() {
        bail!("there is no file {}", path.display());
    }
    File::open(path).map_err(anyhow::Error::msg)
}

/// Writes a line for each user, and for each channel. Returns how many users.
///
/// # Errors
/// A file that cannot be read, an output that cannot be written.
pub fn backup(path: &Path, out: &mut dyn Write) -> anyhow::Result<usize> {
    let mut file = open(path)?;
    let entries = file.all().map_err(anyhow::Error::msg)?;
    let passwords = file.passwords().map_err(anyhow::Error::msg)?;
    let mut passwords: Hashes = passwords.into_iter().collect();
    let count = entries.len();
    for (user, bytes) in entries {
        let record = serde_json::from_slice(&bytes)
            .with_context(|| format!("the record of {user} is not readable"))?;
        let line = Line {
            password: passwords.remove(&user),
            user,
            record: Some(record),
        };
        put(&line, out)?;
    }
    let count = count + passwords.len();
    for (user, hash) in passwords {
        let line = Line {
            user,
            record: None,
            password: Some(hash),
        };
        put(&line, out)?;
    }
    for line in file.channels().map_err(anyhow::Error::msg)? {
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(count)
}

fn put(line: &Line<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    Ok(out.write_all(b"\n")?)
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
    let (mut entries, mut passwords, mut count) = (Vec::new(), Vec::new(), 0);
    let mut channels = Vec::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let text = line.context("the backup cannot be read")?;
        if let Some(channel) = channel(&text) {
            channels.push(channel);
            continue;
        }
        let (entry, password) =
            read(&text).with_context(|| format!("line {number} of the backup"))?;
        entries.extend(entry);
        passwords.extend(password);
        count += 1;
    }
    let mut file = File::open(path).map_err(anyhow::Error::msg)?;
    for batch in entries.chunks(BATCH) {
        file.write(batch, &[], &Default::default())
            .map_err(anyhow::Error::msg)?;
    }
    for batch in passwords.chunks(BATCH) {
        file.write(&[], batch, &Default::default())
            .map_err(anyhow::Error::msg)?;
    }
    file.restore_channels(&channels)
        .map_err(anyhow::Error::msg)?;
    Ok(count)
}

/// A line of a channel.
fn channel(text: &str) -> Option<backup::Line> {
    let line: backup::Line = serde_json::from_str(text).ok()?;
    ChannelId::parse(&line.channel).ok()?;
    Some(line)
}

fn read(text: &str) -> anyhow::Result<(Option<Entry>, Option<PasswordEntry>)> {
    let line: Line<'_> = serde_json::from_str(text)?;
    let user = line.user;
    UserId::parse(&user).map_err(|_| anyhow::anyhow!("{user:?} is no user id"))?;
    if line.record.is_none() && line.password.is_none() {
        bail!("{user} has neither a record nor a password");
    }
    let entry = match line.record.map(|record| record.get().as_bytes()) {
        Some(record) if record::read(record).is_none() => {
            bail!("the record of {user} is not readable")
        }
        record => record.map(|record| (user.clone(), record.to_vec())),
    };
    Ok((entry, line.password.map(|hash| (user, Some(hash)))))
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
    let passwords = file.passwords().map_err(anyhow::Error::msg)?;
    let users = entries.iter().map(|(user, _)| user);
    let users: BTreeSet<&String> = users
        .chain(passwords.iter().map(|(user, _)| user))
        .collect();
    Ok(users.len())
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
        let hash = |user: &str| (user.to_owned(), Box::<str>::from("$hash"));
        let passwords = [hash("1:2"), hash("1:3")];
        let written = passwords.clone().map(|(user, hash)| (user, Some(hash)));
        File::open(&first)
            .unwrap()
            .write(&entries, &written, &Default::default())
            .unwrap();
        let mut lines = Vec::new();
        assert_eq!(backup(&first, &mut lines).unwrap(), 3);
        assert_eq!(restore(&second, &mut &*lines).unwrap(), 3);
        let mut file = File::open(&second).unwrap();
        assert_eq!(file.all().unwrap(), entries);
        assert_eq!(file.passwords().unwrap(), passwords);
        drop(file);
        assert_eq!(check(&second).unwrap(), 3);
        assert!(restore(&second, &mut &*lines).is_err());
        let third = folder.path().join("c");
        assert!(restore(&third, &mut &b"{\"user\":\"x\"}\n"[..]).is_err());
        assert!(check(&folder.path().join("none")).is_err());
    }
}
