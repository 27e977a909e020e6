//! Work on the database, which may panic where a page of the file is damaged.
//!
//! The database checks the sums of its pages when it is repaired or looked through, and
//! not at each read: a damaged page is an error or a panic of its code. Such a panic ends
//! the one operation. The database allows it: a transaction that is dropped by a panic is
//! not committed, and leaves the others alone. A second panic while the first unwinds ends
//! the process all the same. It is known of a commit that panics while it sums a page, which
//! one of some thousand random damages causes; the next start looks through the file then.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use redb::{DatabaseError, StorageError};

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// A sentence.
    pub(super) text: String,
    /// Whether the file has something that is none of a database. Otherwise the file could
    /// not be read or written, and the database takes nothing more.
    pub(super) is_damage: bool,
}

impl Fault {
    /// A fault that is none of a page.
    pub(super) fn other(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_damage: false,
        }
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::other("another process has it open"),
            redb::Error::Corrupted(what) => Self {
                text: format!("it is damaged: {what}"),
                is_damage: true,
            },
            error => Self::other(error.to_string()),
        }
    }
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        redb::Error::from(error).into()
    }
}

thread_local! {
    /// Whether this thread works on the database.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where its code panicked.
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics of work that is guarded are not printed: they are reported as faults.
fn be_quiet_about_faults() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // A second one while the first unwinds ends the process.
            if !IS_GUARDED.get() || PANICKED_AT.with_borrow(|at| !at.is_empty()) {
                return others(info);
            }
            let at = info
                .location()
                .map(|at| format!("{}:{}", at.file(), at.line()));
            PANICKED_AT.set(at.unwrap_or_default());
        }));
    });
}

/// Works on the database. A panic of its code is a fault, for damage.
pub(super) fn guard<T, E: Into<Fault>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, Fault> {
    be_quiet_about_faults();
    let before = IS_GUARDED.replace(true);
    // What the work leaves half done is of the database, which expects it.
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(before);
    match done {
        Ok(done) => done.map_err(Into::into),
        Err(_) => {
            let at = PANICKED_AT.take();
            let file = at.rsplit('/').next().unwrap_or_default();
            Err(Fault {
                text: format!("it is damaged: a page cannot be read (redb, {file})"),
                is_damage: true,
            })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn panic_is_a_fault_with_its_place() {
        let fault = guard(|| -> Result<(), Fault> { unreachable!("a page of garbage") });
        let fault = fault.unwrap_err();
        assert!(fault.is_damage);
        assert!(fault.text.contains("guard.rs:"), "{}", fault.text);
        assert_eq!(guard(|| Ok::<_, Fault>(7)), Ok(7));
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let failed = guard(|| Err::<(), _>(StorageError::Io(full)));
        assert!(!failed.unwrap_err().is_damage);
    }
}
