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
    Ok(match machine.ensure_php() {
        Ok(php) => {
            println!("    {}", php.display());
            Report {
                tally: Tally::ONE_PASSED,
                ..Report::default()
            }
        }
        Err(reason) => Report::skipped("THE GENERATED PHP CLASSES WERE NOT TESTED", &reason),
    })
}
