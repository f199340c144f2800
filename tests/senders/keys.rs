//! Who guesses keys.

use crate::support::Relay;

const PROXY: (&str, &str) = ("RELAY__SERVER__TRUSTED_PROXIES", "127.0.0.0/8");
/// More addresses than are remembered.
const ADDRESSES: u32 = 5_000;

fn guess(relay: &Relay, address: &str, key: &str) -> (u16, String) {
    let request = format!(
        "GET /api/v1/app HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: {address}\r\n\
         authorization: Bearer {key}\r\n\r\n"
    );
    let answer = String::from_utf8(relay.exchange(request.as_bytes())).unwrap();
    (answer[9..12].parse().unwrap(), answer.to_ascii_lowercase())
}

#[test]
fn guesses_are_slowed_down_by_address() {
    let relay = Relay::with(&[PROXY]);
    for number in 0..20 {
        assert_eq!(guess(&relay, "203.0.113.7", &format!("sk_{number}")).0, 401);
    }
    let (status, answer) = guess(&relay, "203.0.113.7", "sk_21");
    assert_eq!(status, 429, "{answer}");
    let after = answer.split("retry-after: ").nth(1).expect("when to come again");
    let seconds: u64 = after.split("\r\n").next().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(guess(&relay, "203.0.113.7", &relay.key).0, 200, "the right key");
    assert_eq!(guess(&relay, "203.0.113.8", "sk_21").0, 401, "another address");
}

/// Every shape of a wrong key, and from more addresses than are remembered.
#[test]
fn a_flood_of_addresses_and_odd_keys() {
    let relay = Relay::with(&[PROXY]);
    for number in 0..ADDRESSES {
        let address = std::net::Ipv4Addr::from_bits(0x0b00_0000 + number).to_string();
        assert_eq!(guess(&relay, &address, "sk_wrong").0, 401, "{address}");
    }
    assert_eq!(guess(&relay, "203.0.113.9", &relay.key).0, 200);
    let longer = format!("{}x", relay.key);
    let shorter = &relay.key[..relay.key.len() - 1];
    let large = "a".repeat(20_000);
    for key in ["", " ", "sk_", &longer, shorter, &large, "v1,", "ey.ey.ey", "null", "\u{e4}"] {
        let (status, answer) = guess(&relay, "203.0.113.10", key);
        assert_eq!(status, 401, "{key}: {answer}");
    }
}
