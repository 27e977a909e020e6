//! Holds `src/**` to the order of the layers in docs/architecture.md: a layer
//! may use itself and what stands below it, never what stands above.
//!
//! The sources are read as tokens (comments, strings and character literals
//! are left out), so that `use` groups, paths inside expressions, `$crate` in
//! macros and `super::` chains that leave a layer are all seen. Code under
//! `#[cfg(test)]` obeys the same rule.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the top to the bottom; modules of one row share a layer.
///
/// A new folder or file directly under `src/` needs a row here, at the height
/// at which docs/architecture.md puts it.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["lib"],
    &["app"],
    &["command", "cli"],
    &["bench"],
    &["config"],
    &["transport"],
    &["management"],
    &["gateway"],
    &["actor"],
    &["portal"],
    &["service"],
    &["program"],
    &["cluster"],
    &["store"],
    &["session"],
    &["model"],
    &["wire"],
    &["clock", "id", "metric", "reason"],
];

/// The height of a layer: 0 is the top. `None` where the list lacks it.
fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&layer))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Other(char),
}

/// Splits Rust source into tokens with their line numbers, leaving out
/// comments (nested ones too), strings (raw and byte ones too), characters
/// and lifetimes.
fn tokens(source: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut found = Vec::new();
    let mut line = 1;
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c == '\n' {
            line += 1;
            i += 1;
        } else if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            while i < chars.len() {
                if at(i) == '/' && at(i + 1) == '*' {
                    depth += 1;
                    i += 2;
                } else if at(i) == '*' && at(i + 1) == '/' {
                    depth -= 1;
                    i += 2;
                    if depth == 0 {
                        break;
                    }
                } else {
                    line += usize::from(at(i) == '\n');
                    i += 1;
                }
            }
        } else if c == '"' {
            i += 1;
            while i < chars.len() && at(i) != '"' {
                // An escaped character never ends the string.
                if at(i) == '\\' {
                    line += usize::from(at(i + 1) == '\n');
                    i += 2;
                } else {
                    line += usize::from(at(i) == '\n');
                    i += 1;
                }
            }
            i += 1;
        } else if c == '\'' {
            // 'a' and '\n' are characters; 'a without an end is a lifetime.
            if at(i + 1) == '\\' {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            } else if at(i + 2) == '\'' {
                line += usize::from(at(i + 1) == '\n');
                i += 3;
            } else {
                i += 1;
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
            }
        } else if c.is_alphanumeric() || c == '_' {
            let start = i;
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            let word: String = chars[start..i].iter().collect();
            let mut hashes = 0;
            while at(i + hashes) == '#' {
                hashes += 1;
            }
            let raw = matches!(word.as_str(), "r" | "br" | "cr");
            if raw && at(i + hashes) == '"' {
                i += hashes + 1;
                while i < chars.len() && !(at(i) == '"' && (1..=hashes).all(|n| at(i + n) == '#')) {
                    line += usize::from(at(i) == '\n');
                    i += 1;
                }
                i += hashes + 1;
            } else if word == "r" && hashes == 1 {
                // r#name: the name follows as a word of its own.
                i += 1;
            } else if !(matches!(word.as_str(), "b" | "c") && matches!(at(i), '"' | '\'')) {
                found.push((line, Token::Word(word)));
            }
        } else if c == ':' && at(i + 1) == ':' {
            found.push((line, Token::Path));
            i += 2;
        } else {
            if !c.is_whitespace() {
                found.push((line, Token::Other(c)));
            }
            i += 1;
        }
    }
    found
}

/// The names directly under the crate's root that `source` mentions, with
/// their lines. `module` is the module path of the file itself: `["wire",
/// "json_v1"]` for src/wire/json_v1.rs, empty for lib.rs and main.rs. `*`
/// stands for a glob import of the root.
fn root_names(source: &str, module: &[&str]) -> Vec<(usize, String)> {
    let tokens = tokens(source);
    let token = |i: usize| tokens.get(i).map(|(_, token)| token);
    let word = |i: usize| match token(i) {
        Some(Token::Word(word)) => Some(word.as_str()),
        _ => None,
    };
    let mut found = Vec::new();
    // Inline modules that are open here, each with the brace depth it closes at.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut i = 0;
    while i < tokens.len() {
        match token(i) {
            Some(Token::Other('{')) => {
                if let (true, Some(name)) = (i >= 2 && word(i - 2) == Some("mod"), word(i - 1)) {
                    inline.push((name.to_owned(), depth));
                }
                depth += 1;
            }
            Some(Token::Other('}')) => {
                depth = depth.saturating_sub(1);
                if inline.last().is_some_and(|(_, closes)| *closes == depth) {
                    inline.pop();
                }
            }
            Some(Token::Word(first)) if matches!(first.as_str(), "crate" | "super" | "self") => {
                // The base of the path, as far as it is spelled with keywords.
                let follows_path = i >= 1 && token(i - 1) == Some(&Token::Path);
                let mut base: Vec<&str> = if first == "crate" {
                    Vec::new()
                } else {
                    module
                        .iter()
                        .copied()
                        .chain(inline.iter().map(|(name, _)| name.as_str()))
                        .collect()
                };
                if first == "super" {
                    base.pop();
                }
                while token(i + 1) == Some(&Token::Path) && word(i + 2) == Some("super") {
                    base.pop();
                    i += 2;
                }
                if !follows_path && base.is_empty() && token(i + 1) == Some(&Token::Path) {
                    i = push_names(&tokens, i + 2, &mut found);
                    continue;
                }
            }
            _ => {}
        }
        i += 1;
    }
    found
}

/// Takes the first name of each branch of the use tree (or path) at `i`, and
/// returns where to read on.
fn push_names(tokens: &[(usize, Token)], mut i: usize, found: &mut Vec<(usize, String)>) -> usize {
    let name = |(line, token): &(usize, Token)| match token {
        Token::Word(word) => Some((*line, word.clone())),
        Token::Other('*') => Some((*line, "*".to_owned())),
        _ => None,
    };
    let Some(first) = tokens.get(i) else { return i };
    if first.1 != Token::Other('{') {
        found.extend(name(first));
        return i + 1;
    }
    let mut depth = 0;
    let mut starts_branch = false;
    while let Some(token) = tokens.get(i) {
        i += 1;
        match token.1 {
            Token::Other('{') => {
                depth += 1;
                starts_branch = depth == 1;
            }
            Token::Other('}') => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            Token::Other(',') => starts_branch = depth == 1,
            _ if starts_branch => {
                found.extend(name(token));
                starts_branch = false;
            }
            _ => {}
        }
    }
    i
}

/// What is wrong in one file. `file` is its path below `src/`, `modules` the
/// names of all files and folders directly under `src/`: any other name under
/// the root is an item of lib.rs.
fn violations(file: &Path, source: &str, modules: &[String]) -> Vec<String> {
    let shown = Path::new("src").join(file);
    let shown = shown.display();
    let mut module: Vec<&str> = file
        .iter()
        .map(|part| part.to_str().expect("source files have UTF-8 names"))
        .map(|part| part.strip_suffix(".rs").unwrap_or(part))
        .collect();
    let layer = module[0];
    let Some(height) = rank(layer) else {
        return vec![format!(
            "{shown}: the layer `{layer}` is not in LAYERS of tests/layering.rs: add it there, \
             at the height at which docs/architecture.md puts it"
        )];
    };
    if module.last() == Some(&"mod") {
        module.pop();
    }
    if module == ["lib"] || module == ["main"] {
        module.clear();
    }
    let mut wrong = Vec::new();
    for (line, name) in root_names(source, &module) {
        let used = if modules.contains(&name) {
            name.as_str()
        } else {
            "lib"
        };
        match rank(used) {
            // The file or folder itself is reported when its turn comes.
            None => {}
            Some(used_height) if used_height < height => wrong.push(format!(
                "{shown}:{line}: `{layer}` uses `crate::{name}`, but the layer `{used}` stands \
                 above it"
            )),
            Some(_) => {}
        }
    }
    wrong
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("readable folder") {
            let path = entry.expect("readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn arrows_between_layers_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src);
    assert!(!files.is_empty(), "no Rust files below src/");
    let relative = |path: &PathBuf| path.strip_prefix(&src).expect("below src").to_owned();
    let modules: Vec<String> = files
        .iter()
        .map(relative)
        .map(|file| {
            file.iter()
                .next()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .map(|name| name.strip_suffix(".rs").unwrap_or(&name).to_owned())
        .collect();
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let source = fs::read_to_string(path).expect("readable source");
            violations(&relative(path), &source, &modules)
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

mod parser {
    use super::*;

    fn names(source: &str, module: &[&str]) -> Vec<(usize, String)> {
        root_names(source, module)
    }

    fn only(names: Vec<(usize, String)>) -> Vec<String> {
        names.into_iter().map(|(_, name)| name).collect()
    }

    fn modules() -> Vec<String> {
        ["lib", "app", "gateway", "wire", "id", "reason"]
            .map(String::from)
            .to_vec()
    }

    #[test]
    fn finds_use_lines_groups_and_paths_with_their_lines() {
        let source = "use crate::wire::Packet;\nuse crate::{\n    id::{UserId, ChannelId},\n    \
                      gateway,\n};\nfn f() -> crate::app::App { crate::reason::close() }\n";
        let expected = [
            (1, "wire"),
            (3, "id"),
            (4, "gateway"),
            (6, "app"),
            (6, "reason"),
        ];
        assert_eq!(
            names(source, &["wire"]),
            expected.map(|(line, name)| (line, name.to_owned()))
        );
    }

    #[test]
    fn comments_strings_and_characters_do_not_count() {
        let source = r####"
            // use crate::app;
            /* crate::app /* crate::app */ crate::app */
            /// [`crate::app`]
            const A: &str = "crate::app \" crate::app";
            const B: &str = r#"crate::app " crate::app"#;
            const C: &[u8] = b"crate::app";
            const D: &[u8] = br##"crate::app "# crate::app"##;
            const E: [char; 3] = ['"', '\'', '\u{22}'];
            fn f<'a>(x: &'a str) -> &'a str { x }
            use crate::wire;
        "####;
        assert_eq!(names(source, &["id"]), [(11, "wire".to_owned())]);
    }

    #[test]
    fn a_string_over_several_lines_keeps_the_line_count() {
        let source = "const A: &str = \"one\ntwo \\\n three\";\nuse crate::app;";
        assert_eq!(names(source, &["id"]), [(4, "app".to_owned())]);
    }

    #[test]
    fn visibility_is_not_a_path() {
        assert!(names("pub(crate) fn f() {}\nextern crate alloc;", &["id"]).is_empty());
    }

    #[test]
    fn macros_globs_and_raw_names_are_seen() {
        let source = "macro_rules! m { () => { $crate::app::x() } }\nuse crate::*;\nuse \
                      crate::r#gateway;";
        assert_eq!(only(names(source, &["id"])), ["app", "*", "gateway"]);
    }

    #[test]
    fn super_chains_are_followed_to_the_root() {
        assert_eq!(only(names("use super::gateway;", &["id"])), ["gateway"]);
        assert!(names("use super::gateway;", &["wire", "json"]).is_empty());
        assert_eq!(
            only(names(
                "use super::super::{gateway, app::App};",
                &["wire", "json"]
            )),
            ["gateway", "app"]
        );
        let inline = "mod tests {\n use super::x;\n use super::super::app;\n}\nuse super::reason;";
        assert_eq!(
            names(inline, &["id"]),
            [(3, "app".to_owned()), (5, "reason".to_owned())]
        );
    }

    #[test]
    fn an_upper_layer_may_use_a_lower_one_and_not_the_reverse() {
        let up = violations(
            Path::new("wire/json.rs"),
            "\nuse crate::gateway::X;",
            &modules(),
        );
        assert_eq!(up.len(), 1);
        assert!(
            up[0].starts_with("src/wire/json.rs:2: `wire` uses `crate::gateway`"),
            "{up:?}"
        );
        let down = violations(
            Path::new("gateway/mod.rs"),
            "use crate::wire::X;",
            &modules(),
        );
        assert!(down.is_empty(), "{down:?}");
        let same = violations(Path::new("id.rs"), "use crate::reason::X;", &modules());
        assert!(same.is_empty(), "{same:?}");
    }

    #[test]
    fn test_code_obeys_the_same_rule() {
        let source = "#[cfg(test)]\nmod tests {\n    use crate::app::App;\n}\n";
        assert_eq!(violations(Path::new("id.rs"), source, &modules()).len(), 1);
    }

    #[test]
    fn items_of_the_root_belong_to_the_layer_lib() {
        let source = "use crate::run;";
        assert_eq!(
            violations(Path::new("gateway.rs"), source, &modules()).len(),
            1
        );
        assert!(violations(Path::new("main.rs"), source, &modules()).is_empty());
    }

    #[test]
    fn a_layer_that_is_not_listed_says_where_to_add_it() {
        let wrong = violations(Path::new("shiny/mod.rs"), "", &modules());
        assert_eq!(wrong.len(), 1);
        assert!(
            wrong[0].contains("LAYERS of tests/layering.rs"),
            "{wrong:?}"
        );
    }
}
