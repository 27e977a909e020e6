//! Runs the Autobahn test suite's fuzzing client against `/echo` of the server, for the
//! RFC 6455 conformance in docs/conformance.md.
//!
//! The suite requires Python 2.7. If it is available, the suite is installed into a
//! virtual environment below `target/autobahn` and remains there; without it, or without
//! a package index, the step prints the reason and counts as skipped. Findings of the
//! suite are never skipped.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::machine::{Machine, find};
use crate::process;
use crate::server::Server;
use crate::step::Report;
use crate::tally::Tally;

/// The version that docs/conformance.md describes; the last release.
const SUITE: &str = "autobahntestsuite==25.10.1";

/// The last virtualenv that supports Python 2.7.
const VIRTUALENV: &str = "virtualenv==20.15.1";

/// Groups of cases. 12 and 13 are `permessage-deflate`, which the server does not
/// support; 8 and 11 do not exist.
const GROUPS: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 9, 10];

/// The largest message of cases 9.*.
const MESSAGE_BYTES_MAX: &str = "16777216";

/// The name of the server in the suite's report.
const AGENT: &str = "turntable";

/// Verdicts that conform; UNIMPLEMENTED is an unsupported extension.
const GOOD: &[&str] = &["OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"];

/// # Errors
/// If the server does not start or the suite ends without a report. A failed case is
/// counted, and not an error.
pub(crate) fn run(machine: &Machine) -> Result<Report> {
    let folder = machine.target.join("autobahn");
    fs::create_dir_all(&folder)?;
    // The report of an earlier run must not be read.
    let summary = folder.join("summary.json");
    for old in [&summary, &folder.join("reports")] {
        remove(old)?;
    }
    let python = match ensure_suite(machine, &folder) {
        Ok(python) => python,
        Err(reason) => {
            return Ok(Report::skipped(
                "CONFORMANCE TO RFC 6455 WAS NOT CHECKED",
                &reason,
            ));
        }
    };
    let server = Server::start_with(
        machine,
        &[
            ("TURNTABLE_SERVER__ECHO", "true"),
            ("TURNTABLE_SERVER__MAX_MESSAGE_BYTES", MESSAGE_BYTES_MAX),
        ],
    )?;
    let found = fuzz(machine, &folder, &python, &server)?;
    fs::write(&summary, serde_json::to_string_pretty(&found.summary())?)?;
    found.print();
    println!(
        "    for details see {} and {}",
        folder.join("reports/index.html").display(),
        summary.display()
    );
    Ok(Report {
        tally: Tally {
            passed: found.cases.len() - found.failed().count(),
            failed: found.failed().count() + found.missing().count(),
            skipped: 0,
        },
        ..Report::default()
    })
}

/// Removes a file or a folder if it exists.
fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// The Python of a virtual environment that contains the suite.
fn ensure_suite(machine: &Machine, folder: &Path) -> Result<PathBuf> {
    let environment = folder.join("environment");
    let python = environment.join("bin/python");
    // Written last, so a failed installation does not contain it.
    let ready = environment.join("ready");
    let wanted = format!("{SUITE} {VIRTUALENV}\n");
    if fs::read_to_string(&ready).is_ok_and(|have| have == wanted) && is_python_2_7(&python) {
        println!("    {SUITE} is installed");
        return Ok(python);
    }
    let base = python_2_7().context(
        "no Python 2.7 found, which the suite needs (as python2.7, as python2, or below pyenv: \
         pyenv install 2.7.18)",
    )?;
    println!("    {}", base.display());
    for old in [&environment, &folder.join("virtualenv")] {
        remove(old)?;
    }
    let pip = |python: &Path| {
        let mut pip = machine.command(python);
        pip.args(["-m", "pip", "--disable-pip-version-check", "install"])
            .arg("--quiet")
            .env("PIP_NO_PYTHON_VERSION_WARNING", "1");
        pip
    };
    // The suite is installed next to the Python that was found, not into it.
    let tool = folder.join("virtualenv");
    process::checked(pip(&base).arg("--target").arg(&tool).arg(VIRTUALENV))
        .with_context(|| format!("{VIRTUALENV} cannot be installed"))?;
    process::checked(
        machine
            .command(&base)
            .env("PYTHONPATH", &tool)
            .args(["-m", "virtualenv", "--quiet"])
            .arg(&environment),
    )?;
    process::checked(pip(&python).arg(SUITE))
        .with_context(|| format!("{SUITE} cannot be installed"))?;
    fs::write(&ready, wanted)?;
    Ok(python)
}

/// A Python 2.7 of this machine: on the path, or one of pyenv's, whose commands on the
/// path only start the version selected there.
fn python_2_7() -> Option<PathBuf> {
    let on_path = ["python2.7", "python2"].into_iter().filter_map(find);
    let pyenv = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pyenv")));
    let mut versions: Vec<PathBuf> = pyenv
        .and_then(|root| fs::read_dir(root.join("versions")).ok())
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("2.7"))
        })
        .map(|path| path.join("bin/python2.7"))
        .collect();
    versions.sort();
    on_path
        .chain(versions.into_iter().rev())
        .find(|python| is_python_2_7(python))
}

/// Whether the program runs and is CPython 2.7 (not pyenv's error message, not PyPy, with
/// which the suite was not tested).
fn is_python_2_7(python: &Path) -> bool {
    let ask = "import sys, platform; \
               print('%d.%d %s' % (sys.version_info[:2] + (platform.python_implementation(),)))";
    process::output(Command::new(python).args(["-c", ask]))
        .is_ok_and(|answer| answer.trim() == "2.7 CPython")
}

/// Runs the cases and parses the report.
fn fuzz(machine: &Machine, folder: &Path, python: &Path, server: &Server) -> Result<Found> {
    let reports = folder.join("reports");
    let address = server
        .url
        .strip_prefix("http://")
        .with_context(|| format!("{} is no http URL", server.url))?;
    let cases: Vec<String> = GROUPS.iter().map(|group| format!("{group}.*")).collect();
    let plan = folder.join("plan.json");
    fs::write(
        &plan,
        json!({
            "outdir": reports,
            "servers": [{"agent": AGENT, "url": format!("ws://{address}/echo")}],
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        })
        .to_string(),
    )?;
    // wstest prints two lines per case, and its exit status ignores failed cases.
    let log = folder.join("wstest.log");
    let out = fs::File::create(&log)?;
    let status = machine
        .command(python)
        .arg(python.with_file_name("wstest"))
        .args(["-m", "fuzzingclient", "-s"])
        .arg(&plan)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .status()?;
    let index = fs::read_to_string(reports.join("index.json"))
        .with_context(|| format!("wstest left no report ({status}); see {}", log.display()))?;
    Found::read(&index)
}

/// The results, by case.
struct Found {
    cases: BTreeMap<String, Verdict>,
}

/// The result of one case.
struct Verdict {
    behavior: String,
    /// The result of closing the connection.
    behavior_close: String,
}

impl Verdict {
    fn is_good(&self) -> bool {
        [&self.behavior, &self.behavior_close]
            .into_iter()
            .all(|word| GOOD.contains(&word.as_str()))
    }
}

impl Found {
    fn read(index: &str) -> Result<Self> {
        let index: Value = serde_json::from_str(index).context("the suite's index.json")?;
        let Some(cases) = index.get(AGENT).and_then(Value::as_object) else {
            bail!("the suite's report has no cases: could it connect?");
        };
        let word = |case: &Value, key: &str| {
            let word = case.get(key).and_then(Value::as_str);
            // A missing verdict counts as failed.
            word.unwrap_or("MISSING").to_owned()
        };
        let cases = cases
            .iter()
            .map(|(name, case)| {
                let verdict = Verdict {
                    behavior: word(case, "behavior"),
                    behavior_close: word(case, "behaviorClose"),
                };
                (name.clone(), verdict)
            })
            .collect();
        Ok(Self { cases })
    }

    fn failed(&self) -> impl Iterator<Item = (&String, &Verdict)> {
        self.cases.iter().filter(|(_, verdict)| !verdict.is_good())
    }

    /// Groups without a case.
    fn missing(&self) -> impl Iterator<Item = u8> {
        GROUPS.iter().copied().filter(|group| {
            let start = format!("{group}.");
            !self.cases.keys().any(|name| name.starts_with(&start))
        })
    }

    fn counts(&self, word: fn(&Verdict) -> &str) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for verdict in self.cases.values() {
            *counts.entry(word(verdict)).or_default() += 1;
        }
        counts
    }

    fn summary(&self) -> Value {
        let failed: BTreeMap<&String, Value> = self
            .failed()
            .map(|(name, verdict)| {
                let words = json!([verdict.behavior, verdict.behavior_close]);
                (name, words)
            })
            .collect();
        json!({
            "suite": SUITE,
            "cases": self.cases.len(),
            "behavior": self.counts(|verdict| &verdict.behavior),
            "behaviorClose": self.counts(|verdict| &verdict.behavior_close),
            "failed": failed,
            "groups_not_run": self.missing().collect::<Vec<u8>>(),
        })
    }

    fn print(&self) {
        let line = |counts: BTreeMap<&str, usize>| {
            let counts: Vec<String> = counts
                .iter()
                .map(|(word, count)| format!("{count} {word}"))
                .collect();
            counts.join(", ")
        };
        println!("    {} cases", self.cases.len());
        println!(
            "    behaviour: {}",
            line(self.counts(|verdict| &verdict.behavior))
        );
        println!(
            "    closing: {}",
            line(self.counts(|verdict| &verdict.behavior_close))
        );
        for (name, verdict) in self.failed() {
            println!(
                "    case {name}: {}, closing {}",
                verdict.behavior, verdict.behavior_close
            );
        }
        for group in self.missing() {
            println!("    group {group}: no case was run");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdicts: &[(&str, &str, &str)]) -> String {
        let cases: serde_json::Map<String, Value> = verdicts
            .iter()
            .map(|(name, behavior, close)| {
                let case = json!({"behavior": behavior, "behaviorClose": close, "duration": 1});
                ((*name).to_owned(), case)
            })
            .collect();
        json!({ AGENT: cases }).to_string()
    }

    #[test]
    fn case_fails_by_its_behaviour_or_its_close() -> Result<()> {
        let found = Found::read(&report(&[
            ("1.1.1", "OK", "OK"),
            ("3.1", "NON-STRICT", "INFORMATIONAL"),
            ("4.1.1", "OK", "FAILED"),
            ("5.1", "FAILED", "OK"),
            ("7.1.1", "OK", "WRONG CODE"),
            ("12.1.1", "UNIMPLEMENTED", "OK"),
        ]))?;
        let failed: Vec<&String> = found.failed().map(|(name, _)| name).collect();
        assert_eq!(failed, ["4.1.1", "5.1", "7.1.1"]);
        Ok(())
    }

    #[test]
    fn group_without_a_case_is_missing() -> Result<()> {
        let found = Found::read(&report(&[("1.1.1", "OK", "OK"), ("10.1.1", "OK", "OK")]))?;
        assert_eq!(found.missing().collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 9]);
        Ok(())
    }

    #[test]
    fn missing_verdict_fails_and_missing_cases_are_an_error() -> Result<()> {
        let found = Found::read(r#"{"turntable": {"1.1.1": {"behavior": "OK"}}}"#)?;
        assert_eq!(found.failed().count(), 1);
        assert!(Found::read("{}").is_err());
        Ok(())
    }
}
