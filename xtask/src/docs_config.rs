//! `cargo xtask docs-config`: the tables of keys in docs/configuration.md, from config.toml.
//!
//! config.toml is compared with the defaults of the server by tests, and each comment there with
//! the range of its number. So it is the one source: a section's table has the key, the type and
//! value of its default, and the comment.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Parser;

/// Around the tables in the page.
const BEGIN: &str =
    "<!-- Written by `cargo xtask docs-config` from config.toml: change that. -->\n";
const END: &str = "<!-- The end of what is written. -->\n";

/// The begins of the templates whose values are examples. Those of others are defaults.
const EXAMPLES: [&str; 3] = ["roles.NAME", "attributes.schema.NAME", "tunnel.formats."];

const SOURCE: &str = "config.toml";
const PAGE: &str = "docs/configuration.md";

#[derive(Parser)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Result<()> {
    let (page, written) = pages(Path::new("."))?;
    if page != written {
        fs::write(PAGE, written)?;
        println!("{PAGE} is written");
    }
    Ok(())
}

/// The page as it is, and as it should be.
fn pages(root: &Path) -> Result<(String, String)> {
    let read = |name: &str| {
        fs::read_to_string(root.join(name)).with_context(|| format!("{name} cannot be read"))
    };
    let page = read(PAGE)?;
    let (before, rest) = page
        .split_once(BEGIN)
        .context("the page has no begin mark")?;
    let (_, after) = rest.split_once(END).context("the page has no end mark")?;
    let tables = render(&read(SOURCE)?);
    let written = format!("{before}{BEGIN}\n{tables}{END}{after}");
    Ok((page, written))
}

/// A table for each section of the file, and for each template of one in a comment.
fn render(source: &str) -> String {
    let mut tables = Tables::default();
    let mut comment: Vec<&str> = Vec::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.strip_prefix(' ').unwrap_or(text));
        } else if let Some(name) = line.strip_prefix('[') {
            let about = tables.template(&std::mem::take(&mut comment));
            // Examples of the template above.
            tables.is_skipped = name.starts_with("games.");
            if !tables.is_skipped {
                tables.section(name.trim_end_matches(']'), &about);
            }
        } else if let Some((key, value)) = line.split_once(" = ") {
            let about = std::mem::take(&mut comment).join(" ");
            tables.key(key, value, &about);
        } else {
            tables.template(&std::mem::take(&mut comment));
        }
    }
    tables.text + "\n"
}

/// What is rendered so far.
#[derive(Default)]
struct Tables {
    text: String,
    has_rows: bool,
    has_examples: bool,
    is_skipped: bool,
}

impl Tables {
    fn section(&mut self, name: &str, about: &str) {
        // One of those that a template stands for.
        if about.is_empty() && self.text.contains(&format!("`[{name}.")) {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let _ = writeln!(self.text, "### `[{name}]`");
        if !about.is_empty() {
            let _ = write!(self.text, "\n{}\n", cell(about));
        }
        self.has_rows = false;
        self.has_examples = EXAMPLES.iter().any(|of| name.starts_with(of));
    }

    fn key(&mut self, key: &str, value: &str, about: &str) {
        if self.is_skipped {
            return;
        }
        if !self.has_rows {
            let what = match self.has_examples {
                true => "example",
                false => "default",
            };
            let _ = writeln!(self.text, "\n| key | type | {what} | what it is |");
            self.text += "|---|---|---|---|\n";
            self.has_rows = true;
        }
        let (kind, value, about) = (kind(value), cell(value), cell(about));
        let _ = writeln!(self.text, "| `{key}` | {kind} | `{value}` | {about} |");
    }

    /// Renders the template in a comment, if there is one: `[games.NAME]`, then `key = value  text`
    /// with the text going on in lines that are indented. Returns what is before it.
    fn template(&mut self, comment: &[&str]) -> String {
        let is_name = |line: &&str| line.starts_with('[') && line.ends_with(']');
        let Some(at) = comment.iter().position(is_name) else {
            return comment.join(" ");
        };
        let (before, template) = comment.split_at(at);
        let about = before.join(" ");
        let Some((name, lines)) = template.split_first() else {
            return about;
        };
        self.is_skipped = false;
        self.section(name.trim_matches(['[', ']']), about.trim());
        let mut row: Option<(&str, &str, String)> = None;
        for line in lines {
            let begins = line.split_once(" = ").filter(|_| !line.starts_with(' '));
            match (begins, &mut row) {
                (Some((key, rest)), row) => {
                    if let Some((key, value, text)) = row.take() {
                        self.key(key, value, &text);
                    }
                    // A long number leaves room for one blank.
                    let end = match rest.starts_with(|first: char| first.is_ascii_digit()) {
                        true => " ",
                        false => "  ",
                    };
                    let (value, text) = rest.split_once(end).unwrap_or((rest, ""));
                    *row = Some((key, value, text.trim().to_owned()));
                }
                (None, Some((_, _, text))) => {
                    text.push(' ');
                    text.push_str(line.trim());
                }
                (None, None) => {}
            }
        }
        if let Some((key, value, text)) = row {
            self.key(key, value, &text);
        }
        String::new()
    }
}

/// The type of a value.
fn kind(value: &str) -> &'static str {
    match value.chars().next() {
        Some('"') => "string",
        Some('[') => "list",
        Some('{') => "table",
        Some('t' | 'f') => "boolean",
        _ => "number",
    }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn page_has_the_keys_of_the_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let (page, written) = pages(root).unwrap();
        assert!(page == written, "run `cargo xtask docs-config`");
        for line in written.lines() {
            assert!(!line.ends_with("|  |"), "without a text: {line}");
        }
        for part in [
            "### `[games.NAME]`",
            "| `tick_ms` | number | `0` |",
            "### `[server.tls]`",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn section_has_a_row_for_each_key() {
        let source = "# What it is.\n[a]\n\n# How\n# many. 0 to 2.\ncount = 1\n";
        let expected = "### `[a]`\n\nWhat it is.\n\n| key | type | default | what it is |\n\
                        |---|---|---|---|\n| `count` | number | `1` | How many. 0 to 2. |\n\n";
        assert_eq!(render(source), expected);
    }

    #[test]
    fn values_of_some_templates_are_examples() {
        let text =
            render("# Each.\n#\n# [roles.NAME]\n# games = [\"a\"]  games\n[roles.default]\n");
        assert!(
            text.contains("| key | type | example | what it is |"),
            "{text}"
        );
    }

    #[test]
    fn template_in_a_comment_has_a_row_for_each_key() {
        let source =
            "# Each.\n#\n# [g.NAME]\n# a = 0   first,\n#         second\n# b = []  third\n";
        let text = render(&format!("{source}[g]\n"));
        assert!(text.contains("### `[g.NAME]`\n\nEach.\n"), "{text}");
        assert!(
            text.contains("| `a` | number | `0` | first, second |"),
            "{text}"
        );
        assert!(text.contains("| `b` | list | `[]` | third |"), "{text}");
    }
}
