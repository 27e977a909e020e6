//! The console: its files are on the management listener alone, and contain nothing that
//! needs a token.

use turntable_testkit::Server;
use turntable_testkit::http::{get, send};

const TOKEN: &str = "0123456789abcdef";

#[test]
fn console_is_served_with_a_policy_that_allows_its_own_files_alone() {
    let server = Server::start();
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/console/main.js", "text/javascript; charset=utf-8"),
        ("/console/console.css", "text/css; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/demo/dom.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
    ] {
        let file = get(server.management, path);
        assert_eq!(file.status, 200, "{path}: {}", file.text());
        assert_eq!(file.header("Content-Type"), Some(kind), "{path}");
        let policy = file.header("Content-Security-Policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-"), "{policy}");
        assert_eq!(file.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(file.header("Access-Control-Allow-Origin"), None, "{path}");
        let tag = file.header("ETag").unwrap();
        let known = format!("If-None-Match: {tag}\r\n");
        assert_eq!(send(server.management, "GET", path, &known, "").status, 304);
        assert_eq!(send(server.management, "POST", path, "", "").status, 405);
    }
}

#[test]
fn console_is_on_the_management_listener_alone_and_nothing_else_of_the_pages_is() {
    let server = Server::start();
    for path in [
        "/console/",
        "/console/index.html",
        "/console/main.js",
        "/console",
    ] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    for path in [
        "/turntable.js",
        "/four/",
        "/console/",
        "/console/..",
        "/console/../turntable.js",
        "/console/..%2fturntable.js",
        "/console/nothing.js",
    ] {
        let answer = get(server.management, path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["error"]["code"], "not_found", "{path}");
    }
}

#[test]
fn console_needs_no_token_and_pages_of_other_sites_do_not_get_it() {
    let entry = format!("{{ token = \"{TOKEN}\", role = \"read\" }}");
    let server = Server::with(&[
        ("management.token_required", "true"),
        ("management.tokens.a", &entry),
    ]);
    for path in ["/", "/console/main.js"] {
        assert_eq!(get(server.management, path).status, 200, "{path}");
        let foreign = "Sec-Fetch-Site: cross-site\r\n";
        let refused = send(server.management, "GET", path, foreign, "");
        assert_eq!(refused.status, 403, "{path}");
    }
    assert_eq!(get(server.management, "/api").status, 401);
}

#[test]
fn link_of_another_site_opens_the_page_and_nothing_else() {
    let server = Server::start();
    let get = |path: &str, headers: &str| send(server.management, "GET", path, headers, "");
    for site in ["cross-site", "same-site"] {
        let headers = |dest: &str, more: &str| {
            format!(
                "Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: {dest}\r\n{more}"
            )
        };
        let opened = get(
            "/",
            &headers("document", "Referer: http://wiki.example/\r\n"),
        );
        assert_eq!(opened.status, 200, "{site}");
        assert!(opened.text().contains("turntable console"));
        // A frame, a form of the other page, and calls.
        let from = "Origin: http://wiki.example\r\n";
        for refused in [
            get("/", &headers("iframe", "")),
            get("/", &headers("document", from)),
            get("/user/listAll", &headers("document", "")),
            get("/user/kick/1:mel", &headers("document", "")),
            get("/metrics", &headers("document", "")),
            get(
                "/",
                &format!("Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: no-cors\r\n"),
            ),
            send(server.management, "POST", "/", &headers("document", ""), ""),
        ] {
            assert_eq!(refused.error(), (403, "forbidden".to_owned()));
            let text = refused.text();
            assert!(!text.contains("allowed_origins"), "{text}");
        }
    }
}
