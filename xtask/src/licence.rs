//! Checks the licences of all dependencies against deny.toml, for machines without
//! cargo-deny (which does this and more).
//!
//! An expression such as `(MIT OR Apache-2.0) AND Unicode-3.0` is satisfied if the
//! allowed licences make it true; `/` is an old form of `OR`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::machine::Machine;
use crate::process;

/// Checks every dependency that this platform builds.
///
/// # Errors
/// Contains the packages whose licence is not allowed or not declared.
pub(crate) fn check(machine: &Machine) -> Result<()> {
    let allowed = allowed(&fs::read_to_string(machine.root.join("deny.toml"))?)?;
    let compiler = process::output(machine.command("rustc").arg("-vV"))?;
    let host = compiler
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc -vV names no host")?;
    let metadata = process::output(machine.cargo("metadata").args([
        "--format-version=1",
        "--filter-platform",
        host,
    ]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata
        .get("packages")
        .and_then(|packages| packages.as_array())
        .context("cargo metadata lists no packages")?;
    let text = |package: &serde_json::Value, key: &str| {
        package
            .get(key)
            .and_then(|value| value.as_str())
            .map(str::to_owned)
    };
    let mut refused = Vec::new();
    for package in packages {
        let name = text(package, "name").unwrap_or_default();
        match text(package, "license") {
            None => refused.push(format!("{name}: no licence declared")),
            Some(licence) => match satisfied(&licence, &allowed) {
                Some(true) => {}
                Some(false) => refused.push(format!("{name}: {licence}")),
                None => refused.push(format!("{name}: `{licence}` is not a licence expression")),
            },
        }
    }
    if !refused.is_empty() {
        bail!(
            "licences that deny.toml does not allow:\n{}",
            refused.join("\n")
        );
    }
    println!("    {} packages, licences allowed", packages.len());
    Ok(())
}

/// `licenses.allow` of deny.toml.
fn allowed(deny: &str) -> Result<BTreeSet<String>> {
    let deny: toml::Table = deny.parse().context("deny.toml")?;
    deny.get("licenses")
        .and_then(|licenses| licenses.get("allow"))
        .and_then(|allow| allow.as_array())
        .context("deny.toml has no licenses.allow")?
        .iter()
        .map(|name| {
            Ok(name
                .as_str()
                .context("a licence's name is a string")?
                .to_owned())
        })
        .collect()
}

/// Whether the allowed licences satisfy an expression; `None` if it is malformed.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> Option<bool> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    // One row per open parenthesis: the result of the finished OR branches, and the current
    // AND branch (`None` before its first term).
    let mut open: Vec<(bool, Option<bool>)> = vec![(false, None)];
    let mut wants_term = true;
    while let Some(word) = words.next() {
        let (any, all) = open.last_mut()?;
        match word {
            "(" if wants_term => open.push((false, None)),
            ")" if !wants_term => {
                let value = *any || (*all)?;
                open.pop();
                let (_, all) = open.last_mut()?;
                *all = Some(all.unwrap_or(true) && value);
            }
            "AND" if !wants_term => wants_term = true,
            "OR" if !wants_term => {
                *any |= (*all)?;
                *all = None;
                wants_term = true;
            }
            "(" | ")" | "AND" | "OR" | "WITH" => return None,
            licence if wants_term => {
                let mut name = licence.to_owned();
                if words.next_if_eq(&"WITH").is_some() {
                    name = format!("{name} WITH {}", words.next()?);
                }
                *all = Some(all.unwrap_or(true) && allowed.contains(&name));
                wants_term = false;
            }
            _ => return None,
        }
    }
    match open.as_slice() {
        [(any, all)] if !wants_term => Some(*any || (*all)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(expression: &str) -> Option<bool> {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"]
            .map(String::from)
            .into();
        satisfied(expression, &allowed)
    }

    #[test]
    fn one_allowed_branch_of_an_or_is_enough() {
        assert_eq!(verdict("GPL-3.0 OR MIT"), Some(true));
        assert_eq!(verdict("GPL-3.0/MIT"), Some(true));
        assert_eq!(verdict("GPL-3.0"), Some(false));
    }

    #[test]
    fn an_and_needs_both_and_binds_tighter_than_or() {
        assert_eq!(verdict("MIT AND GPL-3.0"), Some(false));
        assert_eq!(verdict("MIT OR MIT AND GPL-3.0"), Some(true));
        assert_eq!(verdict("MIT AND GPL-3.0 OR GPL-3.0"), Some(false));
    }

    #[test]
    fn parentheses_group() {
        assert_eq!(verdict("(GPL-3.0 OR MIT) AND Unicode-3.0"), Some(true));
        assert_eq!(verdict("(GPL-3.0 OR MIT) AND GPL-3.0"), Some(false));
        assert_eq!(verdict("((MIT))"), Some(true));
    }

    #[test]
    fn licence_with_an_exception_is_a_separate_licence() {
        assert_eq!(verdict("Apache-2.0 WITH LLVM-exception"), Some(false));
        assert_eq!(verdict("Apache-2.0 WITH LLVM-exception OR MIT"), Some(true));
    }

    #[test]
    fn malformed_expressions_are_refused() {
        for malformed in [
            "", "MIT OR", "MIT MIT", "(MIT", "MIT)", "AND MIT", "()", "MIT WITH",
        ] {
            assert_eq!(verdict(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn the_list_is_read_from_deny_toml() {
        let list = allowed("[licenses]\nallow = [\"MIT\", \"ISC\"]").ok();
        assert_eq!(list, Some(["ISC", "MIT"].map(String::from).into()));
        assert!(allowed("[licenses]").is_err());
    }
}
