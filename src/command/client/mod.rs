//! `turntable client`: write a client of the management listener in another language.
//!
//! Each language has a file that turns the tables of methods (`management/rpc/`) into
//! sources, with what is the same for all methods in `template/`. No method is named here:
//! one that a table gets is in every client.

mod file;
mod js;
mod php;
mod python;
mod ts;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::management::rpc::SERVICES;
use crate::management::rpc::method::{Method, Parameter};
use file::File;

/// A service with its methods.
type Service = (&'static str, &'static [Method]);

#[derive(Debug, Args)]
pub(super) struct ClientArgs {
    /// The language.
    language: Language,
    /// The folder for the files, which is made if it does not exist. A file that
    /// this command did not write is not replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// A language that clients are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// PHP 7.4 or newer: the classes NodeRPC_Auth_Service and so on.
    Php,
    /// An ES module with promises and type declarations, and CommonJS with callbacks.
    Js,
    /// The ES module and the type declarations alone.
    Ts,
    /// Python 3.8 or newer, with type hints.
    Python,
}

impl Language {
    /// Its name on the command line.
    const fn name(self) -> &'static str {
        match self {
            Self::Php => "php",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Python => "python",
        }
    }

    fn files(self, services: &[Service]) -> Vec<File> {
        match self {
            Self::Php => php::files(services),
            Self::Js => js::files(services),
            Self::Ts => ts::files(services),
            Self::Python => python::files(services),
        }
    }
}

impl ClientArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut files = self.language.files(SERVICES);
        let marker = file::marker(self.language.name());
        for file in &mut files {
            file.text = file.text.replace("@MARKER@", &marker);
        }
        let written = file::write(&self.out, &files)?;
        let lines = written.iter().map(|path| format!("{}\n", path.display()));
        super::print(&lines.collect::<String>())
    }
}

/// A name with a capital: `auth` becomes `Auth`.
fn capital(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

/// A sentence as a part of a block comment.
fn comment(text: &str) -> String {
    text.replace("*/", "* /")
}

/// What a comment says of a parameter.
fn about(parameter: &Parameter) -> String {
    let about = parameter.of.about();
    match parameter.is_optional {
        true => format!("{about}; may be left out"),
        false => about.to_owned(),
    }
}

/// The parameters that a call needs, and those that it may leave out.
fn parted(method: &Method) -> (Vec<&Parameter>, Vec<&Parameter>) {
    method.parameters.iter().partition(|of| !of.is_optional)
}

/// A name that is none of the language's words.
fn unreserved(name: &str, reserved: &[&str]) -> String {
    match reserved.contains(&name) {
        true => format!("{name}_"),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGES: [Language; 4] = [Language::Php, Language::Js, Language::Ts, Language::Python];

    #[test]
    fn every_file_has_a_place_for_its_marker_and_every_method_is_in_one() {
        for language in LANGUAGES {
            let files = language.files(SERVICES);
            for file in &files {
                let marks = file.text.matches("@MARKER@").count();
                assert_eq!(marks, 1, "{}", file.path);
                let others = file.text.replace("@MARKER@", "");
                assert!(!others.contains("@SERVICE"), "{}", file.path);
            }
            for (_, methods) in SERVICES {
                for method in *methods {
                    let has = |file: &File| file.text.contains(method.description);
                    assert!(files.iter().any(has), "{language:?}: {}", method.name);
                }
            }
        }
    }

    #[test]
    fn name_of_the_language_is_not_the_name_of_a_parameter() {
        assert_eq!(unreserved("from", &["from"]), "from_");
        assert_eq!(unreserved("form", &["from"]), "form");
        assert_eq!(
            (capital("auth"), capital("")),
            ("Auth".into(), String::new())
        );
        assert_eq!(comment("a */ b"), "a * / b");
    }
}
