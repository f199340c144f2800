//! Which addresses are public: IPv4 by a block list of special-purpose ranges (RFC 6890), IPv6 by
//! an allow rule, global unicast less what tunnels to somewhere else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// First address and prefix length of every IPv4 range that no delivery may reach.
const BLOCKED_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    // A cloud's host agent, reachable from every guest at this public address.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// First address and prefix length of the parts of 2000::/3 that no delivery may reach.
const BLOCKED_V6: [(Ipv6Addr, u32); 4] = [
    // Teredo, ORCHID, benchmarking.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The address that a URL names itself, with its port; `None` for a name, which may point anywhere
/// and is judged at every connection.
pub fn literal(url: &Url) -> Option<SocketAddr> {
    let address = match url.host()? {
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => IpAddr::V6(address),
        Host::Domain(_) => return None,
    };
    Some(SocketAddr::new(address, url.port_or_known_default().unwrap_or(0)))
}

/// Whether an address is one of the public internet. An IPv4 address written as an IPv6 one is
/// judged as what it is.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let inside = |(first, length): &(Ipv4Addr, u32)| {
        (address.to_bits() ^ first.to_bits()) >> (32 - length) == 0
    };
    !BLOCKED_V4.iter().any(inside)
}

/// Whether an IPv6 address that is not v4-mapped is global unicast and leads nowhere else.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let inside = |(first, length): &(Ipv6Addr, u32)| {
        (address.to_bits() ^ first.to_bits()) >> (128 - length) == 0
    };
    let global = address.segments()[0] & 0xe000 == 0x2000;
    // ISATAP interface ids carry an IPv4 address that the next router unwraps.
    let [.., high, low, _, _] = address.segments();
    let isatap = matches!((high, low), (0 | 0x200, 0x5efe));
    global && !isatap && !BLOCKED_V6.iter().any(inside)
}
