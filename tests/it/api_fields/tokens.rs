//! Fields of the calls that make keys and tokens.

use serde_json::json;

use super::{Call, at, long};

/// Calls for keys and tokens.
pub fn bodies() -> Vec<Call> {
    let all = "/auth/app/acme/expire-all";
    let access = "/auth/app-portal-access/acme";
    let flags = vec![json!(vec!["f"; 11]), json!(["a b"]), json!([long(257)]), json!("f")];
    let capabilities = [json!([]), json!(["ManageEndpoint"]), json!(["viewBase"]), json!("x")];
    let session = || vec![json!(""), json!(long(257)), json!("\u{0}"), json!(1)];
    let given = vec![
        at("capabilities", capabilities.to_vec()).and(json!([1]), "capabilities.[0]"),
        at("featureFlags", flags).and(json!([1]), "featureFlags.[0]"),
        at("expiry", vec![json!(3_599), json!(604_801), json!(-1), json!("3600")]),
        at("sessionId", session()),
        at("readOnly", vec![json!("yes"), json!(1)]),
    ];
    let ended = vec![
        at("expiry", vec![json!(604_801), json!(-1), json!("0")]),
        at("sessionIds", vec![json!(vec!["s"; 1_001]), json!([""]), json!([long(257)])])
            .and(json!([1]), "sessionIds.[0]"),
    ];
    let past = json!("2026-11-21T00:00:00Z");
    let key = vec![
        at("name", vec![json!(""), json!(long(257)), json!("\u{0}"), json!(1)]),
        at("expiresAt", vec![past, json!("soon"), json!(1)]),
        at("scopes", vec![json!([]), json!(["viewBase"]), json!("operator")])
            .and(json!([1]), "scopes.[0]"),
    ];
    let name = || at("name", vec![json!(""), json!(long(257)), json!("\u{0}"), json!(1)]);
    let sign_in = vec![at("key", vec![json!(""), json!(long(257)), json!(1), json!(null)])];
    let link = vec![name(), at("role", vec![json!(""), json!("admin"), json!(1)])];
    let code = at("code", vec![json!(""), json!(long(129)), json!(1), json!(null)]);
    let redeem = vec![code, name()];
    vec![
        ("POST", access, "AppPortalAccessIn", json!({}), given),
        ("POST", all, "ExpireAllIn", json!({}), ended),
        ("POST", "/auth/key", "OperatorKeyIn", json!({}), key),
        ("POST", "/auth/session", "SessionIn", json!({}), sign_in),
        ("POST", "/auth/sign-in-link", "SignInLinkIn", json!({"name": "n"}), link),
        ("POST", "/auth/sign-in-link/redeem", "RedeemIn", json!({"code": "c"}), redeem),
    ]
}
