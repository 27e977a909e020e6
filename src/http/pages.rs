//! Serves the files of `static/`: the client library and the demos.
//!
//! They are embedded in the binary; a development build reads them from disk, so that
//! changes need no build.

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// Pages run only our scripts, and may connect to any server that a user enters.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; \
     img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'";

/// Serves a file; for a folder its index.html.
pub async fn page(request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_start_matches('/');
    // Checked before the method, so that a disabled transport is 404 for any method.
    let Some((name, file)) = find(path) else {
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
    answer(&request, &name, &file)
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
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        // Public files: pages of other origins may import the library.
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
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
