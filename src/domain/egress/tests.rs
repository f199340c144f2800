use super::{
    ClientCredentials, Credential, CredentialsIn, DeliverySettings, EndpointAuth, EndpointTls,
    hide_credentials, keep_credentials, left_out, problems, same_place,
};

fn with(auth: EndpointAuth) -> DeliverySettings {
    DeliverySettings { auth: Some(auth), ..DeliverySettings::default() }
}

fn given(text: &str) -> Credential {
    Credential::new(text.to_owned())
}

fn basic(username: &str, password: Credential) -> DeliverySettings {
    with(EndpointAuth::Basic { username: username.to_owned(), password })
}

fn oauth2(token_url: &str, client_secret: Credential) -> DeliverySettings {
    with(EndpointAuth::Oauth2(ClientCredentials {
        token_url: token_url.to_owned(),
        client_id: "id".to_owned(),
        client_secret,
        scope: None,
        audience: None,
        credentials_in: CredentialsIn::Header,
    }))
}

/// Settings as they were written first, and with everything: rows that stand decode for ever.
#[test]
fn stored_settings_read_back() {
    let check = |json: &str, expected: &DeliverySettings| {
        assert_eq!(&serde_json::from_str::<DeliverySettings>(json).unwrap(), expected, "{json}");
        assert_eq!(serde_json::to_string(expected).unwrap(), json);
    };
    let asks = DeliverySettings { cloud_events: true, ..DeliverySettings::default() };
    check(r#"{"cloud_events":true}"#, &asks);
    let basic = DeliverySettings { proxy: Some("eu".to_owned()), ..basic("anna", given("p")) };
    check(
        concat!(
            r#"{"cloud_events":false,"auth":{"type":"basic","username":"anna","#,
            r#""password":"p"},"proxy":"eu"}"#
        ),
        &basic,
    );
    check(
        r#"{"cloud_events":false,"auth":{"type":"bearer","token":"t"}}"#,
        &with(EndpointAuth::Bearer { token: given("t") }),
    );
    let header = EndpointAuth::Header { name: "x-key".to_owned(), value: given("v") };
    check(
        r#"{"cloud_events":false,"auth":{"type":"header","name":"x-key","value":"v"}}"#,
        &with(header),
    );
    check(
        concat!(
            r#"{"cloud_events":false,"auth":{"type":"oauth2","token_url":"https://t.example/","#,
            r#""client_id":"id","client_secret":"s","credentials_in":"header"}}"#
        ),
        &oauth2("https://t.example/", given("s")),
    );
    let tls = EndpointTls {
        client_certificate: Some("c".to_owned()),
        client_key: given("k"),
        ca: Some("a".to_owned()),
    };
    check(
        r#"{"cloud_events":false,"tls":{"client_certificate":"c","client_key":"k","ca":"a"}}"#,
        &DeliverySettings { tls: Some(tls), ..DeliverySettings::default() },
    );
}

#[test]
fn what_is_wrong_is_named() {
    let check = |settings: DeliverySettings, expected: &[&str]| {
        let found = problems(&settings);
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected, "{found:?}");
    };
    check(basic("anna", given("")), &[]);
    check(basic("", given("key")), &[]);
    check(basic("anna", Credential::default()), &[]);
    check(basic("an:na", given("line\nend")), &["auth.password", "auth.username"]);
    check(with(EndpointAuth::Bearer { token: given("") }), &["auth.token"]);
    check(with(EndpointAuth::Bearer { token: given(&"x".repeat(3_001)) }), &["auth.token"]);
    let header = |name: &str, value: &str| {
        with(EndpointAuth::Header { name: name.to_owned(), value: given(value) })
    };
    check(header("x-key", "v"), &[]);
    check(header("host", ""), &["auth.value", "auth.name"]);
    check(oauth2("ftp://t.example", given("")), &["auth.client_secret", "auth.token_url"]);
    let tls = EndpointTls { ca: Some("none".to_owned()), ..EndpointTls::default() };
    check(DeliverySettings { tls: Some(tls), ..DeliverySettings::default() }, &["tls.ca"]);
    let tls = EndpointTls { client_key: given("k"), ..EndpointTls::default() };
    check(DeliverySettings { tls: Some(tls), ..DeliverySettings::default() }, &["tls.client_key"]);
    let proxy = Some("http://x".to_owned());
    check(DeliverySettings { proxy, ..DeliverySettings::default() }, &["proxy"]);
}

#[test]
fn credentials_stay_where_they_were_given_for() {
    let kept = |mut new: DeliverySettings, old: &DeliverySettings| {
        keep_credentials(&mut new, old);
        left_out(&new)
    };
    let none = Credential::default;
    assert!(kept(basic("other", none()), &basic("anna", given("p"))).is_empty());
    let bearer = with(EndpointAuth::Bearer { token: none() });
    assert_eq!(kept(bearer, &basic("anna", given("p"))), ["auth.token"]);
    let old = oauth2("https://t.example/a", given("s"));
    assert!(kept(oauth2("https://t.example/b", none()), &old).is_empty());
    let elsewhere = oauth2("https://evil.example/a", none());
    assert_eq!(kept(elsewhere, &old), ["auth.client_secret"]);
    let tls = |certificate: &str, client_key| DeliverySettings {
        tls: Some(EndpointTls {
            client_certificate: Some(certificate.to_owned()),
            client_key,
            ca: None,
        }),
        ..DeliverySettings::default()
    };
    assert!(kept(tls("c", none()), &tls("c", given("k"))).is_empty());
    assert_eq!(kept(tls("d", none()), &tls("c", given("k"))), ["tls.client_key"]);
}

#[test]
fn places() {
    let check = |one: &str, other: &str, expected| assert_eq!(same_place(one, other), expected);
    check("https://a.example/x", "https://A.example:443/y?z", true);
    check("https://a.example/", "http://a.example/", false);
    check("https://a.example/", "https://a.example:8443/", false);
    check("https://a.example/", "https://b.example/", false);
    check("nonsense", "nonsense", false);
}

#[test]
fn nothing_secret_is_printed() {
    let mut settings = oauth2("https://t.example/", given("hush"));
    assert!(!format!("{settings:?}").contains("hush"));
    hide_credentials(&mut settings, "(hidden)");
    let printed = serde_json::to_string(&settings).unwrap();
    assert!(printed.contains("(hidden)") && !printed.contains("hush"), "{printed}");
}
