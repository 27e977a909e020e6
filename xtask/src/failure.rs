//! What failed tests have said, from the output of a test runner, for the end of the report:
//! the output of a whole run is long, and parts of it may be cut where it is read.

use crate::tally::{Runner, without_colours};

/// As many lines of each failed test are repeated; the rest is above.
const LINES_MAX: usize = 60;

/// Reads the lines of a runner's output in their order.
#[derive(Debug)]
pub(crate) struct Failures {
    runner: Runner,
    is_summary: bool,
    /// Lines of the failed test that is being read, while one is.
    read: Option<usize>,
    lines: Vec<String>,
}

impl Failures {
    pub(crate) const fn of(runner: Runner) -> Self {
        Self {
            runner,
            is_summary: false,
            read: None,
            lines: Vec::new(),
        }
    }

    /// The next line of the output.
    pub(crate) fn read(&mut self, line: &str) {
        let plain = without_colours(line.trim_end());
        let text = plain.trim_start();
        if !self.is_summary {
            self.is_summary = match self.runner {
                Runner::Nextest => text.starts_with("Summary ["),
                Runner::Node => text == "\u{2716} failing tests:",
                Runner::None | Runner::Libtest => false,
            };
            return;
        }
        if is_verdict(text) {
            let is_failure = !text.starts_with("PASS") && !text.starts_with("SKIP");
            self.read = is_failure.then_some(0);
        }
        if let Some(number) = &mut self.read
            && *number < LINES_MAX
            && !text.is_empty()
        {
            *number += 1;
            self.lines.push(plain);
        }
    }

    /// The lines of all failed tests.
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

/// The first line of a test in a summary: `FAIL [   0.1s] name` of nextest, or
/// `✖ name (12.3ms)` of Node.
fn is_verdict(text: &str) -> bool {
    let word = text.split_once(' ').map_or("", |(word, _)| word);
    let is_nextest = text.contains("s] ") && text.contains('[');
    word == "\u{2716}"
        || is_nextest && !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(runner: Runner, output: &str) -> Vec<String> {
        let mut failures = Failures::of(runner);
        output.lines().for_each(|line| failures.read(line));
        failures.into_lines()
    }

    #[test]
    fn failed_tests_of_node_are_repeated() {
        let output = "\u{2716} polls (3ms)\n\u{2139} fail 1\n\n\u{2716} failing tests:\n\n\
                      test at tests/a.mjs:1:1\n\u{2716} polls (3ms)\n  AssertionError: 400\n";
        assert_eq!(
            lines(Runner::Node, output),
            ["\u{2716} polls (3ms)", "  AssertionError: 400"]
        );
    }

    #[test]
    fn failed_tests_of_nextest_are_repeated_once() {
        let output = "  FAIL [  0.1s] (1/9) core a\n  is 4, not 3\n  Summary [  1.0s] 9 tests run\n\
                      PASS [  0.2s] (2/9) core b\n  a figure\n\
                      \u{1b}[31mFAIL\u{1b}[0m [  0.1s] (1/9) core a\n  is 4, not 3\n\
                      TIMEOUT [ 60.0s] (3/9) core c\n";
        assert_eq!(
            lines(Runner::Nextest, output),
            [
                "FAIL [  0.1s] (1/9) core a",
                "  is 4, not 3",
                "TIMEOUT [ 60.0s] (3/9) core c"
            ]
        );
    }

    #[test]
    fn one_test_does_not_fill_the_report() {
        let output = format!("Summary [\nFAIL [  0.1s] a\n{}", "x\n".repeat(1_000));
        assert_eq!(lines(Runner::Nextest, &output).len(), LINES_MAX);
        assert!(lines(Runner::None, &output).is_empty());
    }
}
