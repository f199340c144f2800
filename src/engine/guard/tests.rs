use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{AddressGuard, BlockReason, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, own_addresses};
use crate::config::units::AllowedNetwork;

/// Private, special-purpose and tunnelled addresses, with both ends of every range.
const HOSTILE: &str = "
    0.0.0.0 0.0.0.1 0.255.255.255
    10.0.0.0 10.0.0.1 10.255.255.255
    100.64.0.0 100.64.0.1 100.100.100.200 100.127.255.255
    127.0.0.0 127.0.0.1 127.0.0.53 127.1.2.3 127.255.255.255
    169.254.0.0 169.254.169.253 169.254.169.254 169.254.170.2 169.254.255.255
    172.16.0.0 172.16.0.1 172.17.0.1 172.31.255.255
    192.0.0.0 192.0.0.1 192.0.0.170 192.0.0.192 192.0.0.255
    192.0.2.0 192.0.2.1 192.0.2.255 192.88.99.0 192.88.99.1 192.88.99.255
    192.168.0.0 192.168.0.1 192.168.1.1 192.168.255.255
    198.18.0.0 198.18.0.1 198.19.255.255
    198.51.100.0 198.51.100.1 198.51.100.255 203.0.113.0 203.0.113.9 203.0.113.255
    224.0.0.0 224.0.0.1 224.0.0.251 232.1.1.1 239.255.255.250 239.255.255.255
    240.0.0.0 240.0.0.1 250.1.1.1 255.255.255.254 255.255.255.255 168.63.129.16
    :: ::1 ::2 ::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::169.254.169.254 ::ffff
    ::ffff:0.0.0.0 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
    ::ffff:172.16.0.1 ::ffff:192.168.0.1 ::ffff:100.64.0.1 ::ffff:168.63.129.16
    ::ffff:224.0.0.1 ::ffff:255.255.255.255 ::ffff:7f00:1 ::ffff:a9fe:a9fe
    ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8
    64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b::8.8.8.8
    64:ff9b:1::1 64:ff9b:1::10.0.0.1 64:ff9b:1:ffff:ffff:ffff:ffff:ffff
    100:: 100::1 100::ffff:ffff:ffff:ffff 100:0:0:1::1
    2001:: 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:2::1 2001:3::1
    2001:4:112::1 2001:10::1 2001:20::1 2001:2f:ffff::1 2001:30::1 2001:1ff:ffff::1
    2001:db8:: 2001:db8::1 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff
    2002:: 2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe::1 2002:808:808::1 2002:ffff::1
    3fff:: 3fff::1 3fff:fff:ffff::1
    2a00:1450::5efe:127.0.0.1 2a00:1450::5efe:8.8.8.8 2606:4700::200:5efe:10.0.0.1
    2606:4700:0:0:200:5efe:8.8.8.8
    4000::1 5f00:: 5f00::1 5f00:ffff::1 8000::1 a000::1 c000::1 e000::1 1fff:ffff::1
    f000::1 fbff::1 fc00:: fc00::1 fd00::1 fd00:ec2::254 fd12:3456:789a::1 fdff:ffff::1
    fe00::1 fe80:: fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 fec0:0:0:ffff::1 feff::1
    ff00:: ff01::1 ff02::1 ff02::2 ff02::fb ff05::1:3 ff0e::1 ffff:ffff::1
    ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

/// Public addresses, with the neighbours of every blocked range.
const BENIGN: &str = "
    1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0
    126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0
    191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0 192.88.98.255 192.88.100.0
    192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0
    203.0.112.255 203.0.114.0 223.255.255.255 168.63.129.15 168.63.129.17 168.63.128.16
    140.82.112.3 151.101.1.69 34.117.59.81 52.95.110.1 93.184.215.14 192.31.196.1
    192.52.193.1 192.175.48.1 199.232.0.1 216.58.214.14
    ::ffff:8.8.8.8 ::ffff:1.1.1.1 ::ffff:93.184.215.14 ::ffff:808:808
    2000::1 2001:200::1 2001:4860:4860::8888 2001:db7:ffff::1 2001:db9::1 2001:500:2::c
    2003::1 2003:e0::1 2400:cb00::1 2404:6800:4001::1 2606:4700:4700::1111 2620:fe::fe
    2620:4f:8000::1 2800:3f0::1 2a00:1450:4001:80b::200e 2a01:4f8::1 2c0f:fb50::1
    3000::1 3ffe::1 3fff:1000::1 2a00:1450::5eff:8.8.8.8 2a00:1450::1:5efe:808:808
    2a00:5efe::1";

fn addresses(list: &str) -> Vec<IpAddr> {
    list.split_whitespace().map(|text| text.parse().expect(text)).collect()
}

fn allow(network: &str, port: Option<u16>) -> AllowedNetwork {
    AllowedNetwork { network: network.parse().expect(network), port }
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

#[test]
fn every_hostile_address_is_blocked_and_every_benign_one_open() {
    let guard = AddressGuard::new(Vec::new(), Vec::new());
    let (hostile, benign) = (addresses(HOSTILE), addresses(BENIGN));
    assert!(hostile.len() >= 150, "{}", hostile.len());
    for address in hostile {
        let blocked = guard.check(SocketAddr::new(address, 443)).expect_err(&address.to_string());
        assert_eq!(blocked.reason, BlockReason::NotPublic, "{address}");
    }
    for address in benign {
        assert_eq!(guard.check(SocketAddr::new(address, 443)), Ok(()), "{address}");
    }
}

#[test]
fn one_bad_address_blocks_the_answer() {
    let guard = AddressGuard::new(Vec::new(), Vec::new());
    let good = [socket("8.8.8.8:443"), socket("[2606:4700::1]:443")];
    assert_eq!(guard.check_all(&good), Ok(()));
    for bad in addresses(HOSTILE) {
        let mixed = [good[0], good[1], SocketAddr::new(bad, 443)];
        assert_eq!(guard.check_all(&mixed).unwrap_err().address.ip(), bad);
    }
}

#[test]
fn the_operator_opens_networks_and_ports() {
    let open = vec![
        allow("127.0.0.0/8", None),
        allow("10.1.0.0/16", Some(3_000)),
        allow("fd00::/8", Some(443)),
    ];
    let guard = AddressGuard::new(open, Vec::new());
    let check = |text: &str, expected: bool| {
        assert_eq!(guard.check(socket(text)).is_ok(), expected, "{text}");
    };
    check("127.0.0.1:1", true);
    check("[::ffff:127.0.0.1]:1", true);
    check("[::1]:1", false);
    check("[64:ff9b::127.0.0.1]:1", false);
    check("[2002:7f00:1::]:1", false);
    check("10.1.2.3:3000", true);
    check("10.1.2.3:3001", false);
    check("10.2.2.3:3000", false);
    check("[fd00::1]:443", true);
    check("[fd00::1]:444", false);
}

#[test]
fn own_listeners_are_blocked_whatever_is_allowed() {
    let own = ["8.8.4.4:8080", "0.0.0.0:9090", "[2606:4700::9]:8080", "127.0.0.1:7070"];
    let own = own.map(socket).to_vec();
    let guard = AddressGuard::new(vec![allow("0.0.0.0/0", None), allow("::/0", None)], own);
    for text in [
        "8.8.4.4:8080",
        "[::ffff:8.8.4.4]:8080",
        "[2606:4700::9]:8080",
        "127.0.0.1:9090",
        "127.9.9.9:9090",
        "[::1]:9090",
        "0.0.0.0:9090",
        "[::]:9090",
        "127.0.0.1:7070",
        "0.0.0.0:7070",
        "[::]:7070",
    ] {
        let blocked = guard.check(socket(text)).expect_err(text);
        assert_eq!(blocked.reason, BlockReason::Own, "{text}");
    }
    for text in ["8.8.4.4:8081", "127.0.0.1:9091", "8.8.8.8:9090", "8.8.8.8:7070"] {
        assert_eq!(guard.check(socket(text)), Ok(()), "{text}");
    }
}

#[test]
fn listeners_everywhere_are_own_on_every_outward_address() {
    let listeners = [socket("0.0.0.0:9090"), socket("127.0.0.1:8080")];
    let own = own_addresses(&listeners);
    assert_eq!(own[..2], listeners);
    for added in &own[2..] {
        assert_eq!(added.port(), 9_090);
        assert!(!added.ip().is_unspecified());
    }
    let guard = AddressGuard::new(vec![allow("0.0.0.0/0", None), allow("::/0", None)], own.clone());
    for address in own {
        assert_eq!(guard.check(address).unwrap_err().reason, BlockReason::Own, "{address}");
    }
}

#[test]
fn literals_are_judged_at_creation_and_names_pass() {
    let guard = AddressGuard::new(vec![allow("127.0.0.1/32", Some(3_000))], Vec::new());
    let check = |text: &str, expected: bool| {
        let url = text.parse().expect(text);
        assert_eq!(guard.check_url(&url).is_ok(), expected, "{text}");
    };
    check("http://127.0.0.1:3000/", true);
    check("http://127.0.0.1/", false);
    check("http://2130706433/", false);
    check("https://[::ffff:a9fe:a9fe]/", false);
    check("https://8.8.8.8/", true);
    check("https://localhost/", true);
}

proptest! {
    /// Every way to write an IPv4 address into an IPv6 one is judged as the address or blocked.
    #[test]
    fn embedded_ipv4_is_never_more_open(bits in any::<u32>(), port in any::<u16>()) {
        let guard = AddressGuard::new(Vec::new(), Vec::new());
        let v4 = Ipv4Addr::from_bits(bits);
        let direct = guard.check(SocketAddr::from((v4, port))).is_ok();
        let mapped = SocketAddr::from((v4.to_ipv6_mapped(), port));
        prop_assert_eq!(guard.check(mapped).is_ok(), direct);
        let low = u128::from(bits);
        let tunnelled = [
            low,
            0xffff_0000_0000 << 16 | low,
            0x0064_ff9b << 96 | low,
            0x0064_ff9b_0001 << 80 | low,
            0x2002 << 112 | low << 80,
            0x2001_0000 << 96 | (!low & 0xffff_ffff),
            0x2001_0000 << 96 | low << 64,
            0x2a00 << 112 | 0x5efe << 32 | low,
            0x2a00 << 112 | 0x0200_5efe << 32 | low,
            0xfe80 << 112 | low,
        ];
        for bits in tunnelled {
            let address = Ipv6Addr::from_bits(bits);
            prop_assert!(guard.check(SocketAddr::from((address, port))).is_err(), "{}", address);
        }
    }
}
