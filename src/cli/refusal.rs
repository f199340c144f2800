//! The words with which a relay refuses.

use serde_json::Value;

use super::output::plain;

/// The words of an error's body, in either of the two shapes that the API has.
pub fn detail(body: &Value) -> String {
    let words = match &body["detail"] {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items = items.iter().map(|item| {
                let place = item["loc"].as_array().into_iter().flatten();
                let place: Vec<&str> = place.filter_map(Value::as_str).collect();
                format!("{}: {}", place.join("."), item["msg"].as_str().unwrap_or_default())
            });
            items.collect::<Vec<_>>().join("; ")
        }
        _ => body
            .as_str()
            .map_or_else(|| body.to_string(), str::to_owned)
            .chars()
            .take(500)
            .collect(),
    };
    plain(&words)
}

/// The words of the answer that an error came with.
pub fn words(text: &str) -> String {
    detail(&serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_of_errors() {
        let check = |body: Value, expected: &str| assert_eq!(detail(&body), expected);
        check(json!({ "code": "not_found", "detail": "Entity not found" }), "Entity not found");
        let item = json!({ "loc": ["body", "url"], "msg": "no URL", "type": "value_error" });
        check(json!({ "detail": [item] }), "body.url: no URL");
        check(json!("<html>"), "<html>");
        check(Value::Null, "null");
    }
}
