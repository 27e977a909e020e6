//! The file with what calls have set and with the versions, of a server that runs. A change is
//! written in two steps: before it is put in force, where it may still be refused, and after.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::clock;

use super::saved::{Extent, IN_FORCE, Saved, read_with_extent};

/// What a file that is not whole yet is called, behind its path.
const NEW_SUFFIX: &str = ".new";
/// What a part of a line is called that was the end of the file, with the time in seconds.
const TORN_SUFFIX: &str = ".torn-";

/// The file.
#[derive(Debug)]
pub struct SavedFile {
    path: PathBuf,
    /// `None` where it has to be written as a whole.
    extent: Option<Extent>,
}

/// What is written, and not yet in force.
#[derive(Debug)]
pub struct Staged {
    step: Step,
    /// How far the file goes with it.
    extent: Extent,
}

#[derive(Debug)]
enum Step {
    /// A whole file takes the place of the one before.
    Whole(PathBuf),
    /// A line at the end of the file.
    Line { file: File, at: u64 },
}

impl SavedFile {
    /// The file at a path, and what it has; nothing where it does not exist. A torn last line is
    /// set aside.
    ///
    /// # Errors
    /// A sentence for a file that cannot be read.
    pub fn open(path: PathBuf) -> Result<(Self, Option<Saved>), String> {
        let found = read_with_extent(&path)?;
        let (saved, extent) = found.unzip();
        if let Some(extent) = extent.filter(|extent| extent.is_torn) {
            let aside = set_aside(&path, extent.bytes);
            let aside = aside.map_or_else(
                |error| format!("stays there: {error}"),
                |aside| format!("is in {} now", aside.display()),
            );
            log::warn!(
                "the last line of {} is not whole, as after a power failure: the last change by a \
                 call is not in force; the line {aside}",
                path.display()
            );
        }
        // A file of a release before has no line's end.
        let extent = extent.filter(|extent| ends_with_line(&path, extent.bytes));
        Ok((Self { path, extent }, saved))
    }

    /// Writes what is new in `saved`, without putting it in force.
    ///
    /// # Errors
    /// The system's error.
    pub fn stage(&mut self, saved: &Saved) -> io::Result<Staged> {
        let line = match &self.extent {
            Some(extent) => saved.line_behind(extent)?.zip(Some(*extent)),
            None => None,
        };
        if let Some((line, extent)) = line
            && let Some(file) = self.as_known(extent)
        {
            return self.stage_line(file, &line, extent, saved);
        }
        self.stage_whole(saved)
    }

    /// The file, if it is as it was written last.
    fn as_known(&self, extent: Extent) -> Option<File> {
        let file = OpenOptions::new().write(true).open(&self.path).ok()?;
        let length = file.metadata().ok()?.len();
        (length == extent.all_bytes).then_some(file)
    }

    fn stage_line(
        &mut self,
        file: File,
        line: &str,
        extent: Extent,
        saved: &Saved,
    ) -> io::Result<Staged> {
        // Until it is written.
        self.extent = None;
        file.set_len(extent.bytes)?;
        file.write_all_at(line.as_bytes(), extent.bytes)?;
        file.sync_all()?;
        let all_bytes = extent.bytes + line.len() as u64;
        self.extent = Some(Extent {
            all_bytes,
            ..extent
        });
        let at = extent.bytes;
        Ok(Staged {
            step: Step::Line { file, at },
            extent: Extent {
                bytes: all_bytes,
                all_bytes,
                lines: extent.lines + 1,
                last: saved.versions.last(),
                is_torn: false,
            },
        })
    }

    fn stage_whole(&self, saved: &Saved) -> io::Result<Staged> {
        let text = saved.whole()?;
        let new = behind(&self.path, NEW_SUFFIX);
        write(&new, text.as_bytes())?;
        let bytes = text.len() as u64;
        Ok(Staged {
            step: Step::Whole(new),
            extent: Extent {
                bytes,
                all_bytes: bytes,
                lines: 0,
                last: saved.versions.last(),
                is_torn: false,
            },
        })
    }

    /// Puts in force what was written last.
    ///
    /// # Errors
    /// The system's error.
    pub fn commit(&mut self, staged: Staged) -> io::Result<()> {
        self.extent = None;
        match staged.step {
            Step::Line { file, at } => {
                // A byte that is there: this needs no room.
                file.write_all_at(&[IN_FORCE], at)?;
                file.sync_all()?;
            }
            Step::Whole(new) => {
                fs::rename(&new, &self.path)?;
                let folder = match self.path.parent() {
                    Some(folder) if !folder.as_os_str().is_empty() => folder,
                    _ => Path::new("."),
                };
                File::open(folder)?.sync_all()?;
            }
        }
        self.extent = Some(staged.extent);
        Ok(())
    }
}

/// The path with this behind it.
fn behind(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes a whole file that has secrets.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Ends a file after so many bytes. The rest goes into a file of its own, which is returned.
fn set_aside(path: &Path, bytes: u64) -> io::Result<PathBuf> {
    let all = fs::read(path)?;
    let length = usize::try_from(bytes).unwrap_or(usize::MAX);
    let rest = all.get(length..).unwrap_or_default();
    let aside = behind(path, &format!("{TORN_SUFFIX}{}", clock::now_ms() / 1_000));
    write(&aside, rest)?;
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(bytes)?;
    file.sync_all()?;
    Ok(aside)
}

/// Whether the last of so many bytes of a file ends a line.
fn ends_with_line(path: &Path, bytes: u64) -> bool {
    let mut last = [0];
    let read = File::open(path).and_then(|file| {
        let at = bytes.saturating_sub(1);
        file.read_exact_at(&mut last, at)
    });
    read.is_ok() && last == *b"\n"
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::super::saved::tests::add;
    use super::super::saved::{beside, is_torn, read};
    use super::super::version::VERSIONS_MAX;
    use super::*;

    /// A folder, the path of a file in it, and what is saved there.
    struct Scene {
        _folder: tempfile::TempDir,
        path: PathBuf,
        file: SavedFile,
        saved: Saved,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = folder.path().join("users.db");
            let path = beside(store.to_str().unwrap()).unwrap();
            let (file, saved) = SavedFile::open(path.clone()).unwrap();
            assert_eq!(saved, None);
            Self {
                _folder: folder,
                path,
                file,
                saved: Saved::default(),
            }
        }

        /// Saves one more version.
        fn change(&mut self, text: &str) {
            add(&mut self.saved, Some(text), 7);
            let staged = self.file.stage(&self.saved).unwrap();
            self.file.commit(staged).unwrap();
            assert_eq!(read(&self.path), Ok(Some(self.saved.clone())));
        }

        fn size(&self) -> u64 {
            fs::metadata(&self.path).unwrap().len()
        }

        fn inode(&self) -> u64 {
            fs::metadata(&self.path).unwrap().ino()
        }
    }

    #[test]
    fn change_writes_its_own_version_only() {
        let mut scene = Scene::new();
        let text = "# a long file\n".repeat(1_000);
        scene.change(&text);
        let (first, inode) = (scene.size(), scene.inode());
        for _ in 0..VERSIONS_MAX {
            scene.change(&text);
        }
        assert_eq!(scene.inode(), inode, "the same file");
        assert!(scene.size() < first + 500 * VERSIONS_MAX as u64);
        // It does not grow without end.
        scene.change(&text);
        assert_ne!(scene.inode(), inode, "written again");
        let mode = fs::metadata(&scene.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // The next process goes on with it.
        let (file, saved) = SavedFile::open(scene.path.clone()).unwrap();
        assert_eq!(saved.as_ref(), Some(&scene.saved));
        scene.file = file;
        let inode = scene.inode();
        scene.change(&text);
        assert_eq!(scene.inode(), inode);
    }

    #[test]
    fn version_that_was_refused_is_not_saved() {
        let mut scene = Scene::new();
        for _ in 0..2 {
            scene.change("# a");
        }
        let before = scene.saved.clone();
        add(&mut scene.saved, Some("# refused"), 7);
        let staged = scene.file.stage(&scene.saved).unwrap();
        drop(staged);
        assert_eq!(read(&scene.path), Ok(Some(before.clone())));
        scene.saved = before;
        scene.change("# b");
        let text = fs::read_to_string(&scene.path).unwrap();
        assert!(!text.contains("refused"), "{text}");
        // The same where the process ended before.
        add(&mut scene.saved.clone(), Some("# refused"), 7);
        fs::write(&scene.path, text + "-{\"version\": 4, \"by").unwrap();
        let (file, saved) = SavedFile::open(scene.path.clone()).unwrap();
        assert_eq!(saved.as_ref(), Some(&scene.saved));
        scene.file = file;
        scene.change("# c");
    }

    #[test]
    fn torn_last_line_is_set_aside() {
        let mut scene = Scene::new();
        scene.change("# a");
        let (before, size) = (scene.saved.clone(), scene.size());
        scene.change("# b");
        let file = OpenOptions::new().write(true).open(&scene.path).unwrap();
        file.set_len(scene.size() - 20).unwrap();
        let torn = fs::read(&scene.path).unwrap().split_off(size as usize);
        assert!(is_torn(&scene.path));
        let (file, saved) = SavedFile::open(scene.path.clone()).unwrap();
        assert_eq!(saved.as_ref(), Some(&before));
        assert_eq!((scene.size(), is_torn(&scene.path)), (size, false));
        let folder = fs::read_dir(scene.path.parent().unwrap()).unwrap();
        let mut paths = folder.map(|entry| entry.unwrap().path());
        let is_aside = |path: &PathBuf| path.to_string_lossy().contains(".config.torn-");
        let aside = paths.find(is_aside).unwrap();
        assert_eq!(fs::read(&aside).unwrap(), torn);
        let mode = fs::metadata(&aside).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // It goes on.
        (scene.file, scene.saved) = (file, before);
        scene.change("# c");
    }

    #[test]
    fn file_that_another_one_has_changed_is_written_as_a_whole() {
        let mut scene = Scene::new();
        scene.change("# a");
        fs::remove_file(&scene.path).unwrap();
        scene.change("# b");
        fs::write(&scene.path, "{}").unwrap();
        scene.change("# c");
        // One of a release before, whose last line has no end.
        let text = fs::read_to_string(&scene.path).unwrap();
        fs::write(&scene.path, text.trim_end()).unwrap();
        let (file, saved) = SavedFile::open(scene.path.clone()).unwrap();
        assert_eq!(saved.as_ref(), Some(&scene.saved));
        scene.file = file;
        scene.change("# d");
        fs::write(&scene.path, "{").unwrap();
        assert!(read(&scene.path).unwrap_err().contains("cannot be read"));
    }
}
