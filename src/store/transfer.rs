//! `turntable store`: the file of a server that is stopped, as lines of JSON and back,
//! and a look through the whole file.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::channel::backup;
use super::file::{Batch, Entry, FactEntry, File, Seen};
use super::{Fact, record};
use turntable_core::id::{ChannelId, UserId};

/// Users of one commit of a restore.
const BATCH: usize = 1_000;

/// A user with what the file has of it.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    user: String,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    /// The hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<Box<str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    ban: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    blocked: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    session: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    erased: Option<&'a RawValue>,
    /// When it was last seen, Unix ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen: Option<u64>,
    /// Whether it has shown who it is, or came on more than one day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    known: bool,
}

/// What the file has of one user.
#[derive(Default)]
struct Known {
    record: Option<Vec<u8>>,
    password: Option<Box<str>>,
    ban: Option<Box<str>>,
    blocked: Option<Box<str>>,
    session: Option<Box<str>>,
    erased: Option<Box<str>>,
    last_seen: Option<u64>,
    is_known: bool,
}

impl Known {
    const fn fact(&mut self, fact: Fact) -> &mut Option<Box<str>> {
        match fact {
            Fact::Password => &mut self.password,
            Fact::Ban => &mut self.ban,
            Fact::Blocked => &mut self.blocked,
            Fact::Session => &mut self.session,
            Fact::Erased => &mut self.erased,
        }
    }

    /// Its line, as long as all of it is JSON.
    fn line(&self, user: &str) -> serde_json::Result<Line<'_>> {
        Ok(Line {
            user: user.to_owned(),
            record: raw(self.record.as_deref())?,
            password: self.password.clone(),
            ban: raw(self.ban.as_deref().map(str::as_bytes))?,
            blocked: raw(self.blocked.as_deref().map(str::as_bytes))?,
            session: raw(self.session.as_deref().map(str::as_bytes))?,
            erased: raw(self.erased.as_deref().map(str::as_bytes))?,
            last_seen: self.last_seen,
            known: self.is_known,
        })
    }
}

fn raw(json: Option<&[u8]>) -> serde_json::Result<Option<&RawValue>> {
    json.map(serde_json::from_slice).transpose()
}

/// All users of a file, in the order of their ids.
fn users(file: &mut File) -> Result<BTreeMap<String, Known>, String> {
    let mut users: BTreeMap<String, Known> = BTreeMap::new();
    for (user, record) in file.all()? {
        users.entry(user).or_default().record = Some(record);
    }
    for fact in Fact::ALL {
        for (user, text) in file.facts(fact)? {
            *users.entry(user).or_default().fact(fact) = Some(text);
        }
    }
    for (user, at_ms) in file.all_seen()? {
        users.entry(user).or_default().last_seen = Some(at_ms);
    }
    for user in file.known()? {
        users.entry(user).or_default().is_known = true;
    }
    Ok(users)
}

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
    let users = users(&mut file).map_err(anyhow::Error::msg)?;
    for (user, known) in &users {
        let line = known.line(user);
        let line = line.with_context(|| format!("the record of {user} is not readable"))?;
        put(&line, out)?;
    }
    for line in file.channels().map_err(anyhow::Error::msg)? {
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(users.len())
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
    let (mut entries, mut facts, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    let (mut channels, mut known_users, mut count) = (Vec::new(), HashSet::new(), 0);
    for (number, line) in (1..).zip(lines.lines()) {
        let text = line.context("the backup cannot be read")?;
        if let Some(channel) = channel(&text) {
            channels.push(channel);
            continue;
        }
        let (entry, known, at_ms, is_known) =
            read(&text).with_context(|| format!("line {number} of the backup"))?;
        if let (Some((user, _)), true) = (&entry, is_known) {
            known_users.insert(user.clone());
        }
        entries.extend(entry);
        facts.extend(known);
        seen.extend(at_ms);
        count += 1;
    }
    let mut file = File::open(path).map_err(anyhow::Error::msg)?;
    for entries in entries.chunks(BATCH) {
        let known = known_of(entries, &known_users);
        let batch = Batch {
            entries,
            known: &known,
            ..Batch::default()
        };
        file.write_batch(batch).map_err(anyhow::Error::msg)?;
    }
    for batch in facts.chunks(BATCH) {
        file.write(&[], batch, &[]).map_err(anyhow::Error::msg)?;
    }
    for seen in seen.chunks(BATCH) {
        let batch = Batch {
            seen,
            ..Batch::default()
        };
        file.write_batch(batch).map_err(anyhow::Error::msg)?;
    }
    file.restore_channels(&channels)
        .map_err(anyhow::Error::msg)?;
    Ok(count)
}

/// The users of a commit that are known.
fn known_of(entries: &[Entry], known: &HashSet<String>) -> Vec<String> {
    let users = entries.iter().map(|(user, _)| user);
    users
        .filter(|user| known.contains(*user))
        .cloned()
        .collect()
}

/// A line of a channel.
fn channel(text: &str) -> Option<backup::Line> {
    let line: backup::Line = serde_json::from_str(text).ok()?;
    ChannelId::parse(&line.channel).ok()?;
    Some(line)
}

/// What a line says of a user.
type Read = (Option<Entry>, Vec<FactEntry>, Option<Seen>, bool);

fn read(text: &str) -> anyhow::Result<Read> {
    let line: Line<'_> = serde_json::from_str(text)?;
    let (user, is_known) = (line.user, line.known);
    UserId::parse(&user).map_err(|_| anyhow::anyhow!("{user:?} is no user id"))?;
    let entry = match line.record.map(|record| record.get().as_bytes()) {
        Some(record) if record::read(record).is_none() => {
            bail!("the record of {user} is not readable")
        }
        record => record.map(|record| (user.clone(), record.to_vec())),
    };
    let seen = line.last_seen.map(|at_ms| (user.clone(), at_ms));
    let json = |value: Option<&RawValue>| value.map(|value| value.get().into());
    let facts = [
        (Fact::Password, line.password),
        (Fact::Ban, json(line.ban)),
        (Fact::Blocked, json(line.blocked)),
        (Fact::Session, json(line.session)),
        (Fact::Erased, json(line.erased)),
    ];
    let known = facts.into_iter().filter(|(_, text)| text.is_some());
    let known: Vec<FactEntry> = known
        .map(|(fact, text)| (fact, user.clone(), text))
        .collect();
    if entry.is_none() && known.is_empty() && seen.is_none() {
        bail!("there is nothing of {user}");
    }
    Ok((entry, known, seen, is_known))
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
    Ok(users(&mut file).map_err(anyhow::Error::msg)?.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn commit_of_a_restore_has_its_own_known_users_alone() {
        let known = ["1:1", "1:2", "1:3"].map(str::to_owned).into();
        let entries = ["1:2", "1:4"].map(|user| (user.to_owned(), Vec::new()));
        assert_eq!(known_of(&entries, &known), ["1:2"]);
    }

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
        let ban = ("1:4".to_owned(), Box::<str>::from("{\"until_ms\":1}"));
        let password = |(user, hash)| (Fact::Password, user, Some(hash));
        let mut written: Vec<FactEntry> = passwords.clone().map(password).into();
        written.push((Fact::Ban, ban.0.clone(), Some(ban.1.clone())));
        let session = ("1:3".to_owned(), Box::<str>::from("{\"code\":\"x\"}"));
        written.push((Fact::Session, session.0.clone(), Some(session.1.clone())));
        written.push((Fact::Erased, "1:3".to_owned(), Some("7".into())));
        let seen = [("1:2".to_owned(), 7), ("1:5".to_owned(), 8)];
        File::open(&first)
            .unwrap()
            .write_batch(Batch {
                entries: &entries,
                facts: &written,
                seen: &seen,
                known: &["1:1".to_owned()],
                ..Batch::default()
            })
            .unwrap();
        let mut lines = Vec::new();
        assert_eq!(backup(&first, &mut lines).unwrap(), 5);
        assert_eq!(restore(&second, &mut &*lines).unwrap(), 5);
        let mut file = File::open(&second).unwrap();
        assert_eq!(file.all().unwrap(), entries);
        assert_eq!(file.facts(Fact::Password).unwrap(), passwords);
        assert_eq!(file.facts(Fact::Ban).unwrap(), [ban]);
        assert_eq!(file.facts(Fact::Session).unwrap(), [session]);
        let erased = ("1:3".to_owned(), "7".into());
        assert_eq!(file.facts(Fact::Erased).unwrap(), [erased]);
        assert_eq!(file.all_seen().unwrap(), seen);
        assert_eq!(file.known().unwrap(), ["1:1"]);
        drop(file);
        assert_eq!(check(&second).unwrap(), 5);
        assert!(restore(&second, &mut &*lines).is_err());
        let third = folder.path().join("c");
        assert!(restore(&third, &mut &b"{\"user\":\"x\"}\n"[..]).is_err());
        assert!(check(&folder.path().join("none")).is_err());
    }
}
