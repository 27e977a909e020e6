//! Serves the files of the operator's folder (`server.static_dir`): a game's own pages, beside
//! the client library and before the demos.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_files::NamedFile;
use actix_web::http::Method;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::pages;
use crate::http::decoded;
use crate::plain_file;

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
    // It was there when the configuration was checked. Without it there is nothing to be within.
    let root: Arc<Path> = match Path::new(folder).canonicalize() {
        Ok(root) => root.into(),
        Err(error) => {
            return log::warn!("server.static_dir = {folder:?}: {error}; it is not served");
        }
    };
    for path in LIBRARY {
        config.route(path, web::to(pages::page));
    }
    let serve = move |request: HttpRequest| file(request, root.clone());
    config.route("/{file:.*}", web::to(serve));
}

/// What the folder has at a path.
enum Found {
    File(Box<NamedFile>),
    /// A folder with an index, whose links need the slash at the end of its path.
    Folder,
    Nothing,
}

async fn file(request: HttpRequest, root: Arc<Path>) -> HttpResponse {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let name = name_of(request.path()).filter(|_| is_read);
    let has_slash = request.path().ends_with('/');
    let found = match name {
        // A file system may take its time, or never answer: other requests of the worker do not
        // wait for it.
        Some(name) => web::block(move || find(&root, &name, has_slash)).await,
        None => Ok(Found::Nothing),
    };
    match found {
        Ok(Found::File(file)) => {
            let mut answer = (*file).prefer_utf8(true).into_response(&request);
            let headers = answer.headers_mut();
            let mut insert =
                |name, value| headers.insert(name, header::HeaderValue::from_static(value));
            // A browser asks whether a file has changed, as it does for the server's own pages.
            insert(header::CACHE_CONTROL, "no-cache");
            insert(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
            answer
        }
        Ok(Found::Folder) => {
            // One slash at the beginning: two would name another server.
            let path = request.path().trim_start_matches('/');
            let place = match request.query_string() {
                "" => format!("/{path}/"),
                query => format!("/{path}/?{query}"),
            };
            HttpResponse::TemporaryRedirect()
                .insert_header((header::LOCATION, place))
                .finish()
        }
        Ok(Found::Nothing) | Err(_) => pages::page(request).await,
    }
}

/// The name of a path within the folder; `None` for one that is never served.
fn name_of(path: &str) -> Option<PathBuf> {
    let mut name = PathBuf::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let part = String::from_utf8(decoded(part)).ok()?;
        if part.starts_with('.') || part.contains(['/', '\\', '\0']) {
            return None;
        }
        name.push(part);
    }
    Some(name)
}

fn find(root: &Path, name: &Path, has_slash: bool) -> Found {
    let path = root.join(name);
    let is_folder = path.is_dir();
    let path = match is_folder {
        true => path.join(INDEX),
        false => path,
    };
    // Where it is once links are followed.
    let Some(place) = path.canonicalize().ok().filter(|at| at.starts_with(root)) else {
        return Found::Nothing;
    };
    // A pipe, a socket or a device is no file to serve.
    let file = match plain_file::open(&place) {
        Ok(_) if is_folder && !has_slash => return Found::Folder,
        Ok(file) => NamedFile::from_file(file, path),
        Err(_) => return Found::Nothing,
    };
    file.map_or(Found::Nothing, |file| Found::File(Box::new(file)))
}

/// What is wrong with a folder, as a sentence; `None` where it can be served, or is empty.
#[must_use]
pub fn problem(folder: &str) -> Option<String> {
    let path = Path::new(folder);
    if folder.is_empty() || path.is_dir() {
        return None;
    }
    Some(match path.exists() {
        true => "it is no folder".to_owned(),
        false => "there is no such folder".to_owned(),
    })
}
