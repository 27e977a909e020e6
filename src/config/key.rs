//! Paths of keys as text: `presence.watch_max`, `channels."lobby/**".history_max`.

/// The text of a path. Names that are no bare keys of TOML have quotes.
#[must_use]
pub fn join<S: AsRef<str>>(path: &[S]) -> String {
    let names = path.iter().map(|name| {
        let name = name.as_ref();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match !name.is_empty() && name.chars().all(is_plain) {
            true => name.to_owned(),
            false => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    });
    names.collect::<Vec<_>>().join(".")
}

/// The path of a text.
///
/// # Errors
/// A sentence for a text that is none.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{text:?} is no key; accepted is one like presence.watch_max");
    let (mut path, mut rest) = (Vec::new(), text);
    loop {
        let (name, behind) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted).ok_or_else(wrong)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (name, behind) = rest.split_at(end);
                if name.is_empty() || name.contains('"') {
                    return Err(wrong());
                }
                (name.to_owned(), behind)
            }
        };
        path.push(name);
        if behind.is_empty() {
            return Ok(path);
        }
        rest = behind.strip_prefix('.').ok_or_else(wrong)?;
    }
}

/// A name up to its closing quote, and what is behind that.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text.char_indices();
    while let Some((at, character)) = rest.next() {
        match character {
            '"' => return Some((name, text.get(at + 1..)?)),
            '\\' => name.push(rest.next()?.1),
            character => name.push(character),
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn path_is_read_from_its_text() {
        for path in [
            &["presence", "watch_max"][..],
            &["channels", "lobby/**", "history_max"],
            &["games", "a.b", "tick_ms"],
            &["games", "a\"b\\", ""],
        ] {
            assert_eq!(split(&join(path)).unwrap(), path);
        }
        assert_eq!(
            join(&["channels", "a.*", "members"]),
            "channels.\"a.*\".members"
        );
    }

    #[test]
    fn text_that_is_no_path_is_refused() {
        for text in [
            "", ".", "a.", ".a", "a..b", "a\"b", "\"a", "\"a\"b", "\"a\\",
        ] {
            assert!(split(text).is_err(), "{text}");
        }
    }
}
