//! Masks secrets in JSON that an operator sees: the values of fields by whose names they are
//! known. The text is not parsed as a whole, so that all else stays as it is.

/// Names of fields with secrets, in small letters and without `_` and `-`.
const SECRETS: &[&str] = &[
    "accesstoken",
    "apikey",
    "authorization",
    "clientsecret",
    "cookie",
    "credentials",
    "idtoken",
    "jwt",
    "newpassword",
    "oldpassword",
    "passphrase",
    "passwd",
    "password",
    "refreshtoken",
    "secret",
    "session",
    "sessionid",
    "token",
];

/// What is shown in place of a secret.
const MASK: &str = "\"***\"";

/// The JSON with the values of secret fields replaced.
pub(super) fn masked(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(quote) = rest.find('"') {
        let (before, string) = rest.split_at(quote);
        out.push_str(before);
        let (string, behind) = string.split_at(string_len(string));
        out.push_str(string);
        rest = behind;
        if let Some(value) = behind.trim_start().strip_prefix(':')
            && is_secret(string)
        {
            let value = value.trim_start();
            out.push(':');
            out.push_str(MASK);
            rest = value.get(value_len(value)..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// The length of a string in quotes at the beginning of a text.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a value at the beginning of a text.
fn value_len(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.as_bytes().first().copied().unwrap_or_default();
        match first {
            b'"' => at += string_len(rest),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            _ => at += rest.chars().next().map_or(1, char::len_utf8),
        }
        if depth == 0 && matches!(first, b'"' | b'}' | b']') {
            return at;
        }
    }
    text.len()
}

/// Whether a string in quotes is the name of a field with a secret.
fn is_secret(quoted: &str) -> bool {
    let name = match quoted.contains('\\') {
        true => serde_json::from_str(quoted).unwrap_or_default(),
        false => quoted.trim_matches('"').to_owned(),
    };
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-'));
    let name: String = letters.flat_map(char::to_lowercase).collect();
    SECRETS.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_fields_are_masked_and_all_else_stays() {
        for (json, expected) in [
            (
                r#"{"a":1.50,"b":"password"}"#,
                r#"{"a":1.50,"b":"password"}"#,
            ),
            (r#"{"password":"x","b":1}"#, r#"{"password":"***","b":1}"#),
            (
                r#"{"b":[{"accessToken": 7}, 2]}"#,
                r#"{"b":[{"accessToken":"***"}, 2]}"#,
            ),
            (
                r#"{"credentials":{"a":["]}",{}],"token":"t"},"c":null}"#,
                r#"{"credentials":"***","c":null}"#,
            ),
            (
                r#"{"p\u0061ssword" : true , "c":2}"#,
                r#"{"p\u0061ssword":"***", "c":2}"#,
            ),
            (
                r#"{"new_password":"a\"b\\","é":"ü"}"#,
                r#"{"new_password":"***","é":"ü"}"#,
            ),
            (r#"["token","session"]"#, r#"["token","session"]"#),
            (r#"{"session":["#, r#"{"session":"***""#),
            (r#"{"token":"ab"#, r#"{"token":"***""#),
            ("", ""),
        ] {
            assert_eq!(masked(json), expected, "{json}");
        }
    }

    #[test]
    fn masked_json_is_json() {
        let json =
            r#"{"welcome":{"session":"abc","token":null,"attributes":{"SECRET":[1,{"a":"}"}]}}}"#;
        let masked = masked(json);
        let value: serde_json::Result<serde_json::Value> = serde_json::from_str(&masked);
        let expected = serde_json::json!({
            "welcome": {"session": "***", "token": "***", "attributes": {"SECRET": "***"}},
        });
        assert_eq!(value.ok(), Some(expected), "{masked}");
    }
}
