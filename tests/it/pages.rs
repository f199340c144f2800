//! The shells of the pages: anybody gets them, so they hold nothing.

use relay::http::ui;
use serde_json::json;

use crate::support::server::{Answer, Relay, parse};

/// Names as nobody gives them: in the path as the first, in the page as the second.
const ODD: &[(&str, &str)] = &[
    ("%22%3E%3Cscript%3Ealert(1)", "\"><script>alert(1)"),
    ("a%22%20onload=%22b", "a\" onload=\"b"),
    ("%27%26%3Clt%3B", "'&<lt;"),
    // A slash in a name stays as it was asked for: it is none of the path's.
    ("a%2Fb", "a%2Fb"),
    ("a%2F..%2F..%2Fb", "a%2F..%2F..%2Fb"),
    ("%C3%A9%E2%80%A8", "é\u{2028}"),
    ("..%5C", "..\\"),
];

fn open(relay: &Relay, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n");
    parse(&relay.raw(request.as_bytes()))
}

/// Each place in the path of a page with its name.
fn places(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
}

fn filled(path: &str, name: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { name } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// The value of an attribute of the first element, as a browser reads it.
fn attribute(html: &str, name: &str) -> String {
    let tag = html.split_once("<html").unwrap().1;
    let (_, rest) = tag.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("no {name}"));
    let mut text = rest.split('"').next().unwrap().to_owned();
    for (escaped, plain) in [("&#34;", "\""), ("&#60;", "<"), ("&#62;", ">"), ("&#39;", "'")] {
        text = text.replace(escaped, plain);
    }
    text.replace("&#38;", "&")
}

#[test]
fn every_page_is_a_shell_with_a_strict_policy() {
    let relay = Relay::start();
    let app = json!({"name": "Eichhörnchen AG", "uid": "tenant-of-a-test"});
    relay.post("/app", app).expect(201);
    let mut seen = 0;
    for path in ui::paths() {
        let page = open(&relay, &filled(path, "tenant-of-a-test")).expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        for rule in ["default-src 'none'", "script-src 'self'", "require-trusted-types-for"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "{path}");
        let html = page.json.as_str().unwrap();
        assert!(
            !html.contains("Eichhörnchen"),
            "{path} holds what only callers with a key may see"
        );
        assert_eq!(html.matches("<h1").count(), 1, "{path}");
        for inline in [" style=", " onclick=", "<style", "javascript:"] {
            assert!(!html.contains(inline), "{path} holds {inline}");
        }
        for script in html.split("<script").skip(1) {
            let (tag, rest) = script.split_once('>').unwrap();
            assert!(tag.contains(" src=\"") && rest.starts_with("</script>"), "{path}: {tag}");
        }
        seen += 1;
    }
    assert!(seen > 15, "{seen} pages");
}

#[test]
fn a_page_stands_once_in_the_navigation() {
    let relay = Relay::start();
    for path in ui::paths().filter(|path| !["/sign-in", "/setup"].contains(path)) {
        let page = open(&relay, &filled(path, "name")).expect(200);
        let html = page.json.as_str().unwrap();
        assert_eq!(html.matches("aria-current=\"page\"").count(), 1, "{path}");
    }
}

#[test]
fn what_pages_are_made_of_is_served() {
    let relay = Relay::start();
    for path in ui::paths() {
        let page = open(&relay, &filled(path, "name")).expect(200);
        let html = page.json.as_str().unwrap();
        let root = "../".repeat(path.matches('/').count() - 1);
        let before = format!("\"{root}assets/");
        let links = html.split(&before).skip(1);
        let links: Vec<&str> = links.map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(links.len() >= 4, "{path}: {links:?}");
        for link in links {
            let asset = open(&relay, &format!("/assets/{link}")).expect(200);
            let kept = asset.header("cache-control").unwrap();
            assert!(kept.contains("immutable"), "{link} of {path}: {kept}");
        }
        assert_eq!(page.header("cache-control"), Some("no-cache"), "{path}");
    }
    let other = open(&relay, "/assets/another/ui.css").expect(200);
    assert_eq!(other.header("cache-control"), Some("no-cache"), "of another binary");
    let none = open(&relay, "/assets/another/none.css").expect(404);
    assert_eq!(none.header("cache-control"), Some("no-store"));
}

/// Somebody who types an address reads words; what calls the API gets its errors.
#[test]
fn nothing_is_told_in_words_to_browsers() {
    let relay = Relay::start();
    let ask = |method: &str, path: &str, accept: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: relay\r\naccept: {accept}\r\n");
        parse(&relay.raw(format!("{head}connection: close\r\n\r\n").as_bytes()))
    };
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (path, root) in [("/none", ""), ("/applications/a/none", "../../")] {
        let page = ask("GET", path, browser).expect(404);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        let html = page.json.as_str().unwrap();
        assert!(html.contains("There is nothing at this path."), "{html}");
        assert!(html.contains(&format!("<a href=\"{root}./\">")), "{html}");
    }
    for (method, path, accept) in [
        ("GET", "/none", "application/json"),
        ("GET", "/none", "*/*"),
        ("POST", "/none", browser),
        ("GET", "/assets/a/none", browser),
    ] {
        let told = ask(method, path, accept).expect(404);
        assert_eq!(told.json["code"], "not_found", "{method} {path} {accept}");
    }
}

#[test]
fn odd_names_stay_text() {
    let relay = Relay::start();
    let mut seen = 0;
    for path in ui::paths().filter(|path| path.contains('{')) {
        for (asked, shown) in ODD {
            let page = open(&relay, &filled(path, asked)).expect(200);
            let html = page.json.as_str().unwrap();
            for name in places(path) {
                assert_eq!(attribute(html, &format!("data-{name}")), *shown, "{path} {asked}");
            }
            let root = "../".repeat(path.matches('/').count() - 1);
            assert_eq!(attribute(html, "data-root"), root, "{path} {asked}");
            assert!(!html.contains("<script>"), "{path} {asked}: {html}");
            assert!(!html.contains("onload=\"b\""), "{path} {asked}");
            seen += 1;
        }
    }
    assert!(seen > 5 * ODD.len(), "{seen} pages");
}
