//! The languages that clients are generated for, and a program in each that calls methods.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use turntable_testkit::workspace::{root, turntable};

/// How a client is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// The ES module, in Node.
    Module,
    /// The CommonJS modules with callbacks, in Node.
    Callbacks,
    Python,
    Php,
}

impl Language {
    pub(crate) const ALL: [Self; 4] = [Self::Module, Self::Callbacks, Self::Python, Self::Php];

    /// Its name for `turntable client`.
    const fn name(self) -> &'static str {
        match self {
            Self::Module | Self::Callbacks => "js",
            Self::Python => "python",
            Self::Php => "php",
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Module | Self::Callbacks => "node",
            Self::Python => "python3",
            Self::Php => "php",
        }
    }

    /// Whether its program is installed. If it is not, a line says that the test is SKIPPED.
    pub(crate) fn is_installed(self) -> bool {
        let program = self.program();
        let version = Command::new(program).arg("--version").output();
        let is_installed = version.is_ok_and(|output| output.status.success());
        if !is_installed {
            eprintln!("SKIPPED: {program} is not installed, {self:?} was not tested");
        }
        is_installed
    }

    /// The client in a folder of its own; `None` where its program is not installed.
    pub(crate) fn client(self) -> Option<Client> {
        self.is_installed().then(|| Client {
            language: self,
            folder: generated(self.name()),
        })
    }

    /// The clients of all languages that are installed.
    pub(crate) fn clients() -> Vec<Client> {
        Self::ALL.into_iter().filter_map(Self::client).collect()
    }
}

/// A folder with what `turntable client` writes.
pub(crate) fn generated(language: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let output = generate(language, folder.path());
    assert!(output.status.success(), "{output:?}");
    folder
}

pub(crate) fn generate(language: &str, folder: &Path) -> std::process::Output {
    let mut command = turntable();
    command.args(["client", language, "--out"]).arg(folder);
    command.output().unwrap()
}

/// A generated client.
pub(crate) struct Client {
    pub(crate) language: Language,
    folder: TempDir,
}

impl Client {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn script(&self) -> PathBuf {
        let name = match self.language {
            Language::Module => "call.mjs",
            Language::Callbacks => "call.cjs",
            Language::Python => "call.py",
            Language::Php => "call.php",
        };
        root().join("tests/clients").join(name)
    }

    /// Carries out a list of `[service, method, [argument, ...]]`, and returns a list of
    /// `{"result"}` and `{"error": {"code", "message", "status"}}`.
    pub(crate) fn calls(&self, url: &str, token: Option<&str>, calls: &Value) -> Value {
        self.run(url, 20_000, token, calls)
    }

    /// The error of a call that has to have one.
    pub(crate) fn error(&self, url: &str, timeout_ms: u64, token: Option<&str>) -> Value {
        let calls = serde_json::json!([["auth", "check", ["a"]]]);
        let answers = self.run(url, timeout_ms, token, &calls);
        let error = answers[0]["error"].clone();
        assert!(error.is_object(), "{:?}: {answers}", self.language);
        error
    }

    /// The parameters of each method, by services.
    pub(crate) fn methods(&self) -> Value {
        self.run("http://127.0.0.1:1", 1_000, None, &Value::from("methods"))
    }

    fn run(&self, url: &str, timeout_ms: u64, token: Option<&str>, input: &Value) -> Value {
        let mut command = Command::new(self.language.program());
        command
            .arg(self.script())
            .arg(self.folder())
            .args([url, &timeout_ms.to_string()])
            .args(token);
        let output = with_input(&mut command, &input.to_string());
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let language = self.language;
        assert!(output.status.success(), "{language:?}: {out}\n{err}");
        assert_eq!(err, "", "{language:?} warns");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{language:?}: {error}: {out}"))
    }
}

/// Runs a program to its end.
pub(crate) fn with_input(command: &mut Command, input: &str) -> std::process::Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end without reading it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}
