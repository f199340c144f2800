//! What AWS SNS signs of a message, and how.

use super::encoding::Digest;
use super::reason::Reason;
use super::request::Request;

/// The fields of a notification, in their order; a subject is there or not.
const NOTIFICATION: [&str; 6] =
    ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];

/// Those of what confirms a subscription or its end.
const CONFIRMATION: [&str; 7] =
    ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// The digest that the message names.
pub fn digest(request: &Request<'_>) -> Result<Digest, Reason> {
    match request.needed("body.SignatureVersion")?.as_str() {
        "1" => Ok(Digest::Sha1),
        "2" => Ok(Digest::Sha256),
        _ => Err(Reason::Algorithm { place: "the body's SignatureVersion".to_owned() }),
    }
}

/// What is signed when the message is one of this topic: names and values, each with a line end.
pub fn message(request: &Request<'_>, topic: &str) -> Result<Vec<u8>, Reason> {
    let fields: &[&str] = match request.needed("body.Type")?.as_str() {
        "Notification" => &NOTIFICATION,
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => &CONFIRMATION,
        _ => return Err(Reason::Algorithm { place: "the body's Type".to_owned() }),
    };
    let mut bytes = Vec::with_capacity(request.body.len());
    for field in fields {
        let value = match *field {
            // Of another topic the signature does not fit: anybody may have one.
            "TopicArn" => topic.to_owned(),
            "Subject" => match request.field(field)? {
                None => continue,
                Some(subject) => subject,
            },
            field => request.needed(&format!("body.{field}"))?,
        };
        bytes.extend_from_slice(format!("{field}\n{value}\n").as_bytes());
    }
    Ok(bytes)
}

/// Whether a field is signed in every message.
pub fn signs(field: &str) -> bool {
    NOTIFICATION.contains(&field) && CONFIRMATION.contains(&field)
}
