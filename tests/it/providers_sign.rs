//! What is signed as a provider signs it is verified, for every row; and samples of events.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use relay::domain::provider::{
    Handshake, KeyForm, NotSignable, Provider, Request, Scheme, Setup, find, handshake, known,
    sample, samples, sign, verify,
};
use relay::domain::time::Timestamp;

const URL: &str = "https://relay.example.com/in/abc?b=%3A&a=1";
const NOW: Timestamp = Timestamp::from_millis(1_795_219_200_123);

/// A secret of the form that a row reads.
fn secret(provider: &Provider, seed: &str) -> String {
    match provider.key {
        KeyForm::Hex => seed.bytes().map(|byte| format!("{byte:02x}")).collect(),
        KeyForm::Base64 => STANDARD.encode(seed),
        KeyForm::Whsec => format!("whsec_{}", STANDARD.encode(seed)),
        KeyForm::Utf8 | KeyForm::Sha1 | KeyForm::Pem => seed.to_owned(),
    }
}

fn has_public_key(provider: &Provider) -> bool {
    let scheme = provider.scheme;
    matches!(scheme, Scheme::Ed25519 | Scheme::Ecdsa | Scheme::Rsa)
        || matches!(scheme, Scheme::Certificate | Scheme::Ebay)
}

fn check(provider: &Provider, seed: &str, request: &Request<'_>) -> Result<(), TestCaseError> {
    let name = &provider.name;
    let secret = secret(provider, seed);
    let made = match sign(provider, &secret, request, NOW) {
        Ok(made) => made,
        Err(NotSignable::PublicKey) => {
            prop_assert!(has_public_key(provider), "{}", name);
            return Ok(());
        }
        Err(error) => return Err(TestCaseError::fail(format!("{name}: {error}"))),
    };
    prop_assert!(verify(provider, &[&secret], &made.request(), NOW).is_ok(), "{}", name);
    let other = self::secret(provider, "something else");
    let verdict = verify(provider, &[&other], &made.request(), NOW);
    prop_assert!(verdict.is_err() || provider.scheme == Scheme::None, "{}", name);
    if provider.signs_body() {
        let body = [made.body.as_slice(), b"&x=1"].concat();
        let changed = Request { body: &body, ..made.request() };
        let verdict = verify(provider, &[&secret], &changed, NOW);
        // Of a form with its signature in it, one field is signed.
        let form = provider.signature.form.is_some();
        prop_assert!(verdict.is_err() || form, "{}", name);
    }
    Ok(())
}

#[test]
fn samples_are_signed_and_verified() {
    for provider in known() {
        let mut names: Vec<Option<String>> = samples(provider).into_iter().map(Some).collect();
        names.push(None);
        if !matches!(provider.scheme, Scheme::Adyen | Scheme::ClientState) {
            names.push(Some("thing.happened".to_owned()));
        }
        for name in names {
            let sample = sample(provider, name.as_deref(), "id-1");
            let request = Request {
                method: sample.method,
                url: URL,
                headers: &sample.headers,
                body: &sample.body,
            };
            check(provider, "a secret of theirs", &request).unwrap();
            if !provider.event_type.is_empty() {
                let told = request.first_of(&provider.event_type);
                assert_eq!(told.as_deref(), Some(&*sample.event_type), "{}", provider.name);
            }
            let told = request.ids(&provider.event_id).first().cloned();
            let expected = provider.event_id.first().map(|place| match place.contains('+') {
                true => "/sample:id-1",
                false => "id-1",
            });
            let question = sample.event_type == "url_verification" || provider.name == "mailgun";
            assert!(question || told.as_deref() == expected, "{}: {told:?}", provider.name);
        }
    }
}

/// A sample that is a question is answered as one, once it is signed.
#[test]
fn a_sample_of_a_handshake() {
    let slack = find("slack").unwrap();
    let made = sample(slack, Some("url_verification"), "id-1");
    let request =
        Request { method: made.method, url: URL, headers: &made.headers, body: &made.body };
    let made = sign(slack, "secret", &request, NOW).unwrap();
    let setup = Setup { secrets: &["secret"], ..Setup::default() };
    let found = handshake(slack, &setup, &made.request(), NOW);
    assert!(matches!(found, Some(Handshake::Answer { .. })), "{found:?}");
}

#[test]
fn what_can_not_be_signed() {
    let check = |name: &str, secret: &str, body: &str, expected: &str| {
        let request = Request { method: "POST", url: URL, headers: &[], body: body.as_bytes() };
        let error = sign(find(name).unwrap(), secret, &request, NOW).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    };
    check("discord", "00", "{}", "a key that it alone has");
    check("paypal", "1", "{}", "a key that it alone has");
    check("linear", "s", "no JSON", "a JSON object");
    check("mailgun", "s", "[]", "a JSON object");
    check("adyen", "00", "{}", "notificationItems");
    check("microsoft-graph", "s", "{}", "a list of objects");
    check("github", "", "{}", "secret 1 can't be used");
    check("svix", "whsec_\u{e9}", "{}", "secret 1 can't be used");
    // What X may ask to be signed is no event.
    check("x", "s", "12345", "looks like the challenge");
}

fn row(text: &str) -> Provider {
    toml::from_str(&format!("name = \"a\"\ntitle = \"A\"\ndocs = \"https://a\"\n{text}")).unwrap()
}

#[test]
fn rows_of_users() {
    let request = Request { method: "PUT", url: URL, headers: &[], body: b"{\"a\": 1}" };
    for text in [
        "signature = { header = \"x-s\" }\nmessage = \"{method}{url}{query:n}{json:b.c}{body}\"",
        "signature = { header = \"x-s\", format = \"kv\", key = \"s\", delimiter = \";\" }\n\
         digest = \"sha512\"\nencoding = \"base64url\"\ntimestamp = { field = \"t\" }",
        "signature = { header = \"x-s\" }\nmessage = \"{header:x-n}.{body}\"\n\
         required = { x-v = \"2\" }",
        "signature = { json = \"s.x\" }\nmessage = \"{json:a}\"",
        "signature = { form = \"s\" }\nmessage = \"{form:p}\"",
        "signature = { header = \"authorization\" }\nscheme = \"jwt\"",
    ] {
        check(&row(text), "a secret of theirs", &request).unwrap();
    }
    let circle = row("signature = { json = \"s\" }");
    let error = sign(&circle, "s", &request, NOW).unwrap_err();
    assert_eq!(error, NotSignable::Circle);
}

proptest! {
    /// `verify(sign(x))` holds for every row, secret and text.
    #[test]
    fn what_is_signed_is_verified(
        // A header loses spaces at its ends.
        seed in "[!-~é]([ -~é]{0,60}[!-~é])?",
        text in ".{0,200}",
        method in "POST|PUT|GET",
        headers in prop::collection::vec(("x-[a-z]{1,8}", "[ -~]{0,20}"), 0..4),
    ) {
        prop_assume!(seed != "something else");
        for provider in known() {
            let body = match provider.scheme {
                Scheme::Adyen => serde_json::json!({ "notificationItems": [
                    { "NotificationRequestItem": { "merchantReference": text } }, {},
                ] }),
                Scheme::ClientState => serde_json::json!({ "value": [{ "text": text }, {}] }),
                _ => serde_json::json!({ "text": text }),
            };
            let body = body.to_string();
            let request =
                Request { method: &method, url: URL, headers: &headers, body: body.as_bytes() };
            check(provider, &seed, &request)?;
        }
    }
}
