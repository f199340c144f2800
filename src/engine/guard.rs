//! Which addresses a delivery may reach.
//!
//! Tenants choose where relay connects, so every address is checked: at creation when the URL
//! holds a literal, and before every connection over exactly the list that is dialled. IPv4 is a
//! block list of special-purpose ranges; IPv6 an allow rule, global unicast less what tunnels to
//! somewhere else. Names are never judged: any public name may point at a private address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use thiserror::Error;
use url::{Host, Url};

use crate::config::units::AllowedNetwork;

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

/// An address that no delivery may reach; for the operator's log, not for tenants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{address} is {reason}")]
pub struct Blocked {
    /// What the name resolved to, or the literal.
    pub address: SocketAddr,
    /// Which rule it broke.
    pub reason: BlockReason,
}

/// Which rule an address broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum BlockReason {
    /// In a private or special-purpose range that `guard.allow` does not open.
    #[error("private or special-purpose, and not opened by guard.allow")]
    NotPublic,
    /// A listener of this relay.
    #[error("this relay itself")]
    Own,
}

/// Decides which addresses may be connected to.
#[derive(Clone, Debug)]
pub struct AddressGuard {
    allow: Vec<AllowedNetwork>,
    own: Vec<SocketAddr>,
}

impl AddressGuard {
    /// `allow` is `guard.allow`; `own` are this relay's listeners, blocked even when public.
    /// One on an unspecified address blocks loopback on its port whatever `allow` says, and what
    /// [`own_addresses`] adds to it.
    pub fn new(allow: Vec<AllowedNetwork>, own: Vec<SocketAddr>) -> AddressGuard {
        let own = own.into_iter().map(|address| plain(address.ip(), address.port())).collect();
        AddressGuard { allow, own }
    }

    /// Whether a connection to `address` may be made.
    pub fn check(&self, address: SocketAddr) -> Result<(), Blocked> {
        let plain = plain(address.ip(), address.port());
        if self.own.iter().any(|own| is_own(*own, plain)) {
            return Err(Blocked { address, reason: BlockReason::Own });
        }
        let public = match plain.ip() {
            IpAddr::V4(v4) => is_public_v4(v4),
            IpAddr::V6(v6) => is_public_v6(v6),
        };
        if public || self.allow.iter().any(|allowed| opens(allowed, plain)) {
            return Ok(());
        }
        Err(Blocked { address, reason: BlockReason::NotPublic })
    }

    /// Whether all of an answer may be used: one bad address blocks it, for a name that points
    /// at both a public and a private address is an attack or a mistake.
    pub fn check_all(&self, addresses: &[SocketAddr]) -> Result<(), Blocked> {
        addresses.iter().try_for_each(|address| self.check(*address))
    }

    /// The check at creation: a literal address is judged, a name passes and is judged at every
    /// connection.
    pub fn check_url(&self, url: &Url) -> Result<(), Blocked> {
        let port = url.port_or_known_default().unwrap_or(0);
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(SocketAddr::from((address, port))),
            Some(Host::Ipv6(address)) => self.check(SocketAddr::from((address, port))),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }
}

/// `listeners`, and for each on an unspecified address the addresses that this machine's default
/// routes go out from, on the same port. Addresses behind a translating router are not known here.
pub fn own_addresses(listeners: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut own = listeners.to_vec();
    for listener in listeners.iter().filter(|listener| listener.ip().is_unspecified()) {
        let outward = OUTWARD.iter().filter_map(|(local, remote)| outward(*local, *remote));
        own.extend(outward.map(|address| SocketAddr::new(address, listener.port())));
    }
    own
}

/// Addresses to bind to, and documentation addresses for which a default route is looked up.
const OUTWARD: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
];

/// The source address of the route to `remote`; connecting a UDP socket sends nothing.
fn outward(local: IpAddr, remote: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((local, 0)).ok()?;
    socket.connect((remote, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// `::ffff:a.b.c.d` is the IPv4 address for the kernel too, so it is judged as one.
fn plain(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

fn is_own(own: SocketAddr, address: SocketAddr) -> bool {
    if own.port() != address.port() {
        return false;
    }
    let everywhere = own.ip().is_unspecified();
    own.ip() == address.ip()
        || (everywhere && (address.ip().is_loopback() || address.ip().is_unspecified()))
}

fn opens(allowed: &AllowedNetwork, address: SocketAddr) -> bool {
    allowed.port.is_none_or(|port| port == address.port())
        && allowed.network.contains(&address.ip())
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

#[cfg(test)]
mod tests;
