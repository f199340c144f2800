//! `delivery` of an endpoint.

use serde_json::json;

use super::{Case, at};

pub fn settings() -> Case {
    at("delivery", vec![json!(1), json!([])])
        .and(json!({"cloudEvents": "yes"}), "delivery.cloudEvents")
        .and(json!({"colour": 1}), "delivery.colour")
}
