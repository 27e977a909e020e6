//! The programs of docs/clients.md, as they are there, but for the port.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use turntable_testkit::Server;
use turntable_testkit::workspace::{root, turntable};

use crate::language::Language;

/// The blocks of the page in a language.
fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/clients.md")).unwrap();
    let (mut blocks, mut open) = (Vec::new(), None);
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(of), None) => open = Some((of.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, text))) => text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    let of_it = blocks.into_iter().filter(|(of, _)| of == language);
    of_it.map(|(_, text)| text).collect()
}

/// What each program prints.
fn printed() -> String {
    blocks("")
        .into_iter()
        .find(|block| block.starts_with("7 has"))
        .unwrap()
}

/// Writes the client and the program, and runs the program by the command of the page.
fn run(language: Language, block: &str, client: &str, program: &str) {
    if !language.is_installed() {
        return;
    }
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let written = turntable()
        .args(["client", client, "--out"])
        .arg(folder.path().join("clients").join(client))
        .output();
    assert!(written.unwrap().status.success());
    let blocks_of_it = blocks(block);
    let text = blocks_of_it.first().unwrap();
    let port = server.management.port().to_string();
    fs::write(folder.path().join(program), text.replace("8181", &port)).unwrap();
    let commands = blocks("sh");
    let command = commands
        .iter()
        .find(|command| command.trim_end().ends_with(program));
    let output = Command::new("sh")
        .args(["-c", command.unwrap()])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(out, printed(), "{program}: {error}");
}

#[test]
fn program_of_the_es_module_runs() {
    run(Language::Module, "js", "js", "program.mjs");
}

#[test]
fn program_with_callbacks_runs() {
    run(Language::Callbacks, "cjs", "js", "program.cjs");
}

#[test]
fn program_in_python_runs() {
    run(Language::Python, "python", "python", "program.py");
}

#[test]
fn program_in_php_runs() {
    run(Language::Php, "php", "php", "program.php");
}

#[test]
fn commands_of_the_page_are_accepted() {
    let commands = blocks("sh");
    let lines = commands.iter().flat_map(|block| block.lines());
    let calls: BTreeSet<&str> = lines
        .filter_map(|line| line.strip_prefix("turntable call"))
        .collect();
    assert!(calls.len() > 4, "{calls:?}");
    for call in calls {
        let line = call.split(" # ").next().unwrap();
        // Its files are not here, and nothing is called: nothing listens at the port.
        let line = line
            .replace("--token-file token.txt", "")
            .replace("< password.json", "");
        let line = line.replace("--url http://192.0.2.7:8181", "") + " --url http://127.0.0.1:1";
        let shell = format!("echo '{{}}' | \"$0\" call {line}");
        let mut command = Command::new("sh");
        command.args(["-c", &shell]).arg(turntable().get_program());
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        let is_listing = line.split_whitespace().count() < 4;
        assert_eq!(
            code,
            Some(if is_listing { 0 } else { 1 }),
            "{line}: {error}"
        );
    }
}
