//! Serves the files of the operator's folder (`server.static_dir`): a game's own pages, beside
//! the client library and before the demos.

use std::path::Path;

use actix_files::Files;
use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::web;

use super::pages;

/// What stays the client library's, whatever the folder has.
const LIBRARY: &[&str] = &[
    "/turntable.js",
    "/turntable.d.ts",
    "/turntable-portal.js",
    "/turntable-portal.d.ts",
    "/turntable/{file:.*}",
    "/types/{file:.*}",
];

/// The file that answers a request for a folder.
const INDEX: &str = "index.html";

/// Serves `folder`; nothing where it is empty. Names that begin with a dot are refused. What the
/// folder does not have is looked for among the pages of the server, and so is what only a link
/// out of it leads to.
pub fn configure(config: &mut web::ServiceConfig, folder: &str) {
    if folder.is_empty() {
        return;
    }
    for path in LIBRARY {
        config.route(path, web::to(pages::page));
    }
    // A browser asks whether a file has changed, as it does for the server's own pages.
    let headers = DefaultHeaders::new()
        .add((header::CACHE_CONTROL, "no-cache"))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    let root = Path::new(folder).canonicalize().unwrap_or_default();
    let files = Files::new("/", folder)
        .index_file(INDEX)
        .path_filter(move |path, _| is_within(&root, path))
        .prefer_utf8(true)
        .redirect_to_slash_directory()
        .default_handler(web::to(pages::page));
    config.service(web::scope("").wrap(headers).service(files));
}

/// Whether a path of a folder leads to a place within it. One that leads nowhere does.
fn is_within(folder: &Path, path: &Path) -> bool {
    let path = folder.join(path);
    let file = match path.is_dir() {
        true => path.join(INDEX),
        false => path,
    };
    file.canonicalize()
        .map_or(true, |file| file.starts_with(folder))
}

/// What is wrong with a folder, as a sentence; `None` where it can be served, or is empty.
#[must_use]
pub fn problem(folder: &str) -> Option<String> {
    let is_folder = folder.is_empty() || Path::new(folder).is_dir();
    (!is_folder).then(|| "there is no such folder".to_owned())
}
