//! The pages that browsers load.

use turntable_testkit::{Response, Server, http};

fn send(server: &Server, method: &str, path: &str, headers: &str) -> Response {
    http::send(server.address, method, path, headers, "")
}

#[test]
fn pages_have_content_types() {
    let server = Server::start();
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/strike/", "text/html; charset=utf-8"),
        ("/friends/", "text/html; charset=utf-8"),
        ("/turntable.js", "text/javascript; charset=utf-8"),
    ] {
        let page = server.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("Content-Type"), Some(kind), "{path}");
        assert!(!page.body.is_empty(), "{path}");
    }
}

#[test]
fn pages_have_strict_security_policy() {
    let server = Server::start();
    let page = server.get("/");
    let policy = page.header("Content-Security-Policy").unwrap();
    for part in ["default-src 'self'", "object-src 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe-"), "{policy}");
    assert_eq!(page.header("X-Content-Type-Options"), Some("nosniff"));
}

#[test]
fn known_page_is_not_sent_again() {
    let server = Server::start();
    let page = server.get("/turntable.js");
    let tag = page.header("ETag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    for known in [
        tag.to_owned(),
        format!("\"other\", {tag}"),
        format!("W/{tag}"),
        "*".to_owned(),
    ] {
        let again = send(
            &server,
            "GET",
            "/turntable.js",
            &format!("If-None-Match: {known}\r\n"),
        );
        assert_eq!(again.status, 304, "{known}");
        assert!(again.body.is_empty());
        assert_eq!(again.header("ETag"), Some(tag));
    }
    let other = send(
        &server,
        "GET",
        "/turntable.js",
        "If-None-Match: \"other\"\r\n",
    );
    assert_eq!((other.status, other.body.len()), (200, page.body.len()));
}

#[test]
fn folder_redirects_to_trailing_slash() {
    let server = Server::start();
    let answer = server.get("/strike");
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("Location"), Some("/strike/"));
    let answer = server.get("/strike?room=a%2Fb&x=1");
    assert_eq!(answer.header("Location"), Some("/strike/?room=a%2Fb&x=1"));
    // Never a redirect to another host.
    for path in ["//evil.example", "//strike", "/\\evil.example"] {
        let answer = server.get(path);
        if let Some(location) = answer.header("Location") {
            let second = location.as_bytes().get(1);
            assert!(
                location.starts_with('/') && !matches!(second, Some(b'/' | b'\\')),
                "{location}"
            );
        }
    }
}

#[test]
fn paths_outside_folder_are_not_found() {
    let server = Server::start();
    for path in [
        "/../Cargo.toml",
        "/strike/../../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/%2E%2E%2FCargo.toml",
        "/..%2fCargo.toml",
        "/..%5cCargo.toml",
        "/strike/..",
        "/strike/../index.html",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/./../Cargo.toml",
        "/index.html%00",
        "/nowhere",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        assert_eq!(answer.json()["error"]["code"], "not_found", "{path}");
    }
}

#[test]
fn head_of_page_matches_get() {
    let server = Server::start();
    let page = server.get("/");
    let head = send(&server, "HEAD", "/", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("ETag"), page.header("ETag"));
    let length = page.body.len().to_string();
    assert_eq!(head.header("Content-Length"), Some(length.as_str()));
}

#[test]
fn pages_are_read_only() {
    let server = Server::start();
    for method in ["POST", "PUT", "DELETE"] {
        let answer = send(&server, method, "/index.html", "");
        assert_eq!(answer.status, 405, "{method}");
    }
}
