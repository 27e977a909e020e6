//! Files that the configuration names. A pipe or a device may have no end, and a server that waits
//! for one holds up all that waits for its configuration.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The most bytes of such a file: a mistaken name should not fill the memory.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Opens a file for reading.
///
/// # Errors
/// One that is no plain file, or the system's error.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // To open a pipe waits for somebody who writes to it, but for this flag. It is looked at once it
    // is open: another one may have taken its name before.
    let mut options = OpenOptions::new();
    options.custom_flags(turntable_sys::OPEN_WITHOUT_WAITING);
    let file = options.read(true).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(wrong("it is no plain file")),
    }
}

/// The content of a file that the server itself has written, of any size.
///
/// # Errors
/// One that is no plain file, or the system's error.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The content of a file.
///
/// # Errors
/// One that is no plain file or too large, or the system's error.
pub(crate) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // What is read counts: a file may grow meanwhile, and one of the system may have more than its length.
    open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > BYTES_MAX {
        true => Err(wrong(&format!("it has more than {BYTES_MAX} bytes"))),
        false => Ok(bytes),
    }
}

/// The same of a text.
///
/// # Errors
/// One that is no plain file, too large or no text, or the system's error.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read_bounded(path)?);
    text.map_err(|_| wrong("it is no text in UTF-8"))
}

fn wrong(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::make_pipe;

    #[test]
    fn files_alone_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "b").unwrap();
        assert_eq!(read(&file).unwrap(), b"b");
        assert_eq!(read_text(&file).unwrap(), "b");
        let pipe = folder.path().join("pipe");
        make_pipe(&pipe);
        for path in [folder.path(), Path::new("/dev/zero"), &pipe] {
            let error = read_text(path).unwrap_err().to_string();
            assert_eq!(error, "it is no plain file");
        }
    }

    #[test]
    fn only_the_servers_own_files_are_read_whole_whatever_their_size() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::File::create(&file)
            .unwrap()
            .set_len(BYTES_MAX + 1)
            .unwrap();
        for error in [read_text(&file).err(), read_bounded(&file).err()] {
            assert_eq!(error.unwrap().to_string(), "it has more than 4194304 bytes");
        }
        assert_eq!(read(&file).unwrap().len() as u64, BYTES_MAX + 1);
    }
}
