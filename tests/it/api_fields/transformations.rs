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
    vec![
        ("PATCH", path, "TransformationPatch", json!({}), patched),
        ("POST", "/app/acme/endpoint/e/transformation/simulate", "SimulateIn", tried, simulated),
    ]
}
