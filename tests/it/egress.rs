//! Credentials, TLS and proxies of endpoints: taken, kept, and never shown again.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use rcgen::{CertificateParams, KeyPair};
use relay::config::Config;
use serde_json::{Value, json};

use crate::support::server::Relay;

const E: &str = "/app/acme/endpoint/e";
const HUSH: &str = "hush-hush";

fn relay_with(delivery: Value) -> Relay {
    let relay = Relay::with(|config: &mut Config| {
        let proxies = "[[proxy]]\nname = 'eu'\nurl = 'http://a:b@10.0.0.1:1'\ntenants = true\n\
                       [[proxy]]\nname = 'own'\nurl = 'socks5://10.0.0.2'\n";
        config.proxies = toml::from_str::<Config>(proxies).unwrap().proxies;
    });
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let endpoint = json!({"url": "https://h.example/in", "uid": "e", "delivery": delivery});
    relay.post("/app/acme/endpoint", endpoint).expect(201);
    relay
}

fn basic() -> Value {
    json!({"auth": {"type": "basic", "username": "anna", "password": HUSH}})
}

fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
}

/// What the endpoint has, secrets and all.
fn held(relay: &Relay) -> Value {
    let document = relay.get("/environment/export?with_secrets=true").expect(200).json;
    document["applications"][0]["endpoints"][0]["delivery"].clone()
}

#[test]
fn credentials_are_never_shown_again() {
    let relay = relay_with(basic());
    let shown = json!({"type": "basic", "username": "anna"});
    assert_eq!(relay.get(E).json["delivery"]["auth"], shown);
    for path in [E, "/app/acme/endpoint", "/environment/export"] {
        let answer = relay.get(path).expect(200).json.to_string();
        assert!(!answer.contains(HUSH), "{path}: {answer}");
    }
    assert_eq!(held(&relay)["auth"]["password"], HUSH);
    for (given, shown) in [
        (json!({"type": "bearer", "token": HUSH}), json!({"type": "bearer"})),
        (
            json!({"type": "header", "name": "x-key", "value": HUSH}),
            json!({"type": "header", "name": "x-key"}),
        ),
        (
            json!({
                "type": "oauth2", "tokenUrl": "https://T.example", "clientId": "c",
                "clientSecret": HUSH, "scope": "a b", "credentialsIn": "body",
            }),
            json!({
                "type": "oauth2", "tokenUrl": "https://t.example/", "clientId": "c",
                "scope": "a b", "credentialsIn": "body",
            }),
        ),
    ] {
        let answer = relay.patch(E, json!({"delivery": {"auth": given}})).expect(200);
        assert_eq!(answer.json["delivery"]["auth"], shown);
        assert!(held(&relay)["auth"].to_string().contains(HUSH));
    }
}

/// What is read can be written back, and a change of something else costs no credential.
#[test]
fn what_is_left_out_stays() {
    let relay = relay_with(basic());
    let mut read = relay.get(E).json;
    read["description"] = json!("changed");
    relay.put(E, read).expect(200);
    assert_eq!(held(&relay)["auth"]["password"], HUSH);
    let bertha = json!({"delivery": {"auth": {"type": "basic", "username": "bertha"}}});
    relay.patch(E, bertha).expect(200);
    assert_eq!(
        held(&relay)["auth"],
        json!({
            "type": "basic", "username": "bertha", "password": HUSH,
        })
    );
    let without = relay.put(E, json!({"url": "https://h.example/other"})).expect(200);
    assert_eq!(without.json["delivery"]["auth"]["username"], "bertha", "a PUT without delivery");
    // Of another kind it is another thing.
    let bearer = json!({"delivery": {"auth": {"type": "bearer"}}});
    assert_eq!(relay.patch(E, bearer).problem(), "body.delivery.auth.token");
    let gone = relay.patch(E, json!({"delivery": null})).expect(200);
    assert_eq!(gone.json["delivery"], json!({"cloudEvents": false}));
    let back = json!({"delivery": {"auth": {"type": "basic", "username": "anna"}}});
    assert_eq!(relay.patch(E, back).problem(), "body.delivery.auth.password");
}

/// Who may change an endpoint but does not know its credentials can't have them sent elsewhere.
#[test]
fn credentials_do_not_follow_the_url() {
    let relay = relay_with(basic());
    for url in ["https://evil.example/in", "http://h.example/in", "https://h.example:8443/in"] {
        assert_eq!(relay.patch(E, json!({"url": url})).problem(), "body.delivery");
        assert_eq!(relay.put(E, json!({"url": url})).problem(), "body.delivery");
        let known = json!({"url": url, "delivery": {"auth": {"type": "basic", "username": "a"}}});
        assert_eq!(relay.patch(E, known.clone()).problem(), "body.delivery.auth.password");
        assert_eq!(relay.put(E, known).problem(), "body.delivery.auth.password");
    }
    relay.patch(E, json!({"url": "https://h.example/else?where=1"})).expect(200);
    let given = json!({"url": "https://g.example/", "delivery": basic()});
    relay.patch(E, given).expect(200);
    relay.patch(E, json!({"url": "https://f.example/", "delivery": null})).expect(200);
    assert_eq!(held(&relay), json!({"cloudEvents": false}));

    let oauth2 = |token_url: &str| {
        json!({"delivery": {"auth": {
            "type": "oauth2", "tokenUrl": token_url, "clientId": "c", "clientSecret": HUSH,
        }}})
    };
    relay.patch(E, oauth2("https://t.example/token")).expect(200);
    for (token_url, status) in [("https://t.example/v2", 200), ("https://evil.example/", 422)] {
        let mut moved = oauth2(token_url);
        moved["delivery"]["auth"].as_object_mut().unwrap().remove("clientSecret");
        relay.patch(E, moved).expect(status);
    }
}

#[test]
fn one_header_has_one_origin() {
    let relay = relay_with(basic());
    let own = json!({"headers": {"Authorization": "Bearer x"}});
    assert_eq!(relay.put(&format!("{E}/headers"), own.clone()).problem(), "body.delivery.auth");
    assert_eq!(relay.patch(&format!("{E}/headers"), own).problem(), "body.delivery.auth");
    let user = json!({"url": "https://anna:p@h.example/in"});
    assert_eq!(relay.patch(E, user).problem(), "body.delivery.auth");
    relay.put(&format!("{E}/headers"), json!({"headers": {"x-team": "books"}})).expect(204);
    let named = json!({"delivery": {"auth": {"type": "header", "name": "X-Team", "value": "v"}}});
    assert_eq!(relay.patch(E, named).problem(), "body.delivery.auth");
}

#[test]
fn certificates_and_keys_belong_together() {
    let made = || {
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["relay.example".to_owned()]).unwrap();
        let certificate = names.self_signed(&key).unwrap();
        (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", &key.serialize_der()))
    };
    let ((certificate, key), (other_certificate, other_key)) = (made(), made());
    let tls = |certificate: &str, key: &str| {
        let tls = json!({"clientCertificate": certificate, "clientKey": key});
        json!({"delivery": {"tls": tls}})
    };
    let relay = relay_with(json!({}));
    let shown = relay.patch(E, tls(&certificate, &key)).expect(200).json;
    assert_eq!(shown["delivery"]["tls"], json!({"clientCertificate": certificate}));
    let check = |body: Value, place: &str, words: &str| {
        let answer = relay.patch(E, body);
        let told = answer.json["detail"][0]["msg"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.problem(), format!("body.delivery.tls.{place}"));
        assert!(told.contains(words), "{told}");
    };
    check(tls(&certificate, &other_key), "clientKey", "is not the key of the client certificate");
    check(tls(&key, &key), "clientCertificate", "holds no certificate");
    check(tls(&certificate, &certificate), "clientKey", "holds no private key in PEM");
    let locked = pem("ENCRYPTED PRIVATE KEY", b"x");
    check(tls(&certificate, &locked), "clientKey", "is encrypted");
    let broken = pem("CERTIFICATE", b"no certificate");
    check(tls(&broken, &key), "clientCertificate", "its certificate 1 can't be read");
    check(tls(&certificate.repeat(17), &key), "clientCertificate", "at most 16 certificates");
    check(json!({"delivery": {"tls": {"ca": broken}}}), "ca", "its certificate 1 can't be read");

    // A certificate that is renewed brings its key; all else leaves it.
    let without = |certificate: &str, ca: &str| {
        let tls = json!({"clientCertificate": certificate, "ca": ca});
        json!({"delivery": {"tls": tls}})
    };
    relay.patch(E, without(&certificate, &other_certificate)).expect(200);
    assert_eq!(held(&relay)["tls"]["clientKey"], key);
    check(without(&other_certificate, &certificate), "clientKey", "is missing");
    relay.patch(E, tls(&other_certificate, &other_key)).expect(200);
    assert_eq!(held(&relay)["tls"]["clientKey"], other_key);
    assert_eq!(relay.patch(E, json!({"url": "https://g.example/"})).problem(), "body.delivery");
}

#[test]
fn proxies_are_the_operators() {
    let relay = relay_with(json!({}));
    let choose = |name: &str| json!({"delivery": {"proxy": name}});
    for name in ["eu", "own", "direct"] {
        assert_eq!(relay.patch(E, choose(name)).expect(200).json["delivery"]["proxy"], name);
    }
    assert_eq!(relay.patch(E, choose("us")).problem(), "body.delivery.proxy");
    relay.patch(E, choose("own")).expect(200);
    // A tenant chooses among those for tenants, and may leave what an operator chose.
    let access = relay.post("/auth/app-portal-access/acme", json!({})).expect(200);
    let token = format!("Bearer {}", access.text("token"));
    let as_tenant =
        |body: Value| relay.send("PATCH", E, &[("authorization", &token)], Some(&body.to_string()));
    let kept = json!({"description": "d", "delivery": {"proxy": "own"}});
    as_tenant(kept).expect(200);
    as_tenant(choose("eu")).expect(200);
    assert_eq!(as_tenant(choose("own")).problem(), "body.delivery.proxy");
    as_tenant(choose("direct")).expect(200);
    assert!(!relay.get(E).json.to_string().contains("10.0.0"));
}

#[test]
fn documents_carry_credentials_only_when_asked_to() {
    let source = relay_with(basic());
    let bare = source.get("/environment/export").expect(200).json;
    let whole = source.get("/environment/export?with_secrets=true").expect(200).json;
    let import = |relay: &Relay, document: &Value| {
        relay.post("/environment/import?per_item=true", document.clone()).expect(200).json
    };
    let target = Relay::start();
    let note = "lacks delivery.auth, whose credentials are not in the document: set it by hand";
    let answer = import(&target, &bare).to_string();
    assert!(answer.contains(note), "{answer}");
    assert_eq!(held(&target), json!({"cloudEvents": false}));
    let answer = import(&target, &whole).to_string();
    assert!(!answer.contains("lacks") && !answer.contains(HUSH), "{answer}");
    assert_eq!(held(&target)["auth"]["password"], HUSH);
    // What stands is kept by a document that does not have it, unless the URL leads elsewhere.
    assert!(!import(&target, &bare).to_string().contains("lacks"));
    assert_eq!(held(&target)["auth"]["password"], HUSH);
    let mut moved = bare;
    moved["applications"][0]["endpoints"][0]["url"] = json!("https://evil.example/");
    assert!(import(&target, &moved).to_string().contains(note));
    assert_eq!(held(&target), json!({"cloudEvents": false}));
}

/// Sealed like all that is secret of an endpoint, and there after a restart.
#[test]
fn credentials_are_sealed_and_outlive_a_restart() {
    let relay = relay_with(basic());
    let folder = relay.stop();
    let found = files(folder.data()).into_iter().any(|file| {
        let bytes = std::fs::read(&file).unwrap();
        bytes.windows(HUSH.len()).any(|window| window == HUSH.as_bytes())
    });
    assert!(!found, "in the clear");
    assert_eq!(held(&Relay::over(folder))["auth"]["password"], HUSH);
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
