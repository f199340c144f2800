//! Every provider of the table against requests that were signed by another implementation, and
//! against what providers published; `providers/make.py` says where each comes from.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use relay::domain::provider::{
    self, By, Fetched, Provider, Reason, Request, Scheme, Verified, explain, known, verify,
    verify_with,
};
use relay::domain::time::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use sha1::Sha1;

#[derive(Deserialize)]
struct Case {
    provider: String,
    origin: String,
    what: String,
    expected: String,
    secret: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    now: u64,
    #[serde(default)]
    documents: Vec<(String, String)>,
    #[serde(default)]
    roots: Option<Vec<String>>,
}

impl Case {
    fn row(&self) -> &'static Provider {
        provider::find(&self.provider).unwrap_or_else(|| panic!("no row {}", self.provider))
    }

    fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            url: &self.url,
            headers: &self.headers,
            body: self.body.as_bytes(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now * 1_000)
    }

    fn check(&self, secrets: &[&str], request: &Request<'_>) -> Result<Verified, Reason> {
        let documents = self.documents.iter();
        let documents: Vec<_> =
            documents.map(|(url, text)| (url.as_str(), text.as_str())).collect();
        let roots = self.roots.as_ref().map(|roots| {
            let mut store = RootCertStore::empty();
            for root in roots {
                store.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
            }
            store
        });
        let fetched = Fetched { documents: &documents, roots: roots.as_ref() };
        verify_with(self.row(), secrets, &fetched, request, self.now())
    }

    fn verdict(&self, secrets: &[&str]) -> &'static str {
        word(&self.check(secrets, &self.request()).err())
    }
}

fn word(reason: &Option<Reason>) -> &'static str {
    match reason.as_ref().map(Reason::code) {
        None => "verified",
        Some("ambiguous") => "malformed",
        Some(code) => code,
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("providers/cases.json")).unwrap()
}

#[test]
fn requests_of_every_provider() {
    let mut covered: BTreeMap<&str, usize> = BTreeMap::new();
    let cases = cases();
    for case in &cases {
        let what = format!("{} {} ({})", case.provider, case.what, case.origin);
        assert_eq!(case.verdict(&[&case.secret]), case.expected, "{what}");
        *covered.entry(&case.provider).or_default() += usize::from(case.expected != "verified");
    }
    for provider in known() {
        let invalid = covered.get(provider.name.as_str());
        // A token says nothing of body or time.
        let least = if provider.name == "mailgun" || provider.name == "braintree" { 2 } else { 3 };
        let token = matches!(provider.scheme, Scheme::Token | Scheme::None);
        assert!(
            invalid.is_some_and(|count| *count >= least || token),
            "{} has too few invalid cases: {invalid:?}",
            provider.name
        );
    }
}

/// Any of several secrets may have signed; which one is told.
#[test]
fn secrets_are_rotated() {
    for case in cases().iter().filter(|case| case.what == "as it is sent") {
        // No secret is a part of what eBay's keys sign.
        if case.row().scheme == Scheme::Ebay {
            continue;
        }
        let mut others = cases().into_iter().filter(|other| other.provider == case.provider);
        let other = others.find(|other| other.what == "another secret").unwrap().secret;
        let verified = case.check(&[other.as_str(), case.secret.as_str()], &case.request());
        assert_eq!(verified.map(|verified| verified.by), Ok(By::Secret(1)), "{}", case.provider);
        assert_eq!(case.verdict(&[]), "secret", "{}", case.provider);
    }
}

/// A header that stands twice, a signature of nothing, more of them than are tried: refused.
#[test]
fn headers_that_are_doubled_or_empty() {
    for case in cases().iter().filter(|case| case.what == "as it is sent") {
        let Some(header) = &case.row().signature.header else { continue };
        let Some(signed) = case.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(header))
        else {
            continue;
        };
        let verdict = |headers: &[(String, String)]| {
            let request = Request { headers, ..case.request() };
            word(&case.check(&[&case.secret], &request).err())
        };
        let twice = [case.headers.clone(), vec![signed.clone()]].concat();
        assert_eq!(verdict(&twice), "malformed", "{}", case.provider);
        for value in ["", ",", "=", "v1=", "t=1", "sha256=", "v1,", "\u{e9}", &"v1=0,".repeat(200)]
        {
            let mut headers = case.headers.clone();
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case(header));
            headers.push((header.clone(), value.to_owned()));
            assert_ne!(verdict(&headers), "verified", "{} {value:?}", case.provider);
        }
    }
}

/// What people get wrong is named.
#[test]
fn mistakes_are_named() {
    let cases = cases();
    let valid = |provider: &str| {
        let mut found = cases.iter().filter(|case| case.provider == provider);
        found.find(|case| case.expected == "verified").unwrap()
    };
    let check = |case: &Case, row: &Provider, secret: &str, body: &str, part: &str| {
        let request = Request { body: body.as_bytes(), ..case.request() };
        let told = explain(row, &[secret], &request, case.now());
        assert!(told.iter().any(|words| words.contains(part)), "{part}: {told:?}");
    };
    let github = valid("github");
    let (row, body) = (github.row(), github.body.as_str());
    check(github, row, " a secret of theirs", body, "without the spaces around it");
    check(github, row, &github.secret, body.trim_end(), "with a line end behind it");
    check(github, row, &github.secret, &format!("{body}\n"), "without the line end");
    let shopify = valid("shopify");
    let mut hex = shopify.row().clone();
    hex.encoding = provider::Encoding::Hex;
    check(shopify, &hex, &shopify.secret, &shopify.body, "it fits in base64");
    let mut sha512 = row.clone();
    sha512.digest = provider::Digest::Sha512;
    check(github, &sha512, &github.secret, body, "it fits with SHA-256");
    let zendesk = valid("zendesk");
    let mut decoded = zendesk.row().clone();
    decoded.key = provider::KeyForm::Base64;
    check(zendesk, &decoded, &zendesk.secret, &zendesk.body, "taken as it is");
    let told = explain(row, &["wrong"], &github.request(), github.now());
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn ids_and_types_of_events() {
    let check = |name: &str, headers: &[(&str, &str)], body: &str, expected: [Option<&str>; 2]| {
        let row = provider::find(name).unwrap();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let (method, url) = ("POST", "https://relay.example.com/in/abc");
        let request = Request { method, url, headers: &headers, body: body.as_bytes() };
        let found = [&row.event_id, &row.event_type].map(|places| request.first_of(places));
        assert_eq!(found.each_ref().map(Option::as_deref), expected, "{name}");
    };
    let body = r#"{"id":"evt_1","type":"invoice.paid"}"#;
    check("stripe", &[], body, [Some("evt_1"), Some("invoice.paid")]);
    let headers = [("X-GitHub-Delivery", "d-1"), ("X-GitHub-Event", "push")];
    check("github", &headers, "{}", [Some("d-1"), Some("push")]);
    let body = r#"{"event_id":"Ev1","type":"event_callback","event":{"type":"app_mention"}}"#;
    check("slack", &[], body, [Some("Ev1"), Some("app_mention")]);
    check("slack", &[], r#"{"type":"url_verification"}"#, [None, Some("url_verification")]);
    // An id of the first item would stand for the others too.
    let body = r#"[{"event":"open","sg_event_id":"s1"},{"event":"click"}]"#;
    check("sendgrid", &[], body, [None, Some("open")]);
    check("stripe", &[], "no JSON", [None, None]);
}

/// What would pass without a signature over it, or with one that anybody can get.
#[test]
fn what_only_looks_signed() {
    let cases = cases();
    let valid = |provider: &str, part: &str| {
        let mut found = cases.iter().filter(|case| case.provider == provider);
        let fits = |case: &&Case| case.expected == "verified" && case.url.contains(part);
        found.find(fits).unwrap()
    };
    let verdict = |case: &Case, url: &str, headers: &[(String, String)], body: &[u8]| {
        let request = Request { url, headers, body, ..case.request() };
        word(&verify(case.row(), &[&case.secret], &request, case.now()).err())
    };
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());

    // Twilio signs the URL and a form: a body of another kind only by its digest in the URL.
    let twilio = valid("twilio", "bodySHA256");
    let url = twilio.url.split('?').next().unwrap();
    let mac = |content: &str| {
        let mut mac = Hmac::<Sha1>::new_from_slice(twilio.secret.as_bytes()).unwrap();
        mac.update(content.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    };
    let signed = header("x-twilio-signature", &mac(url));
    let kind = |kind: &str| vec![signed.clone(), header("content-type", kind)];
    let form = "application/x-www-form-urlencoded";
    assert_eq!(verdict(twilio, url, &kind(form), b""), "verified");
    assert_eq!(verdict(twilio, url, &kind("application/json"), b"{}"), "missing");
    assert_eq!(verdict(twilio, url, &kind(&format!("{form}X")), b"a=1"), "missing");
    let two = [kind(form), vec![header("content-type", form)]].concat();
    assert_eq!(verdict(twilio, url, &two, b"a=1"), "missing");

    // Mailgun signs time and token without anything between them.
    let mailgun = valid("mailgun", "");
    let moved = mailgun.body.replace("\"1795219200\"", "\"17952192000\"");
    let moved = moved.replace("\"token\": \"0", "\"token\": \"");
    assert_eq!(verdict(mailgun, &mailgun.url, &[], moved.as_bytes()), "malformed");

    // The answer to a handshake of Braintree's is a signature over what was asked.
    let braintree = valid("braintree", "");
    let body = braintree.body.replace("PD94bWwgYQ%3D%3D%0A", &"0f".repeat(15));
    assert_ne!(body, braintree.body);
    assert_eq!(
        verdict(braintree, &braintree.url, &braintree.headers, body.as_bytes()),
        "malformed"
    );
    let twice = format!("{}&bt_payload=x", braintree.body);
    assert_eq!(verdict(braintree, &braintree.url, &braintree.headers, twice.as_bytes()), "missing");

    // A bare digest says which version it is, and covers text only.
    let hubspot = valid("hubspot-v1", "");
    let other = vec![hubspot.headers[0].clone(), header("x-hubspot-signature-version", "v2")];
    assert_eq!(verdict(hubspot, &hubspot.url, &other, hubspot.body.as_bytes()), "malformed");
    let longer = [hubspot.body.as_bytes(), &[0x80, 0, 0]].concat();
    assert_eq!(verdict(hubspot, &hubspot.url, &hubspot.headers, &longer), "mismatch");

    // A second header of a numbered place, and a time with a zone's name behind it.
    let docusign = valid("docusign", "");
    let doubled = [docusign.headers.clone(), vec![docusign.headers[1].clone()]].concat();
    assert_eq!(verdict(docusign, &docusign.url, &doubled, docusign.body.as_bytes()), "malformed");
    let zendesk = valid("zendesk", "");
    let time = "x-zendesk-webhook-signature-timestamp";
    let zoned = vec![zendesk.headers[0].clone(), header(time, "2026-11-21T00:00:00Z[UTC]")];
    assert_eq!(verdict(zendesk, &zendesk.url, &zoned, zendesk.body.as_bytes()), "malformed");
}

/// Of two fields of one name programs differ in which they take.
#[test]
fn fields_that_stand_twice() {
    let cases = cases();
    let mailgun = cases.iter().find(|case| case.provider == "mailgun").unwrap();
    let verdict = |body: &str| {
        let request = Request { body: body.as_bytes(), ..mailgun.request() };
        word(&verify(mailgun.row(), &[&mailgun.secret], &request, mailgun.now()).err())
    };
    assert_eq!(verdict(&mailgun.body), "verified");
    let (open, field) = ("{\"signature\": {", "\"token\": \"x\", ");
    for twice in [
        mailgun.body.replace(open, &format!("{open}{field}")),
        mailgun.body.replace(open, &format!("{open}\"\\u0074oken\": \"x\", ")),
        mailgun.body.replace(open, &format!("{{\"signature\": {{}}, {}", &open[1..])),
    ] {
        assert_eq!(verdict(&twice), "malformed", "{twice}");
    }
}

#[test]
fn every_case_says_where_it_is_from() {
    let origins: BTreeSet<String> = cases().into_iter().map(|case| case.origin).collect();
    assert!(origins.len() > 4 && origins.iter().all(|origin| !origin.is_empty()), "{origins:?}");
}
