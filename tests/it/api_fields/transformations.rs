//! Fields of the calls for transformations.

use serde_json::json;

use super::{Call, Case, at, long};

fn what() -> Vec<Case> {
    let many = vec![json!({"remove": "a"}); 101];
    vec![
        at("code", vec![json!("function handler( {"), json!("let x = 1"), json!(""), json!(1)]),
        at("steps", vec![json!(1), json!(many)])
            .and(json!([{"pick": ""}]), "steps.[0].pick")
            .and(json!([{"colour": 1}]), "steps.[0]"),
    ]
}

/// Calls for transformations.
pub fn bodies() -> Vec<Call> {
    let path = "/app/acme/endpoint/e/transformation";
    let tried = json!({"payload": {}, "eventType": "a", "steps": []});
    let mut patched = what();
    patched.push(at("enabled", vec![json!("yes"), json!(1)]));
    patched.push(
        at("variables", vec![json!({"k": long(4_096)}), json!([])])
            .and(json!({"k": 1}), "variables.k"),
    );
    let mut simulated = what();
    simulated.remove(0);
    simulated.extend([
        // Beside steps there is no code.
        at("code", vec![json!(1)]).and(json!("function handler(w) { return w }"), "steps"),
        at("eventType", vec![json!("a b"), json!(""), json!(1)]),
        at("channels", vec![json!([]), json!(["a b"]), json!("c")]).and(json!([1]), "channels.[0]"),
    ]);
    let limit = || at("limit", vec![json!(0), json!(201), json!(-1), json!("1")]);
    let mut dry = what();
    dry.extend([
        super::sources::filter(),
        limit(),
        at("variables", vec![json!([])]).and(json!({"k": 1}), "variables.k"),
        at("eventTypes", vec![json!("a")])
            .and(json!(["a", "b c"]), "eventTypes.[1]")
            .and(json!([1]), "eventTypes.[0]"),
    ]);
    let dedup = vec![
        at("dedup", vec![json!("id"), json!(1)]).and(json!(["id"]), "dedup.fields"),
        at("dedupWindowSeconds", vec![json!(0), json!(604_801), json!(-1), json!("1")]),
        limit(),
    ];
    vec![
        ("POST", "/app/acme/endpoint/e/dry-run", "DryRunIn", json!({}), dry),
        ("POST", "/source/s/dry-run", "DedupDryRunIn", json!({"dedup": "body"}), dedup),
        ("PATCH", path, "TransformationPatch", json!({}), patched),
        ("POST", "/app/acme/endpoint/e/transformation/simulate", "SimulateIn", tried, simulated),
    ]
}
