//! Files that the configuration names. A pipe or a device may have no end, and a server that waits
//! for one holds up all that waits for its configuration.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Opens a file for reading.
///
/// # Errors
/// One that is no plain file, or the system's error.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Before it is opened: to open a pipe waits for somebody who writes to it.
    if !fs::metadata(path)?.is_file() {
        let message = "it is no plain file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    File::open(path)
}

/// The content of a file.
///
/// # Errors
/// One that is no plain file, or the system's error.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same of a text.
///
/// # Errors
/// One that is no plain file or no text, or the system's error.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_alone_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "b").unwrap();
        assert_eq!(read(&file).unwrap(), b"b");
        assert_eq!(read_text(&file).unwrap(), "b");
        for path in [folder.path(), Path::new("/dev/zero")] {
            let error = read_text(path).unwrap_err().to_string();
            assert_eq!(error, "it is no plain file");
        }
    }
}
