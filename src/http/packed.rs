//! What the binary serves as it is, packed by `build.rs`: sent so to whoever takes gzip (RFC 9110,
//! section 8.4.1.3), which every browser does.

use std::io::Read;

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpResponse, HttpResponseBuilder};
use flate2::read::GzDecoder;

/// A file as gzip.
#[derive(Clone, Copy)]
pub(super) struct Packed(pub &'static [u8]);

/// The packed file of this name.
macro_rules! packed {
    ($name:literal) => {
        $crate::http::packed::Packed(include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")))
    };
}

pub(super) use packed;

impl Packed {
    /// What was packed.
    pub fn unpack(self) -> Vec<u8> {
        let mut found = Vec::new();
        let read = GzDecoder::new(self.0).read_to_end(&mut found);
        read.expect("invariant: it was packed when this was built");
        found
    }

    /// Answers with it as the request wants it.
    pub fn answer(self, asked: &HeaderMap, mut answer: HttpResponseBuilder) -> HttpResponse {
        answer.insert_header((header::VARY, "accept-encoding"));
        if takes_gzip(asked) {
            return answer.insert_header((header::CONTENT_ENCODING, "gzip")).body(self.0);
        }
        answer.body(self.unpack())
    }
}

/// Whether gzip is among what is taken, and not by `q=0` among what is not.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let values = asked.get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight: String = weight.split_whitespace().collect();
        let refused = weight.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_gzip() {
        let check = |values: &[&'static str], expected: bool| {
            let mut asked = HeaderMap::new();
            for value in values {
                let value = header::HeaderValue::from_static(value);
                asked.append(header::ACCEPT_ENCODING, value);
            }
            assert_eq!(takes_gzip(&asked), expected, "{values:?}");
        };
        check(&[], false);
        check(&["gzip, deflate, br, zstd"], true);
        check(&["br", "deflate;q=0.5, GZIP ; q=1.0"], true);
        check(&["gzip;q=0"], false);
        check(&["gzip; q=0.000, br"], false);
        check(&["identity", "x-gzip"], false);
    }

    #[test]
    fn it_is_what_was_packed() {
        let text = include_str!("../../docs/openapi.json");
        assert!(packed!("openapi.json").unpack() == text.as_bytes());
    }
}
