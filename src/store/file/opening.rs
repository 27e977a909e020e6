//! A file is opened: it is made where there is none, and looked through where it was not
//! closed or is small.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::Database;

use super::{Batch, Bounds, users, write};
use crate::clock;
use crate::log_limit::LogLimit;
use crate::store::guard::{Fault, guard, guard_apart};
use crate::store::retained::RetainedChannels;

/// A file is opened again after an error.
static UNCLEAN: LogLimit = LogLimit::new();
static REPAIRED: LogLimit = LogLimit::new();

/// Makes a file that its owner alone may read, where there is none: it has hashes of
/// passwords. Returns whether there was none.
fn make(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens the database of a file. One that `is_known` is not made: were it gone, its users
/// would begin anew without a word.
pub(super) fn open(path: &Path, is_known: bool, check_bytes_max: u64) -> Result<Database, Fault> {
    let io = |error: std::io::Error| Fault::other(error.to_string());
    let is_new = !is_known && make(path).map_err(io)?;
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if bytes == 0 && !is_new {
        return Err(Fault::other(
            "the file is empty, and a store is not; put a backup in its place, or remove it \
             to begin a new store",
        ));
    }
    let (of, is_checked) = (path.to_owned(), !is_new && bytes <= check_bytes_max);
    let opened = guard_apart(move || open_database(&of, is_checked));
    if is_new && opened.is_err() {
        // The next start would find an empty file. That it stays is said then.
        let _ = std::fs::remove_file(path);
    }
    opened
}

fn open_database(path: &Path, is_checked: bool) -> Result<Database, Fault> {
    let is_unclean = Arc::new(AtomicBool::new(false));
    let seen = is_unclean.clone();
    let mut builder = Database::builder();
    builder.set_repair_callback(move |_| seen.store(true, Ordering::Relaxed));
    let mut database = guard(|| builder.create(path))?;
    let is_unclean = is_unclean.load(Ordering::Relaxed);
    if is_unclean && let Some(left_out) = UNCLEAN.admit(clock::now_ms()) {
        let path = path.display();
        log::warn!("the store {path} was not closed; it is checked{left_out}");
    }
    if (is_unclean || is_checked)
        && !guard(|| database.check_integrity())?
        && let Some(left_out) = REPAIRED.admit(clock::now_ms())
    {
        let path = path.display();
        log::warn!(
            "the store {path} was damaged and is repaired; its last commit may be lost{left_out}"
        );
    }
    // The tables exist from here on, also in the file of an earlier version, and the file
    // can be written.
    let mut retained = RetainedChannels::default();
    guard(|| {
        write(
            &database,
            Batch::default(),
            (Bounds::NONE, &|_| false),
            None,
            &mut retained,
        )
    })?;
    guard(|| {
        let transaction = database.begin_write()?;
        users::put_in_order(&transaction)?;
        transaction.commit()?;
        Ok::<_, redb::Error>(())
    })?;
    Ok(database)
}
