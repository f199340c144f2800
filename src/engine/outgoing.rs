//! The headers of a delivery.

use std::collections::BTreeMap;

use crate::config::HeaderNames;
use crate::domain::endpoint::Endpoint;
use crate::domain::headers::is_reserved_header;
use crate::domain::signature::sign;
use crate::domain::time::Timestamp;
use crate::engine::transformation::{AGENT, Unsigned};
use crate::engine::transport::USER_AGENT;

/// What one attempt's headers are made of.
#[derive(Clone, Copy)]
pub struct HeaderParts<'a> {
    /// The message's id as text.
    pub message_id: &'a str,
    /// Unix seconds of this attempt, wall clock.
    pub timestamp: u64,
    /// `v1,… v1a,…`.
    pub signature: &'a str,
    /// The message's content type.
    pub content_type: &'a str,
    /// What a provider sent with it, and where it came to.
    pub received: &'a [(String, String)],
    /// The endpoint's own headers.
    pub endpoint_headers: &'a BTreeMap<String, String>,
    /// `delivery.headers`.
    pub names: HeaderNames,
    /// `relay/<version>`, or the provider's.
    pub user_agent: &'a str,
}

/// The headers of a request that is made to an endpoint under this id, signed at `wall`; `own` are
/// those of the endpoint's own that go along. Keys that are rotated away at `now` do not sign.
pub fn signed_headers(
    id: &str,
    endpoint: &Endpoint,
    own: &BTreeMap<String, String>,
    request: &Unsigned,
    names: HeaderNames,
    (now, wall): (Timestamp, Timestamp),
) -> Vec<(String, String)> {
    let timestamp = wall.seconds();
    let signature = sign(endpoint.signing_keys(now), id, timestamp, &request.body);
    let is_agent = |(name, _): &&(String, String)| name.eq_ignore_ascii_case(AGENT);
    let agent = request.headers.iter().find(is_agent).map(|(_, agent)| agent.as_str());
    outgoing_headers(&HeaderParts {
        message_id: id,
        timestamp,
        signature: &signature,
        content_type: &request.content_type,
        received: &request.headers,
        endpoint_headers: own,
        names,
        user_agent: agent.unwrap_or(USER_AGENT),
    })
}

/// The headers of one attempt in the order they are sent: content type, signature, user agent, what
/// the provider sent, then the endpoint's own, which replace what the provider sent and nothing
/// else, whatever the catalog holds.
pub fn outgoing_headers(parts: &HeaderParts<'_>) -> Vec<(String, String)> {
    let own = parts.endpoint_headers;
    let mut headers = Vec::with_capacity(8 + own.len());
    headers.push(("content-type".to_owned(), parts.content_type.to_owned()));
    let families: &[[&str; 3]] = match parts.names {
        HeaderNames::Standard => &[STANDARD],
        HeaderNames::Svix => &[SVIX],
        HeaderNames::Both => &[STANDARD, SVIX],
    };
    for [id, timestamp, signature] in families {
        headers.push(((*id).to_owned(), parts.message_id.to_owned()));
        headers.push(((*timestamp).to_owned(), parts.timestamp.to_string()));
        headers.push(((*signature).to_owned(), parts.signature.to_owned()));
    }
    headers.push(("user-agent".to_owned(), parts.user_agent.to_owned()));
    let replaced = |name: &String| own.keys().any(|own| own.eq_ignore_ascii_case(name));
    let own_way = |name: &String| name.eq_ignore_ascii_case("user-agent") || replaced(name);
    let received = parts.received.iter().filter(|(name, _)| !own_way(name));
    headers.extend(received.cloned());
    let own = own.iter().filter(|(name, _)| !is_reserved_header(name));
    headers.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    headers
}

const STANDARD: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const SVIX: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(names: HeaderNames, own: &[(&str, &str)]) -> Vec<String> {
        let own: BTreeMap<_, _> =
            own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let parts = HeaderParts {
            message_id: "msg_1",
            timestamp: 7,
            signature: "v1,abc=",
            content_type: "application/json",
            received: &[],
            endpoint_headers: &own,
            names,
            user_agent: "relay/0",
        };
        let headers = outgoing_headers(&parts);
        headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn order_and_families() {
        let standard = ["webhook-id: msg_1", "webhook-timestamp: 7", "webhook-signature: v1,abc="];
        let svix = ["svix-id: msg_1", "svix-timestamp: 7", "svix-signature: v1,abc="];
        let check = |names: HeaderNames, signed: &[&str]| {
            let mut expected = vec!["content-type: application/json"];
            expected.extend(signed);
            expected.extend(["user-agent: relay/0", "authorization: Bearer x"]);
            assert_eq!(sent(names, &[("authorization", "Bearer x")]), expected);
        };
        check(HeaderNames::Standard, &standard);
        check(HeaderNames::Svix, &svix);
        check(HeaderNames::Both, &[standard, svix].concat());
    }

    #[test]
    fn an_endpoint_replaces_nothing() {
        let headers = sent(
            HeaderNames::Standard,
            &[
                ("Content-Type", "text/plain"),
                ("Transfer-Encoding", "chunked"),
                ("host", "elsewhere"),
                ("user-agent", "mine"),
                ("Webhook-Signature", "v1,forged"),
                ("x-own", "1"),
            ],
        );
        assert_eq!(
            headers,
            [
                "content-type: application/json",
                "webhook-id: msg_1",
                "webhook-timestamp: 7",
                "webhook-signature: v1,abc=",
                "user-agent: relay/0",
                "x-own: 1",
            ]
        );
    }
}
