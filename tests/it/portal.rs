//! The page behind the links of `app-portal-access`: who may show it in a frame, how it looks, and
//! that its token reaches one application and nothing of another.

use std::collections::BTreeMap;
use std::fs;

use relay::config::portal::{Portal, Theme};
use relay::config::shown::Origins;
use relay::config::{Config, HeaderNames};
use relay::http::{routes, ui};
use serde_json::{Value, json};

use crate::support::document::{Document, Operation};
use crate::support::server::{Answer, Relay};
use crate::support::walk::{PRIVATE, Seed, bodies, role};

const ANCESTORS: &str = "frame-ancestors https://app.example http://localhost:3000;";

/// What anybody gets; what the document tells of is held against it.
fn open(relay: &Relay, path: &str) -> Answer {
    if path.starts_with("/portal") {
        return relay.call("GET", path, &[("authorization", "")], None);
    }
    relay.provide("GET", path, &[], "")
}

#[track_caller]
fn policy(answer: &Answer) -> &str {
    answer.header("content-security-policy").expect("a policy")
}

fn embedded(portal: &mut Portal) {
    let origins = ["https://app.example", "http://localhost:3000"];
    portal.frame_ancestors = origins.map(|origin| origin.parse().unwrap()).to_vec();
}

#[test]
fn nobody_shows_it_in_a_frame_unless_told_so() {
    let relay = Relay::start();
    let page = open(&relay, "/portal").expect(200);
    assert!(policy(&page).contains("frame-ancestors 'none';"), "{}", policy(&page));
    let relay = Relay::with(|config| embedded(&mut config.portal));
    let page = open(&relay, "/portal").expect(200);
    assert!(policy(&page).contains(ANCESTORS), "{}", policy(&page));
    assert_eq!(page.header("x-frame-options"), None, "it knows no list");
    for rule in ["default-src 'none';", "script-src 'self';", "require-trusted-types-for 'script'"]
    {
        assert!(policy(&page).contains(rule), "{}", policy(&page));
    }
    assert!(!policy(&page).contains("unsafe"));
    // Of no other page.
    let pages = ui::paths().filter(|path| !path.contains('{'));
    for path in pages.chain(["/docs"]) {
        let answer = open(&relay, path).expect(200);
        assert!(policy(&answer).contains("frame-ancestors 'none'"), "{path}: {answer:?}");
    }
}

#[test]
fn a_reload_changes_who_may_and_how_it_looks() {
    let relay = Relay::start();
    let mut newer = Config::default();
    embedded(&mut newer.portal);
    newer.portal.name = "Acme".to_owned();
    newer.portal.accent = "#0b6b57".parse().unwrap();
    newer.server.workers = 7;
    let taken = relay.state.in_force.config().reloaded(&newer);
    assert_ne!(taken.server.workers, 7, "others need a restart");
    relay.state.in_force.set(taken, Origins::default());
    let page = open(&relay, "/portal").expect(200);
    assert!(policy(&page).contains(ANCESTORS), "{}", policy(&page));
    assert!(page.json.as_str().unwrap().contains("<title>Acme</title>"));
    let style = open(&relay, "/portal/theme.css").expect(200);
    assert!(style.json.as_str().unwrap().contains("--accent: #0b6b57;"));
}

#[test]
fn it_looks_as_its_settings_say() {
    let relay = Relay::with(|config| {
        config.portal.name = "A <b> & \"c\"".to_owned();
        config.portal.theme = Theme::Dark;
        config.portal.accent_dark = "#6fd6bd".parse().unwrap();
        config.delivery.headers = HeaderNames::Svix;
    });
    let page = open(&relay, "/portal").expect(200);
    let html = page.json.as_str().unwrap();
    assert!(html.contains("data-theme=\"dark\"") && html.contains("data-headers=\"svix\""));
    assert!(
        !html.contains("<b>") && !html.contains("\"c\"") && html.contains("A &#60;b&#62; &#38;")
    );
    assert!(!html.contains("portal/logo"), "there is none");
    open(&relay, "/portal/logo").expect(404);
    let style = open(&relay, "/portal/theme.css").expect(200);
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(style.json.as_str().unwrap().matches("--accent: #6fd6bd;").count(), 2);
    let linked = |way: &str| -> Vec<String> {
        let parts = html.split(way).skip(1).filter_map(|rest| rest.split('"').next());
        parts
            .filter(|link| !link.starts_with('#') && *link != "data:,")
            .map(str::to_owned)
            .collect()
    };
    for link in [linked("href=\""), linked("src=\"")].concat() {
        open(&relay, &format!("/{link}")).expect(200);
    }
    let slash = relay.raw(b"GET /portal/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(String::from_utf8(slash).unwrap().contains("location: ../portal\r\n"));
}

/// Somebody who opens it by itself gets a picture that can't do a thing.
#[test]
fn the_logo_is_a_picture_and_no_page() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("logo");
    let check = |bytes: &[u8], kind: &str| {
        fs::write(&path, bytes).unwrap();
        let relay = Relay::with(|config| config.portal.logo = Some(path.clone()));
        let answer = open(&relay, "/portal/logo").expect(200);
        assert_eq!(answer.header("content-type"), Some(kind));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        for rule in ["default-src 'none'", "sandbox;", "frame-ancestors 'none'"] {
            assert!(policy(&answer).contains(rule), "{}", policy(&answer));
        }
        let html = open(&relay, "/portal").expect(200);
        assert!(html.json.as_str().unwrap().contains("src=\"portal/logo\""));
    };
    check(b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>1</script></svg>", "image/svg+xml");
    check(b"\x89PNG\r\n\x1a\n<svg", "image/png");
}

fn token(relay: &Relay, app: &str) -> String {
    let made = relay.post(&format!("/auth/app-portal-access/{app}"), json!({})).expect(200);
    format!("Bearer {}", made.text("token"))
}

fn guarded() -> Vec<Operation<'static>> {
    let calls: Vec<_> =
        Document::read().operations().into_iter().filter(|call| role(call).is_some()).collect();
    // The document has every route: another test holds the two to each other.
    assert_eq!(calls.len(), routes::all().iter().filter(|route| route.guarded).count());
    calls
}

/// What no answer to another application may hold: what names `mine`, and what is its own.
fn own(relay: &Relay, mine: &Seed) -> Vec<String> {
    let secret = relay.get(&mine.path("/app/{app_id}/endpoint/{endpoint_id}/secret")).expect(200);
    let url = format!("{PRIVATE}.example/mine");
    vec![mine.app_id().to_owned(), url, secret.text("key").to_owned()]
}

fn leaks<'a>(answer: &Answer, own: &'a [String]) -> Option<&'a String> {
    let text = answer.json.to_string();
    own.iter().find(|name| text.contains(*name))
}

/// Its own application in the path, and everything behind it of another one.
#[test]
fn what_is_anothers_is_not_there_in_its_own_application() {
    let relay = Relay::start();
    let mine = Seed::plant(&relay, "mine");
    let theirs = Seed::plant(&relay, "theirs");
    let before = mine.everything(&relay);
    let own = own(&relay, &mine);
    let crossed = mine.clone().with("app_id", theirs.app_id());
    let mut tried = BTreeMap::<u16, usize>::new();
    for call in guarded() {
        let named = call.path.matches('{').count() - call.path.matches("{app_id}").count();
        for body in bodies(&call) {
            let authorization = token(&relay, theirs.app_id());
            let answer = crossed.call(&relay, &call, &authorization, body.as_ref());
            let said = format!("{} {}: {} {}", call.method, call.path, answer.status, answer.json);
            assert_eq!(leaks(&answer, &own), None, "{said}");
            // Its own listener may have the same name.
            let shared = ["/event-type", "/listener/"].iter().any(|part| call.path.contains(part));
            // A PUT makes what is not there, in its own application.
            let makes = call.method == "PUT" && answer.status == 201;
            if named > 0 && !shared && !makes {
                assert!((400..500).contains(&answer.status), "{said}");
            }
            *tried.entry(answer.status).or_default() += 1;
        }
    }
    assert_eq!(mine.everything(&relay), before, "nothing of it was changed");
    assert!(tried[&404] > 20 && tried[&403] > 20 && tried[&200] > 5, "{tried:?}");
}

/// Ids of another application in queries and bodies, and the iterators of its lists.
#[test]
fn filters_and_iterators_lead_into_its_own_application_alone() {
    let relay = Relay::start();
    let mine = Seed::plant(&relay, "mine");
    let theirs = Seed::plant(&relay, "theirs");
    for number in 0..3 {
        let message = json!({"eventType": "invoice.paid", "payload": {"a": number}});
        relay.post(&format!("/app/{}/msg", mine.app_id()), message).expect(202);
    }
    let own = own(&relay, &mine);
    let authorization = token(&relay, theirs.app_id());
    let ask = |path: &str| relay.call("GET", path, &[("authorization", &authorization)], None);
    let messages = relay.get(&format!("/app/{}/msg?limit=1", mine.app_id())).expect(200);
    let iterator = messages.text("iterator").to_owned();
    let ids = ["endpoint_id", "msg_id", "attempt_id", "task_id"];
    let foreign: Vec<String> = ids.map(|name| mine.path(&format!("{{{name}}}"))).to_vec();
    let mut walked = 0;
    let lists = |call: &Operation<'_>| {
        call.method == "GET" && role(call) == Some("application") && !call.path.contains("polling")
    };
    for call in guarded().into_iter().filter(lists) {
        let path = theirs.path(call.path);
        let mut queries = vec![format!("iterator={iterator}"), format!("iterator=-{iterator}")];
        for name in ["endpoint_id", "q", "endpoint", "msg"] {
            queries.extend(foreign.iter().map(|id| format!("{name}={id}")));
        }
        for query in queries {
            let answer = ask(&format!("{path}?{query}"));
            let said = format!("{path}?{query}: {} {}", answer.status, answer.json);
            assert_eq!(leaks(&answer, &own), None, "{said}");
            let held = |id: &&String| answer.status < 400 && answer.json.to_string().contains(*id);
            assert_eq!(foreign.iter().find(held), None, "{said}");
            walked += 1;
        }
    }
    assert!(walked > 200, "{walked}");
    let endpoint = mine.path("{endpoint_id}");
    let plan = json!({"plan": true, "endpointId": endpoint}).to_string();
    let headers = [("authorization", authorization.as_str())];
    for work in ["resend", "purge"] {
        let path = format!("/app/{}/dead-letter/{work}", theirs.app_id());
        let answer = relay.send("POST", &path, &headers, Some(&plan));
        assert_ne!(answer.json["count"].as_u64(), Some(1), "{}", answer.json);
        assert_eq!(leaks(&answer, &own), None, "{}", answer.json);
    }
}

/// What needs no key tells nobody anything of an application, whatever it is asked with.
#[test]
fn what_is_open_holds_nothing_of_an_application() {
    let relay = Relay::start();
    let mine = Seed::plant(&relay, "mine");
    let foreign = Seed::plant(&relay, "theirs");
    let authorization = token(&relay, foreign.app_id());
    let open = routes::all().into_iter().filter(|route| !route.guarded && route.method == "GET");
    let paths: Vec<String> =
        open.map(|route| route.path).chain(ui::paths().map(str::to_owned)).collect();
    assert!(paths.len() > 8, "{paths:?}");
    for path in paths.iter().filter(|path| !path.contains('{')) {
        let answer = relay.provide("GET", path, &[("authorization", &authorization)], "");
        let text = answer.json.to_string();
        let document = path.ends_with("openapi.json");
        for secret in [PRIVATE, mine.app_id(), "\"whsec_"] {
            assert!(document || !text.contains(secret), "{secret} leaks: {path}");
        }
    }
    let whoami: Value =
        relay.call("GET", "/api/v1/auth/whoami", &[("authorization", &authorization)], None).json;
    assert_eq!(whoami["appId"], foreign.app_id());
}
