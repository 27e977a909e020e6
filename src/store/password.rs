//! `turntable user`: the passwords in the file of a server that is stopped.

use std::path::Path;

use anyhow::bail;

use super::Fact;
use super::file::File;
use super::transfer::open;
use turntable_core::id::UserId;

/// What becomes of a user's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The user gets one and must have none.
    Add,
    /// The user has one, which is replaced.
    Replace,
}

/// Stores the hash of a user's password. A file that does not exist is made for a new
/// user.
///
/// # Errors
/// A file that cannot be read or written; a user that has a password, or has none.
pub fn set(path: &Path, user: &UserId, hash: Box<str>, change: Change) -> anyhow::Result<()> {
    let mut file = match change {
        Change::Add => File::open(path).map_err(anyhow::Error::msg)?,
        Change::Replace => open(path)?,
    };
    match (change, is_known(&mut file, user)?) {
        (Change::Add, true) => bail!("{user} has a password; `turntable user password` changes it"),
        (Change::Replace, false) => bail!("{user} has no password; `turntable user add` gives one"),
        _ => {}
    }
    let entry = (Fact::Password, user.as_str().to_owned(), Some(hash));
    file.write(&[], &[entry], &[]).map_err(anyhow::Error::msg)
}

/// Removes a user's password.
///
/// # Errors
/// A file that cannot be read or written; a user without a password.
pub fn remove(path: &Path, user: &UserId) -> anyhow::Result<()> {
    let mut file = open(path)?;
    if !is_known(&mut file, user)? {
        bail!("{user} has no password");
    }
    let entry = (Fact::Password, user.as_str().to_owned(), None);
    file.write(&[], &[entry], &[]).map_err(anyhow::Error::msg)
}

/// The users with a password, in the order of their ids.
///
/// # Errors
/// A file that cannot be read.
pub fn list(path: &Path) -> anyhow::Result<Vec<String>> {
    let entries = open(path)?
        .facts(Fact::Password)
        .map_err(anyhow::Error::msg)?;
    Ok(entries.into_iter().map(|(user, _)| user).collect())
}

fn is_known(file: &mut File, user: &UserId) -> anyhow::Result<bool> {
    let entries = file.facts(Fact::Password).map_err(anyhow::Error::msg)?;
    Ok(entries.iter().any(|(known, _)| known == user.as_str()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn password_is_added_once_replaced_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        let user = |text: &str| UserId::parse(text).unwrap();
        assert!(list(&path).is_err(), "there is no file");
        assert!(set(&path, &user("1:1"), "a".into(), Change::Replace).is_err());
        set(&path, &user("1:1"), "a".into(), Change::Add).unwrap();
        assert!(set(&path, &user("1:1"), "b".into(), Change::Add).is_err());
        assert!(set(&path, &user("1:2"), "b".into(), Change::Replace).is_err());
        set(&path, &user("1:1"), "b".into(), Change::Replace).unwrap();
        assert_eq!(list(&path).unwrap(), ["1:1"]);
        remove(&path, &user("1:1")).unwrap();
        assert!(remove(&path, &user("1:1")).is_err());
        assert!(list(&path).unwrap().is_empty());
    }
}
