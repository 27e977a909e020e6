//! Refused settings and names.

use super::*;

fn settings() -> FormatSettings {
    FormatSettings {
        header: "<%t".into(),
        envelope: "%d".into(),
        keepalive: " ".into(),
        footer: ">%T".into(),
        content_type: "text/plain".into(),
        ..FormatSettings::default()
    }
}

fn refused(change: impl FnOnce(&mut FormatSettings)) -> FormatError {
    let mut settings = settings();
    change(&mut settings);
    Format::from_settings("test", &settings).unwrap_err()
}

#[test]
fn unknown_letter_is_reported_with_its_position() {
    let error = |text| Template::parse(text).unwrap_err();
    assert_eq!(
        error("ü%x"),
        TemplateError::Unknown {
            letter: 'x',
            position: 2
        }
    );
    assert_eq!(error("%%%"), TemplateError::Lone { position: 3 });
    assert_eq!(
        error("%ü").to_string(),
        "%ü at character 1 is unknown; accepted are %i %p %d %D %l %t %T %c %C and %%"
    );
    for wrong in ["%", "%I", "%-d", "%10d", "%\n", "%s", "%n"] {
        assert!(Template::parse(wrong).is_err(), "{wrong:?}");
    }
    for right in ["", "%%", "%%%%", "%%x", "%d%%", "\0\u{2028}"] {
        assert!(Template::parse(right).is_ok(), "{right:?}");
    }
}

#[test]
fn template_length_and_insertions_are_limited() {
    let max = Template::BYTES_MAX;
    assert!(Template::parse(&"x".repeat(max)).is_ok());
    assert_eq!(
        Template::parse(&"x".repeat(max + 1)),
        Err(TemplateError::TooLong)
    );
    let max = Template::INSERTIONS_MAX;
    assert!(Template::parse(&"%d".repeat(max)).is_ok());
    assert_eq!(
        Template::parse(&"%d".repeat(max + 1)),
        Err(TemplateError::TooMany)
    );
    assert!(Template::parse(&"%%".repeat(max + 1)).is_ok());
}

#[test]
fn datagram_letters_are_allowed_in_the_envelope_only() {
    for letter in ["%i", "%p", "%d", "%D", "%l"] {
        let text = || letter.to_owned();
        assert_eq!(refused(|settings| settings.header = text()).key, "header");
        assert_eq!(
            refused(|settings| settings.keepalive = text()).key,
            "keepalive"
        );
        assert_eq!(refused(|settings| settings.footer = text()).key, "footer");
    }
    for envelope in ["", "%i %p %l %t", "%%d %%D"] {
        let error = refused(|settings| settings.envelope = envelope.into());
        assert_eq!(error.key, "envelope");
        assert!(error.message.contains("%d"), "{error}");
    }
    assert_eq!(
        refused(|settings| settings.footer = "50%".into()).to_string(),
        "footer: the % at character 3 is the last one; a percent sign is written %%"
    );
}

#[test]
fn content_type_must_be_a_valid_header_value() {
    for wrong in [
        "",
        "text",
        "/",
        "text/",
        "/plain",
        "text/plain\r\nSet-Cookie: a=b",
        "text/plain\n",
        "text/plain; charset=ü",
        "text/pl ain",
        " text/plain",
        "text/plain;\0",
        "text/plain\t",
        "text/a/b",
    ] {
        let error = refused(|settings| settings.content_type = wrong.into());
        assert_eq!(error.key, "content_type", "{wrong:?}");
    }
    let error = refused(|settings| settings.content_type = format!("a/{}", "b".repeat(255)));
    assert_eq!(error.key, "content_type");
    for right in [
        "text/plain",
        "text/plain ; charset=utf-8",
        "multipart/x-mixed-replace; boundary=\"a b\"",
        "application/vnd.api+json",
    ] {
        let mut settings = settings();
        settings.content_type = right.into();
        let format = Format::from_settings("test", &settings).unwrap();
        assert_eq!(format.content_type(), right);
    }
}

#[test]
fn format_name_must_fit_into_a_query() {
    for wrong in ["", "a b", "a&b", "ü", "a/b", &"x".repeat(33)] {
        let error = Format::from_settings(wrong, &settings()).unwrap_err();
        assert_eq!(error.key, "name");
    }
    assert!(Format::from_settings("My_own-1", &settings()).is_ok());
}

#[test]
fn settings_are_read_from_toml() {
    let read = |text: &str| toml::from_str::<FormatSettings>(text);
    let settings = read(
        "header = '<%t'\nenvelope = '%d'\nfooter = '>'\ncontent_type = 'text/plain'\nencoding = 'js-string'\nonce = true\n",
    )
    .unwrap();
    let format = Format::from_settings("own", &settings).unwrap();
    assert_eq!(format.encoding(), Encoding::JsString);
    assert!(format.is_once() && !format.needs_callback());
    assert_eq!(
        read(&toml::to_string(&settings).unwrap()).unwrap(),
        settings
    );
    for (encoding, text) in [
        (Encoding::None, "none"),
        (Encoding::Html, "html"),
        (Encoding::Base64, "base64"),
    ] {
        let settings = read(&format!("encoding = '{text}'")).unwrap();
        assert_eq!(settings.encoding, encoding);
    }
    for wrong in ["encoding = 'rot13'", "evelope = '%d'", "once = 1"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn callback_must_be_a_path_of_names() {
    for right in [
        "f",
        "$",
        "_",
        "a.b.c",
        "window.$1._2",
        "jQuery_123",
        &"x".repeat(64),
    ] {
        assert!(is_callback(right), "{right}");
    }
    for wrong in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "1a",
        "a.1",
        "a-b",
        "a(b)",
        "a b",
        "a;b",
        "ü",
        "a\n",
        "a[0]",
        "<script>",
        "a\u{2028}",
        &"x".repeat(65),
    ] {
        assert!(!is_callback(wrong), "{wrong:?}");
    }
}
