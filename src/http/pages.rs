//! Serves the files of `static/`: the client library and the demos on the public listener,
//! the console on that of the operator.
//!
//! They are embedded in the binary; a development build reads them from disk, so that
//! changes need no build.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// Pages run only our scripts, and may connect to any server that a user enters.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; \
     img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'";

/// The folder of the console.
const CONSOLE: &str = "console/";

/// What the console has in common with the demos.
const CONSOLE_PARTS: &[&str] = &["style.css", "frames.css", "favicon.svg", "demo/dom.js"];

/// The console runs only its own scripts, writes no markup, and connects to nothing else.
const CONSOLE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Serves a file; for a folder its index.html.
pub async fn page(request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_start_matches('/');
    // Checked before the method, so that a disabled transport is 404 for any method.
    let Some((name, file)) = find(path).filter(|(name, _)| !name.starts_with(CONSOLE)) else {
        return HttpResponse::NotFound().json(serde_json::json!({
            "error": {"code": "not_found", "message": "no such page; / lists the existing ones"}
        }));
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return HttpResponse::MethodNotAllowed()
            .insert_header((header::ALLOW, "GET, HEAD"))
            .json(serde_json::json!({
                "error": {"code": "bad_message", "message": "pages accept GET and HEAD only"}
            }));
    }
    if !request.path().ends_with('/') && name.ends_with("/index.html") && !path.ends_with(".html") {
        // Relative links need the trailing slash.
        let query = request.query_string();
        let place = if query.is_empty() {
            format!("/{path}/")
        } else {
            format!("/{path}/?{query}")
        };
        return HttpResponse::PermanentRedirect()
            .insert_header((header::LOCATION, place))
            .finish();
    }
    let mut answer = answer(&request, &name, &file);
    let mut insert = |name, value| {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value))
    };
    insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    // Public files: pages of other origins may import the library.
    insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    answer
}

/// The paths of the console.
pub fn console_paths() -> impl Iterator<Item = String> {
    let own = ["/".to_owned(), format!("/{CONSOLE}{{file}}")];
    let parts = CONSOLE_PARTS.iter().map(|part| format!("/{part}"));
    own.into_iter().chain(parts)
}

/// Serves a file of the console, which contains nothing of this server.
pub async fn console(request: HttpRequest) -> HttpResponse {
    let name = match request.path().trim_start_matches('/') {
        "" => format!("{CONSOLE}index.html"),
        name => name.to_owned(),
    };
    let Some(file) = Files::get(&name) else {
        return HttpResponse::NotFound().json(serde_json::json!({
            "error": {"code": "not_found", "message": "the console has no such file"}
        }));
    };
    let mut answer = answer(&request, &name, &file);
    let mut insert = |name, value| {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value))
    };
    insert(header::CONTENT_SECURITY_POLICY, CONSOLE_POLICY);
    answer
}

fn find(path: &str) -> Option<(String, EmbeddedFile)> {
    let folder = path.trim_end_matches('/');
    // The name must not leave the folder.
    if folder.split('/').any(|part| part == "..") {
        return None;
    }
    let index = if folder.is_empty() {
        "index.html".to_owned()
    } else {
        format!("{folder}/index.html")
    };
    [path.to_owned(), index]
        .into_iter()
        .filter(|name| !name.is_empty())
        .find_map(|name| Files::get(&name).map(|file| (name, file)))
}

fn answer(request: &HttpRequest, name: &str, file: &EmbeddedFile) -> HttpResponse {
    let hash = file.metadata.sha256_hash();
    let tag: String = hash
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("\"{tag}\"");
    let is_known = request
        .headers()
        .get_all(header::IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .any(|known| names(known, &tag));
    let mut builder = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    builder
        .insert_header((header::ETAG, tag.clone()))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "same-origin"));
    if is_known {
        return builder.finish();
    }
    let kind = match file.metadata.mimetype() {
        // The registry maps .ts to a video type.
        _ if name.ends_with(".ts") => "text/plain",
        kind => kind,
    };
    let kind = if kind.starts_with("text/") {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    };
    builder.content_type(kind).body(file.data.to_vec())
}

/// Whether a list of tags (RFC 9110 section 13.1.2) contains `tag`, with the weak
/// comparison that the header requires.
fn names(list: &str, tag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
