//! Keys for HMAC-SHA256 (RFC 2104): from a file, or random.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The bytes of a code.
pub(super) const CODE_BYTES: usize = 32;

/// The fewest bytes of a key in a file.
const KEY_BYTES_MIN: usize = 32;

/// A key. It is never written.
#[derive(Clone)]
pub(super) struct Key(Box<[u8]>);

impl Key {
    /// A random key.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub(super) fn random() -> anyhow::Result<Self> {
        let mut bytes = [0; KEY_BYTES_MIN];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
        Ok(Self(bytes.into()))
    }

    /// The key in a file, without blanks at its ends.
    ///
    /// # Errors
    /// A sentence that names the file and not its content.
    pub(super) fn read(path: &str) -> anyhow::Result<Self> {
        let bytes = crate::plain_file::read_bounded(Path::new(path))
            .map_err(|error| anyhow::anyhow!("cannot read the key file {path}: {error}"))?;
        let bytes = bytes.trim_ascii();
        anyhow::ensure!(
            bytes.len() >= KEY_BYTES_MIN,
            "the key file {path} has {} bytes; a key has at least {KEY_BYTES_MIN}, like those of \
             `openssl rand -base64 32`",
            bytes.len()
        );
        Ok(Self(bytes.into()))
    }

    /// The key in a file, which is made where there is none: for its owner alone.
    ///
    /// # Errors
    /// Where the file cannot be made or read, or has no key.
    pub(super) fn read_or_make(path: &Path) -> anyhow::Result<Self> {
        let text = path
            .to_str()
            .context("the path of the key file is not UTF-8")?;
        if !path.exists() {
            make(path)
                .map_err(|error| anyhow::anyhow!("cannot make the key file {text}: {error:#}"))?;
            log::info!("made the key of guests, {text}");
        }
        Self::read(text)
    }

    /// A key that was stored.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= KEY_BYTES_MIN).then(|| Self(bytes.into()))
    }

    /// Its bytes, to store them.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn empty_mac(&self) -> Hmac<Sha256> {
        // A key of any length is accepted.
        Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| Hmac::new(&Default::default()))
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.empty_mac();
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac
    }

    /// The code of some texts, each with its length.
    pub(super) fn code(&self, parts: &[&[u8]]) -> [u8; CODE_BYTES] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// The code of one text, as other programs make it.
    pub(super) fn plain_code(&self, text: &str) -> [u8; CODE_BYTES] {
        self.plain_mac(text).finalize().into_bytes().into()
    }

    /// Whether `code` is that of a text; takes as long for a wrong one.
    pub(super) fn is_plain_code(&self, text: &str, code: &[u8]) -> bool {
        self.plain_mac(text).verify_slice(code).is_ok()
    }

    fn plain_mac(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = self.empty_mac();
        mac.update(text.as_bytes());
        mac
    }

    /// Whether `code` is that of these texts; takes as long for a wrong one.
    pub(super) fn is_code(&self, parts: &[&[u8]], code: &[u8]) -> bool {
        self.mac(parts).verify_slice(code).is_ok()
    }
}

/// Makes a key file. A crash leaves none, or a whole one.
fn make(path: &Path) -> anyhow::Result<()> {
    let mut begun = path.as_os_str().to_owned();
    begun.push(".new");
    let begun = Path::new(&begun);
    // One that a crash left, or that somebody else put there, is not written to.
    match std::fs::remove_file(begun) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(begun)?;
    let Key(bytes) = Key::random()?;
    file.write_all(STANDARD.encode(bytes).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(begun, path)?;
    // Guests are issued with it: it must be there after a crash.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    Ok(File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn code_depends_on_key_and_on_where_texts_end() {
        let (one, other) = (Key::random().unwrap(), Key::random().unwrap());
        let code = one.code(&[b"ab", b"c"]);
        assert!(one.is_code(&[b"ab", b"c"], &code));
        assert!(!one.is_code(&[b"a", b"bc"], &code));
        assert!(!other.is_code(&[b"ab", b"c"], &code));
        assert!(!one.is_code(&[b"ab", b"c"], &code[..31]));
    }

    #[test]
    fn key_file_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = Key::read_or_make(&path).unwrap();
        let again = Key::read_or_make(&path).unwrap();
        assert!(again.is_code(&[b"a"], &made.code(&[b"a"])));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Key::read_or_make(&folder.path().join("none/key")).is_err());
    }

    #[test]
    fn file_that_is_there_already_is_not_written_to() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("key"), folder.path().join("other"));
        std::fs::write(&other, "another file").unwrap();
        symlink(&other, folder.path().join("key.new")).unwrap();
        Key::read_or_make(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "another file");
        let mode = path.symlink_metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!path.is_symlink());
    }

    #[test]
    fn short_key_is_refused_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "geheim\n").unwrap();
        let error = Key::read(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("at least 32") && !error.contains("geheim"));
        assert!(Key::read("no/such/file").is_err());
    }
}
