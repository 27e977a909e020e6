//! Runs other programs: the command is printed first, its output is passed on line by line,
//! and test counts are read from it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::failure::Failures;
use crate::tally::{Runner, Tally};

/// How a program ended and what it has said.
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) said: Said,
}

/// What the report has of a program's output.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) tally: Tally,
    /// Figures of its tests.
    pub(crate) figures: Vec<String>,
    /// What its failed tests have said.
    pub(crate) failures: Vec<String>,
}

/// Runs `command` to its end, counts its tests and collects what the report has of them.
///
/// # Errors
/// If the program cannot be started. A failed program is not an error here: see the
/// status.
pub(crate) fn tallied(command: &mut Command, runner: Runner) -> Result<Run> {
    println!("    $ {}", shown(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be started", shown(command)))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let said = thread::scope(|scope| {
        let errors = scope.spawn(|| passed_on(stderr, runner));
        let mut said = passed_on(stdout, runner);
        let errors = errors.join().unwrap_or_default();
        said.tally += errors.tally;
        said.failures.extend(errors.failures);
        said
    });
    Ok(Run {
        status: child.wait()?,
        said,
    })
}

/// Runs `command`; any status except success is an error.
///
/// # Errors
/// If the program cannot be started or fails.
pub(crate) fn checked(command: &mut Command) -> Result<()> {
    let Run { status, .. } = tallied(command, Runner::None)?;
    if !status.success() {
        bail!("{} failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs `command` without showing it, and returns its standard output.
///
/// # Errors
/// If the program cannot be started or fails; the message contains its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} cannot be started", shown(command)))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}\n{errors}", shown(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as typed in a shell, including its own environment variables.
fn shown(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={:?}", name.to_string_lossy(), value?)));
    let program = Path::new(command.get_program());
    let words = std::iter::once(program.file_name().unwrap_or(program.as_os_str()))
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned());
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn passed_on(stream: Option<impl Read>, runner: Runner) -> Said {
    let mut said = Said::default();
    let Some(stream) = stream else {
        return said;
    };
    let mut failures = Failures::of(runner);
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // Output that is not UTF-8 must not end the loop, because a full pipe would block the
    // child: bytes, not `lines()`.
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line);
        said.tally += runner.count(&text);
        said.figures.extend(runner.figure(&text));
        failures.read(&text);
        // A closed standard output (`| head`) does not stop the run.
        let _ = write!(std::io::stdout().lock(), "    {text}");
        line.clear();
    }
    said.failures = failures.into_lines();
    said
}
