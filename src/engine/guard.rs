//! Which addresses a delivery may reach.
//!
//! Tenants choose where relay connects, so every address is checked: at creation when the URL
//! holds a literal, and before every connection over exactly the list that is dialled. Names are
//! never judged: any public name may point at a private address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use thiserror::Error;
use url::Url;

use crate::config::units::{AllowedNetwork, is_open};
use crate::domain::address::literal;

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
        if is_open(&self.allow, plain) {
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
        literal(url).map_or(Ok(()), |address| self.check(address))
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
    // Connecting to no address is connecting to this machine.
    own.ip() == address.ip()
        || (everywhere && (address.ip().is_loopback() || address.ip().is_unspecified()))
        || (own.ip().is_loopback() && address.ip().is_unspecified())
}

#[cfg(test)]
mod tests;
