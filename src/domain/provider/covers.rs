//! What a row's signatures cover of a request.

use super::content::Part;
use super::row::{Provider, Scheme};
use super::sns;

impl Provider {
    /// Whether a source can't verify without a secret: what signs nothing, or hands it over, can.
    pub fn needs_secret(&self) -> bool {
        let adopts = self.handshakes.iter().any(|row| row.adopt.is_some());
        self.scheme != Scheme::None && !adopts
    }

    /// Whether the body is a part of what is signed, not some of its fields or its checksum alone.
    pub fn signs_body(&self) -> bool {
        let covers = |part: &Part| matches!(part, Part::Body | Part::SortedForm | Part::Form(_));
        self.signs_message() && self.message.iter().any(covers)
    }

    /// Whether there is a signature over the row's message.
    fn signs_message(&self) -> bool {
        match self.scheme {
            Scheme::Hmac | Scheme::Hash | Scheme::Ed25519 | Scheme::Ecdsa | Scheme::Rsa => true,
            Scheme::Certificate | Scheme::Ebay => true,
            Scheme::Token | Scheme::Jwt | Scheme::Adyen | Scheme::ClientState => false,
            Scheme::None => false,
        }
    }

    /// Whether what is signed is that of AWS SNS, whose digest the message names.
    pub(super) fn signs_sns(&self) -> bool {
        self.message.contains(&Part::Sns)
    }

    /// Whether the URL that the provider was given is a part of what it signs.
    pub fn signs_url(&self) -> bool {
        let url = |part: &Part| matches!(part, Part::Url | Part::DecodedUrl);
        match self.scheme {
            Scheme::Jwt => self.jwt.audience || self.jwt.qsh,
            _ => self.signs_message() && self.message.iter().any(url),
        }
    }

    /// Whether a signature covers the id by which an event is known again. Where not, whoever can
    /// send a request again can send it with another id: then what is the same is known by the hash
    /// of the body. False where there is no id, too.
    pub fn event_id_is_signed(&self) -> bool {
        let mut places = self.event_id.iter().flat_map(|place| place.split('+'));
        !self.event_id.is_empty() && places.all(|place| self.covers(place))
    }

    /// Whether a change at this place is seen.
    fn covers(&self, place: &str) -> bool {
        let is = |part: &Part| match (place.split_once('.'), part) {
            (Some(("header", name)), Part::Header(signed)) => name.eq_ignore_ascii_case(signed),
            (Some(("query", _)), Part::Url) | (Some(("body", _)), Part::Body) => true,
            (Some(("query", name)), Part::Query(signed)) => name == signed,
            (Some(("body", path)), Part::Json(signed)) => path == signed,
            (Some(("body", path)), Part::Sns) => sns::signs(path),
            _ => false,
        };
        self.signs_message() && self.message.iter().any(is)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::provider::{Provider, find, known};

    #[test]
    fn ids_that_are_signed() {
        let signed = |provider: &&Provider| provider.event_id_is_signed();
        let check = |name: &str, expected: bool| {
            assert_eq!(signed(&find(name).unwrap()), expected, "{name}");
        };
        for name in ["stripe", "slack", "svix", "twitch", "mailgun", "aws-sns", "adyen-platforms"] {
            check(name, true);
        }
        // In a header that is not signed; with a token; by a checksum; no id at all.
        for name in ["github", "shopify", "gitlab", "telegram", "paypal", "dropbox", "cloudevents"]
        {
            check(name, false);
        }
        let count = known().iter().filter(signed).count();
        assert!(count >= 20, "{count}");
    }
}
