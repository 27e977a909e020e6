//! PHP, for the tests of the generated clients.

use anyhow::Result;

use crate::machine::Machine;
use crate::step::Report;
use crate::tally::Tally;

/// Installs PHP where it is missing. The other tests need none: without it they run, and the
/// summary says what was not tested.
///
/// # Errors
/// None.
pub(crate) fn run(machine: &Machine) -> Result<Report> {
    let (tally, note) = match machine.ensure_php() {
        Ok(php) => {
            println!("    {}", php.display());
            (Tally::ONE_PASSED, None)
        }
        Err(reason) => {
            let skipped = Tally {
                skipped: 1,
                ..Tally::default()
            };
            let note = "SKIPPED, THE GENERATED PHP CLASSES WERE NOT TESTED";
            (skipped, Some(format!("{note}: {reason:#}")))
        }
    };
    Ok(Report {
        tally,
        note,
        ..Report::default()
    })
}
