//! Reads the numbers of passed and failed tests from the output of a test runner.
//!
//! Each runner has its own summary; only the summary of the started runner is searched
//! for, because a failing test may print that of another.

use std::ops::AddAssign;

/// Numbers of tests; a check without tests counts as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Tests that the runner skipped; they are reported.
    pub(crate) skipped: usize,
}

impl Tally {
    pub(crate) const ONE_PASSED: Self = Self {
        passed: 1,
        failed: 0,
        skipped: 0,
    };
    pub(crate) const ONE_FAILED: Self = Self {
        passed: 0,
        failed: 1,
        skipped: 0,
    };
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The runner whose summary is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// No test runner: the exit status is the result.
    None,
    /// `cargo nextest run`: one line `Summary [..] N tests run: ..`.
    Nextest,
    /// `cargo test`: a line `test result: ..` for each test binary.
    Libtest,
    /// `node --test`, reporters spec and tap: lines `pass N` and `fail N`.
    Node,
}

impl Runner {
    /// The tests that one line of output adds.
    pub(crate) fn count(self, line: &str) -> Tally {
        let line = without_colours(line);
        let line = line.trim();
        match self {
            Self::None => Tally::default(),
            Self::Nextest => match line.split_once(" run: ") {
                Some((head, counts)) if head.starts_with("Summary [") => sum(counts, ','),
                _ => Tally::default(),
            },
            Self::Libtest => match line.strip_prefix("test result: ") {
                Some(counts) => sum(counts.split_once(". ").map_or("", |(_, rest)| rest), ';'),
                None => Tally::default(),
            },
            Self::Node => {
                let counts = line
                    .strip_prefix("# ")
                    .or_else(|| line.strip_prefix("\u{2139} "));
                let mut tally = Tally::default();
                if let Some((what, number)) = counts.and_then(|counts| counts.split_once(' ')) {
                    let number = number.parse().unwrap_or(0);
                    match what {
                        "pass" => tally.passed = number,
                        "fail" | "cancelled" => tally.failed = number,
                        "skipped" | "todo" => tally.skipped = number,
                        _ => {}
                    }
                }
                tally
            }
        }
    }
}

impl Runner {
    /// The figure that one line of output reports (`tests/client/figure.mjs`).
    pub(crate) fn figure(self, line: &str) -> Option<String> {
        if self != Self::Node {
            return None;
        }
        let line = without_colours(line);
        let (mark, figure) = line.trim().split_once(" figure: ")?;
        matches!(mark, "#" | "\u{2139}").then(|| figure.to_owned())
    }
}

/// Adds up `3 passed, 1 failed, 2 timed out`; other items count as neither passed nor
/// failed.
fn sum(counts: &str, separator: char) -> Tally {
    let mut tally = Tally::default();
    for count in counts.split(separator) {
        let Some((number, what)) = count.trim().split_once(' ') else {
            continue;
        };
        let Ok(number) = number.parse::<usize>() else {
            continue;
        };
        if what.starts_with("passed") {
            tally.passed += number;
        } else if ["failed", "exec failed", "timed out"]
            .iter()
            .any(|failure| what.starts_with(failure))
        {
            tally.failed += number;
        } else if what.starts_with("skipped") || what.starts_with("ignored") {
            tally.skipped += number;
        }
    }
    tally
}

/// The line without its terminal colour sequences (`ESC [ .. m`).
pub(crate) fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut inside = false;
    for c in line.chars() {
        match (inside, c) {
            (false, '\u{1b}') => inside = true,
            (false, c) => plain.push(c),
            (true, 'm') => inside = false,
            (true, _) => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: usize, skipped: usize) -> Tally {
        Tally {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn nextest_summary_is_counted_with_colours_and_time_outs() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   1.013s] 9 tests run: 5 passed (1 slow), \
                    1 failed, 2 timed out, 1 exec failed, 3 skipped";
        assert_eq!(Runner::Nextest.count(line), tally(5, 4, 3));
    }

    #[test]
    fn output_of_another_runner_is_not_counted() {
        let line = "test result: FAILED. 0 passed; 1 failed; 0 ignored";
        assert_eq!(Runner::Nextest.count(line), Tally::default());
        assert_eq!(Runner::None.count(line), Tally::default());
    }

    #[test]
    fn libtest_results_are_counted() {
        let line = "test result: FAILED. 7 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out";
        assert_eq!(Runner::Libtest.count(line), tally(7, 2, 1));
    }

    #[test]
    fn node_counts_come_from_both_reporters() {
        assert_eq!(Runner::Node.count("# pass 12"), tally(12, 0, 0));
        assert_eq!(Runner::Node.count("\u{2139} fail 3"), tally(0, 3, 0));
        assert_eq!(Runner::Node.count("\u{2139} cancelled 1"), tally(0, 1, 0));
        assert_eq!(Runner::Node.count("# skipped 2"), tally(0, 0, 2));
        assert_eq!(Runner::Node.count("# tests 12"), Tally::default());
    }

    #[test]
    fn figures_are_those_that_tests_of_node_report() {
        let figure = |line| Runner::Node.figure(line);
        let back = Some("away 3 s: back in 1.0 s (goal: 2.0 s)".to_owned());
        assert_eq!(
            figure("  \u{2139} figure: away 3 s: back in 1.0 s (goal: 2.0 s)\n"),
            back
        );
        assert_eq!(
            figure("# figure: away 3 s: back in 1.0 s (goal: 2.0 s)"),
            back
        );
        assert_eq!(figure("\u{2139} pass 3"), None);
        assert_eq!(figure("a figure: none"), None);
        assert_eq!(Runner::Libtest.figure("# figure: 1"), None);
    }
}
