//! `cargo xtask test`: runs the steps of [`STEPS`], all or the named ones, and continues
//! after failures, so that one run reports everything.
//!
//! The last line is `N passed, N failed`: the tests of steps with tests, and one for each
//! other step.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::machine::Machine;
use crate::step::{Report, STEPS, Step};
use crate::tally::Tally;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only these steps, and the steps that they need
    #[arg(long, value_delimiter = ',', value_name = "STEP")]
    only: Vec<String>,
    /// List the steps and run none
    #[arg(long)]
    list: bool,
}

/// The result of one step.
struct Outcome {
    name: &'static str,
    tally: Tally,
    took: Duration,
    remark: Option<String>,
    figures: Vec<String>,
    failures: Vec<String>,
}

/// # Errors
/// If a step's name is unknown or any step failed.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.list {
        for step in STEPS {
            println!("{:<10} {}", step.name, step.about);
        }
        return Ok(());
    }
    let steps = chosen(&args.only)?;
    let machine = Machine::look()?;
    let start = Instant::now();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        println!(
            "\n==> [{}/{}] {}: {}",
            number + 1,
            steps.len(),
            step.name,
            step.about
        );
        let outcome = perform(step, &machine, &outcomes);
        println!("<== {}", line(&outcome));
        outcomes.push(outcome);
    }
    let total = print_summary(&outcomes, start.elapsed());
    if total.failed > 0 {
        // The summary contains the failures; anyhow's message would follow the last line.
        std::process::exit(1);
    }
    Ok(())
}

/// The requested steps and the steps they need, in the order of [`STEPS`].
fn chosen(only: &[String]) -> Result<Vec<&'static Step>> {
    if only.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for name in only {
        match STEPS.iter().find(|step| step.name == name) {
            Some(step) => names.insert(step.name),
            None => bail!("unknown step `{name}`: see cargo xtask test --list"),
        };
    }
    // Needed steps are above, so one pass upwards finds all.
    for step in STEPS.iter().rev() {
        if names.contains(step.name) {
            names.extend(step.needs);
        }
    }
    Ok(STEPS
        .iter()
        .filter(|step| names.contains(step.name))
        .collect())
}

fn perform(step: &Step, machine: &Machine, before: &[Outcome]) -> Outcome {
    let start = Instant::now();
    let missing = before
        .iter()
        .find(|outcome| step.needs.contains(&outcome.name) && outcome.tally.failed > 0);
    let report = match missing {
        Some(missing) => Report::failed(format!(
            "not run: it needs the step {}, which failed",
            missing.name
        )),
        None => (step.run)(machine).unwrap_or_else(|error| Report::failed(format!("{error:#}"))),
    };
    Outcome {
        name: step.name,
        tally: report.tally,
        took: start.elapsed(),
        remark: report.note,
        figures: report.figures,
        failures: report.failures,
    }
}

fn line(outcome: &Outcome) -> String {
    let Tally {
        passed,
        failed,
        skipped,
    } = outcome.tally;
    let verdict = if failed > 0 { "FAILED" } else { "ok" };
    let mut line = format!(
        "{:<10} {verdict:<6} {passed:>5} passed {failed:>3} failed {:>7.1} s",
        outcome.name,
        outcome.took.as_secs_f64()
    );
    if skipped > 0 {
        line += &format!("\n           ! {skipped} skipped by the test runner");
    }
    if let Some(remark) = &outcome.remark {
        for part in remark.lines() {
            line += &format!("\n           ! {part}");
        }
    }
    line
}

fn print_summary(outcomes: &[Outcome], took: Duration) -> Tally {
    let figures: Vec<&String> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.figures)
        .collect();
    if !figures.is_empty() {
        println!("\n==> figures of the client's goals (docs/client.md)");
    }
    for figure in figures {
        println!("{figure}");
    }
    for outcome in outcomes {
        if !outcome.failures.is_empty() {
            println!("\n==> failed tests of {}", outcome.name);
        }
        for line in &outcome.failures {
            println!("{line}");
        }
    }
    println!("\n==> summary ({:.0} s)", took.as_secs_f64());
    let mut total = Tally::default();
    for outcome in outcomes {
        println!("{}", line(outcome));
        total += outcome.tally;
    }
    println!("\n{} passed, {} failed", total.passed, total.failed);
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Vec<&'static str> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        chosen(&only)
            .map(|steps| steps.iter().map(|step| step.name).collect())
            .unwrap_or_default()
    }

    #[test]
    fn named_step_includes_its_needs_in_order() {
        assert_eq!(
            names(&["browser", "fmt"]),
            ["fmt", "node", "chromium", "build", "browser"]
        );
        assert_eq!(names(&[]).len(), STEPS.len());
    }

    #[test]
    fn unknown_step_is_refused() {
        assert!(chosen(&["nonsense".to_owned()]).is_err());
    }
}
