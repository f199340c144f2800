//! Signatures by keys that everybody may know.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

use super::encoding::Digest;
use super::row::Scheme;

/// Whether a key is one of the scheme's.
pub fn is_key(scheme: Scheme, key: &[u8]) -> bool {
    match scheme {
        Scheme::Ed25519 => key.len() == 32,
        Scheme::Ecdsa => key.starts_with(&P256),
        Scheme::Rsa | Scheme::Certificate => rsa_key(key).is_some(),
        _ => true,
    }
}

/// Whether the key made this signature; ECDSA and Ed25519 know one digest.
pub fn verifies(
    scheme: Scheme,
    digest: Digest,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let (algorithm, key): (&dyn VerificationAlgorithm, _) = match (scheme, digest) {
        (Scheme::Ed25519, _) => (&ED25519, Some(key)),
        (Scheme::Ecdsa, Digest::Sha256) => (&ECDSA_P256_SHA256_ASN1, p256_point(key)),
        (Scheme::Rsa | Scheme::Certificate, Digest::Sha256) => {
            (&RSA_PKCS1_2048_8192_SHA256, rsa_key(key))
        }
        (Scheme::Certificate, Digest::Sha1) => {
            (&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, rsa_key(key))
        }
        _ => return false,
    };
    key.is_some_and(|key| UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok())
}

/// The point of a P-256 key, out of its wrapping.
pub fn p256_point(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(&P256)
}

/// The head of a P-256 key as SPKI (RFC 5480): what follows is the point.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The `RSAPublicKey` (RFC 8017 appendix A.1.1) in an SPKI (RFC 5280 section 4.1): the contents of
/// its bit string, which is the last thing in it.
fn rsa_key(key: &[u8]) -> Option<&[u8]> {
    const RSA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let at = key.windows(RSA.len()).position(|window| window == RSA)? + RSA.len();
    let rest = key.get(at..)?.strip_prefix(&[0x05, 0x00])?.strip_prefix(&[0x03])?;
    let long = usize::from(rest.first()? & 0x80 != 0) * usize::from(rest.first()? & 0x7f);
    // The length, then the count of unused bits: none.
    rest.get(1 + long..)?.strip_prefix(&[0x00])
}
