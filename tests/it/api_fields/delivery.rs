//! `delivery` of an endpoint.

use serde_json::{Value, json};

use super::{Case, at};

pub fn settings() -> Case {
    let many: serde_json::Map<String, Value> =
        (0..51).map(|number| (format!("type.{number}"), json!({}))).collect();
    at("delivery", vec![json!(1), json!([])])
        .and(json!({"cloudEvents": "yes"}), "delivery.cloudEvents")
        .and(json!({"colour": 1}), "delivery.colour")
        .and(json!({"timeoutSeconds": 0}), "delivery.timeoutSeconds")
        .and(json!({"timeoutSeconds": 601}), "delivery.timeoutSeconds")
        .and(json!({"retryScheduleSeconds": []}), "delivery.retryScheduleSeconds")
        .and(json!({"retryScheduleSeconds": vec![1; 101]}), "delivery.retryScheduleSeconds")
        .and(json!({"retryScheduleSeconds": [1, 2_592_001]}), "delivery.retryScheduleSeconds.1")
        .and(json!({"perEventType": many}), "delivery.perEventType")
        .and(json!({"perEventType": {"a b": {}}}), "delivery.perEventType.a b")
        .and(
            json!({"perEventType": {"a": {"timeoutSeconds": 0}}}),
            "delivery.perEventType.a.timeoutSeconds",
        )
        .and(json!({"maxInFlight": 0}), "delivery.maxInFlight")
        .and(json!({"delaySeconds": 2_592_001}), "delivery.delaySeconds")
        .and(json!({"order": {"by": "customer"}}), "delivery.order.by")
        .and(json!({"order": {"by": "body.a[$index]"}}), "delivery.order.by")
        .and(json!({"order": true}), "delivery.order")
        .and(json!({"batch": {"size": 1}}), "delivery.batch.size")
        .and(json!({"batch": {"size": 1_001}}), "delivery.batch.size")
        .and(json!({"batch": {"size": 2, "waitMs": 60_001}}), "delivery.batch.waitMs")
        .and(json!({"batch": {"size": 2, "maxBytes": 0}}), "delivery.batch.maxBytes")
        .and(json!({"batch": {"size": 2}, "order": {"by": "body.a"}}), "delivery.batch")
}
