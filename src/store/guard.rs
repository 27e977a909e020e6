//! Work on the database, which may panic where a page of the file is damaged.
//!
//! The database checks the sums of its pages when it is repaired or looked through, and
//! not at each read: a damaged page is an error or a panic of its code. Such a panic ends
//! the one operation. The database allows it: a transaction that is dropped by a panic is
//! not committed, and leaves the others alone.
//!
//! A second panic while the first unwinds would end the process. It is known of a commit that
//! sums a damaged page, which one of some thousand random damages causes in a file that was
//! not looked through. The thread is lost then: it stays where it is, what it has is never
//! dropped, and [`on_loss`] says what happens in its place. The file stays locked until the
//! process ends; the next start looks through it.
//!
//! Such a thread stays within the panic hook. The standard library has a lock on the hook
//! meanwhile: panics of other threads are reported as before, but `set_hook` and `take_hook`
//! wait for ever from then on, and panics behind them. A program that embeds the server has to set its hook before.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::sync::mpsc::channel;
use std::thread;

use redb::{DatabaseError, StorageError};

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// A sentence.
    pub(super) text: String,
    /// Whether the file has something that is none of a database. Otherwise the file could
    /// not be read or written, and the database takes nothing more.
    pub(super) is_damage: bool,
    /// Whether this process can open the file no more.
    pub(super) is_final: bool,
}

impl Fault {
    /// A fault that is none of a page.
    pub(super) fn other(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_damage: false,
            is_final: false,
        }
    }

    /// A panic at this place.
    fn of_panic(at: &str, is_final: bool) -> Self {
        let file = at.rsplit('/').next().unwrap_or_default();
        Self {
            text: format!("it is damaged: a page cannot be read (redb, {file})"),
            is_damage: true,
            is_final,
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
                is_final: false,
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
    /// What happens once its work cannot be unwound.
    static ON_LOSS: RefCell<Option<OnLoss>> = const { RefCell::new(None) };
}

type OnLoss = Box<dyn FnOnce(Fault)>;

/// Panics of work that is guarded are not printed: they are reported as faults.
fn be_quiet_about_faults() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_GUARDED.get() {
                return others(info);
            }
            // A second one while the first unwinds.
            if PANICKED_AT.with_borrow(|at| !at.is_empty()) {
                match ON_LOSS.take() {
                    Some(on_loss) => be_lost(on_loss),
                    None => return others(info),
                }
            }
            let at = info
                .location()
                .map(|at| format!("{}:{}", at.file(), at.line()));
            PANICKED_AT.set(at.unwrap_or_default());
        }));
    });
}

/// This thread goes no further: to unwind would end the process.
fn be_lost(on_loss: OnLoss) -> ! {
    IS_GUARDED.set(false);
    on_loss(Fault::of_panic(&PANICKED_AT.take(), true));
    loop {
        thread::park();
    }
}

/// What happens in place of the work of this thread where that cannot be unwound. The
/// thread does nothing after it. It runs within the panic hook: it must not panic, which
/// would end the process.
pub(super) fn on_loss(then: impl FnOnce(Fault) + 'static) {
    ON_LOSS.set(Some(Box::new(then)));
}

/// Works on the database on a thread of its own, which may be lost.
pub(super) fn guard_apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (send, done) = channel();
    let lost = send.clone();
    let run = move || {
        on_loss(move |fault| {
            // The receiver waits for it.
            let _ = lost.send(Err(fault));
        });
        let result = work();
        ON_LOSS.take();
        let _ = send.send(result);
    };
    let spawned = thread::Builder::new().name("store".to_owned()).spawn(run);
    spawned.map_err(|error| Fault::other(format!("its thread cannot start: {error}")))?;
    let ended = |_| Err(Fault::other("its thread has ended"));
    done.recv().unwrap_or_else(ended)
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
            Err(Fault::of_panic(&at, false))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests;
