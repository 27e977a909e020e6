//! The built-in formats.

use super::encoding::Encoding;
use super::format::{Format, FormatSettings};

/// The seven formats of the protocol, in its order.
///
/// ```
/// use turntable_wire::tunnel_format::built_in;
/// let names: Vec<String> = built_in().iter().map(|format| format.name().to_owned()).collect();
/// assert_eq!(names, ["sse", "ndjson", "iframe", "multipart", "longpoll", "jsonp", "length"]);
/// ```
#[must_use]
pub fn built_in() -> Vec<Format> {
    let page = iframe_header();
    let format = |name, content_type: &str, [header, envelope, keepalive, footer]: [&str; 4]| {
        let settings = FormatSettings {
            header: header.into(),
            envelope: envelope.into(),
            keepalive: keepalive.into(),
            footer: footer.into(),
            content_type: content_type.into(),
            encoding: match name {
                "iframe" => Encoding::JsString,
                _ => Encoding::None,
            },
            once: matches!(name, "longpoll" | "jsonp"),
        };
        // A test checks that each of them is valid.
        Format::from_settings(name, &settings).ok()
    };
    [
        // A comment line is ignored by EventSource.
        format(
            "sse",
            "text/event-stream",
            [
                "retry: 1000\nevent: open\ndata: {\"tunnel\":\"%t\"}\n\n",
                "id: %i\ndata: %d\n\n",
                ":\n\n",
                "event: close\ndata: {\"close\":%C}\n\n",
            ],
        ),
        format(
            "ndjson",
            "application/x-ndjson",
            [
                "{\"tunnel\":\"%t\"}\n",
                "%d\n",
                "\n",
                "{\"close\":%C}\n",
            ],
        ),
        format(
            "iframe",
            "text/html; charset=utf-8",
            [
                &page,
                "<script>parent.turntable.datagram(\"%d\")</script>\n",
                "<!-- -->\n",
                "<script>parent.turntable.close(%C)</script>\n</body></html>\n",
            ],
        ),
        // Each part ends with the delimiter of the next one, because browsers show a
        // part only when they have received its delimiter.
        format(
            "multipart",
            "multipart/x-mixed-replace; boundary=turntable",
            [
                "--turntable\r\nContent-Type: application/json\r\n\r\n{\"tunnel\":\"%t\"}\r\n--turntable\r\n",
                "Content-Type: application/json\r\n\r\n%d\r\n--turntable\r\n",
                "Content-Type: application/json\r\n\r\nnull\r\n--turntable\r\n",
                "Content-Type: application/json\r\n\r\n{\"close\":%C}\r\n--turntable--\r\n",
            ],
        ),
        format(
            "longpoll",
            "application/json",
            ["[{\"tunnel\":\"%t\"}", ",%d", " ", "]"],
        ),
        // The comment prevents that the response begins with a callback name that
        // makes it a valid file of another type.
        format(
            "jsonp",
            "application/javascript",
            ["/**/%c([{\"tunnel\":\"%t\"}", ",%d", "", "]);"],
        ),
        // The constant length includes an id of 22 characters.
        format(
            "length",
            "application/octet-stream",
            [
                "35\n{\"tunnel\":\"%t\"}",
                "%l\n%d",
                "0\n",
                "14\n{\"close\":%C}",
            ],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A page longer than the amount that browsers buffer before they show it and run
/// its scripts.
fn iframe_header() -> String {
    const PADDING_BYTES: usize = 1_024;
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>turntable</title></head><body>\n<!--{}-->\n<script>parent.turntable.open(\"%t\")</script>\n",
        " ".repeat(PADDING_BYTES)
    )
}
