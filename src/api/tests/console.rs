//! The console is served to every browser that reaches the port, and to no page of anybody else.

use std::collections::BTreeSet;
use std::io::Read as _;

use flate2::read::GzDecoder;
use regex::Regex;

use super::super::console::FILES;
use super::*;
use crate::clock::Clock;

/// The most that all files together may have, uncompressed.
const ROOM: usize = 100_000;

fn url(path: &str) -> String {
    if path == "index.html" { "/".to_owned() } else { format!("/console/{path}") }
}

fn ask_with(method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(method).uri(path).header("host", "localhost:8714");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    answer(&new_board(), &setup(), request.body(Body::empty()).unwrap())
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Goal: each file is given out as it lies in the folder, with its type and every guard.
#[test]
fn every_file_comes_as_it_is_with_its_guards() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
    for file in FILES {
        let found = ask_with("GET", &url(file.path), &[]);
        assert_eq!(found.status, StatusCode::OK, "{}", file.path);
        assert!(found.body == std::fs::read(folder.join(file.path)).unwrap(), "{}", file.path);
        let kind = match file.path.rsplit_once('.').unwrap().1 {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            "json" => "application/json",
            "woff2" => "font/woff2",
            other => panic!("{other}"),
        };
        assert_eq!(found.kind, kind, "{}", file.path);
        for (name, value) in [
            ("cache-control", "no-cache"),
            ("vary", "accept-encoding"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(header(&found, name), value, "{}: {name}", file.path);
        }
        let policy: BTreeSet<_> = header(&found, "content-security-policy").split("; ").collect();
        for part in [
            "default-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(policy.contains(part), "{}: {part}: {policy:?}", file.path);
        }
        assert_eq!(policy.len(), 7, "{policy:?}");
    }
}

#[test]
fn nothing_is_there_but_what_is_for_browsers() {
    assert!(FILES.iter().any(|file| file.path == "index.html"));
    let foreign = ["README", "LICENSE", ".md", ".ts", ".test.js", "jsconfig", "package", "node_modules", "tests/"];
    for file in FILES {
        assert!(!foreign.iter().any(|part| file.path.contains(part)), "{}", file.path);
    }
    for path in [
        "/console",
        "/console/",
        "/console/nothing.js",
        "/console/index.html",
        "/console/README.md",
        "/console/../Cargo.toml",
        "/console/..%2fCargo.toml",
        "/console/%ff",
        "/index.html",
    ] {
        problem(&ask_with("GET", path, &[]), 404, "unknown-path");
    }
    problem(&ask_with("POST", "/", &[]), 405, "method-not-allowed");
}

/// Goal: the page asks for nothing that is not there, and for nothing from elsewhere. Method: what its page names is followed, and what
/// its modules import.
#[test]
fn everything_that_the_page_asks_for_is_there() {
    let known: BTreeSet<String> = FILES.iter().map(|file| url(file.path)).collect();
    let text = |file: &super::super::console::File| String::from_utf8(file.plain.bytes.to_vec()).unwrap();
    let page = FILES.iter().find(|file| file.path == "index.html").map(text).unwrap();
    let named = Regex::new(r##"<(?:script|link|img|use)\b[^>]*?\b(?:src|href)="([^"#]+)"##).unwrap();
    let named: Vec<_> = named.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    assert!(!named.is_empty(), "{page}");
    for name in named {
        assert!(known.contains(&format!("/{}", name.trim_start_matches('/'))), "{name}");
    }
    // The policy would refuse them.
    for inline in ["<script>", "<style\\b", "\\sstyle=", "\\son[a-z]+="] {
        assert!(!Regex::new(inline).unwrap().is_match(&page), "{inline}");
    }
    let import =
        r#"(?m)^\s*(?:(?:import|export)\b[^;'"=(]*\bfrom|import)\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]"#;
    let import = Regex::new(import).unwrap();
    for file in FILES.iter().filter(|file| file.path.ends_with(".js") && !file.path.starts_with("vendor/")) {
        for found in import.captures_iter(&text(file)) {
            let name = found.get(1).or(found.get(2)).unwrap().as_str();
            let from = url(file.path);
            let mut parts: Vec<&str> = from.split('/').collect();
            parts.pop();
            for part in name.split('/') {
                match part {
                    "." => {}
                    ".." => drop(parts.pop()),
                    part => parts.push(part),
                }
            }
            assert!(name.starts_with('.') && known.contains(&parts.join("/")), "{}: {name}", file.path);
        }
    }
}

#[test]
fn whoever_takes_it_compressed_gets_the_same_bytes() {
    for file in FILES {
        let plain = ask_with("GET", &url(file.path), &[]);
        for taken in ["gzip", "deflate, gzip;q=1.0, br", "*", "x, GZIP ; q=0.5"] {
            let packed = ask_with("GET", &url(file.path), &[("accept-encoding", taken)]);
            if header(&packed, "content-encoding").is_empty() {
                // Too small for it.
                assert!(packed.body == plain.body && plain.body.len() < 1_000, "{}: {taken}", file.path);
                continue;
            }
            assert_eq!(header(&packed, "content-encoding"), "gzip", "{}: {taken}", file.path);
            let mut bytes = Vec::new();
            GzDecoder::new(&packed.body[..]).read_to_end(&mut bytes).unwrap();
            assert!(bytes == plain.body && packed.body.len() < plain.body.len(), "{}", file.path);
            assert_ne!(header(&packed, "etag"), header(&plain, "etag"), "other bytes, another tag");
        }
        for refused in ["br", "gzip;q=0", "gzip;q=0, *", "*;q=0", "identity", ""] {
            let found = ask_with("GET", &url(file.path), &[("accept-encoding", refused)]);
            assert!(found.body == plain.body, "{}: {refused}", file.path);
            assert_eq!(header(&found, "content-encoding"), "", "{}: {refused}", file.path);
        }
    }
    // Something is large enough.
    assert!(FILES.iter().any(|file| {
        let packed = ask_with("GET", &url(file.path), &[("accept-encoding", "gzip")]);
        header(&packed, "content-encoding") == "gzip"
    }));
}

#[test]
fn what_a_browser_has_is_not_sent_again() {
    let mut tags = BTreeSet::new();
    for file in FILES {
        for taken in ["identity", "gzip"] {
            let first = ask_with("GET", &url(file.path), &[("accept-encoding", taken)]);
            let tag = header(&first, "etag");
            assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag}");
            tags.insert(tag.to_owned());
            for known in [tag.to_owned(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
                for method in ["GET", "HEAD"] {
                    let asked = [("accept-encoding", taken), ("if-none-match", known.as_str())];
                    let again = ask_with(method, &url(file.path), &asked);
                    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{method} {}: {known}", file.path);
                    for name in ["etag", "vary", "cache-control", "content-security-policy"] {
                        assert_eq!(header(&again, name), header(&first, name), "{}: {name}", file.path);
                    }
                }
            }
            for other in ["\"other\"", "", &tag[1..]] {
                let again = ask_with("GET", &url(file.path), &[("accept-encoding", taken), ("if-none-match", other)]);
                assert_eq!(again.status, StatusCode::OK, "{}: {other}", file.path);
            }
        }
    }
    assert!(tags.len() > FILES.len(), "each file has its own, and each form of it: {tags:?}");
}

#[test]
fn head_says_what_get_would() {
    for file in FILES {
        for taken in ["identity", "gzip"] {
            let [get, head] = ["GET", "HEAD"].map(|m| ask_with(m, &url(file.path), &[("accept-encoding", taken)]));
            assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
            assert_eq!(header(&head, "content-length"), get.body.len().to_string(), "{}", file.path);
            let but_length = |answer: &Answer| {
                let mut headers = answer.headers.clone();
                headers.remove("content-length");
                headers
            };
            assert_eq!(but_length(&head), but_length(&get), "{}", file.path);
        }
    }
}

/// Goal: whoever has to log in gets the page to do it with, and nothing else without it.
#[test]
fn nobody_needs_a_token_for_the_page() {
    let afar = Setup { is_loopback: false, hosts: hosts("0.0.0.0:8714", &["gate.example.com"]), ..setup() };
    let ask = |path: &str, host: &str, origin: Option<&str>| {
        let request = Request::builder().uri(path).header("host", host);
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        answer(&new_board(), &afar, request.body(Body::empty()).unwrap())
    };
    for file in FILES {
        assert_eq!(ask(&url(file.path), "gate.example.com:8714", None).status, StatusCode::OK, "{}", file.path);
        problem(&ask(&url(file.path), "evil.example.com", None), 421, "unknown-host");
        problem(&ask(&url(file.path), "gate.example.com", Some("https://evil.example.com")), 403, "foreign-origin");
    }
    problem(&ask("/api/v1/whoami", "gate.example.com", None), 401, "unauthorized");
}

#[test]
fn it_is_small() {
    let total: usize = FILES.iter().map(|file| file.plain.bytes.len()).sum();
    assert!(total <= ROOM, "{total} bytes of at most {ROOM}");
}

/// Goal: a page knows whom it shows, and whose time it is there.
#[test]
fn a_page_is_told_the_label_and_the_clock_of_the_gate() {
    let asked = |setup: &Setup, board: Board| {
        let request = Request::builder().uri("/api/v1/whoami").header("host", "localhost:8714");
        answer(&Arc::new(board), setup, request.body(Body::empty()).unwrap()).json()
    };
    let found = asked(&setup(), Board::new(Metrics::new().unwrap(), 1));
    assert_eq!((&found["label"], &found["clock"]["per_second"]), (&Value::Null, &1.0.into()));
    assert_eq!(found["version"], env!("CARGO_PKG_VERSION"));
    let named = Setup { label: Some("PROD kafka-eu".to_owned()), ..setup() };
    let calendar = Clock::new(|| Timestamp(857_304_000_500), 86_400.0);
    let found = asked(&named, Board::by(calendar, Metrics::new().unwrap(), 1));
    assert_eq!(found["label"], "PROD kafka-eu");
    assert_eq!(found["clock"], serde_json::json!({"now": "1997-03-02T12:00:00.500Z", "per_second": 86_400.0}));
}
