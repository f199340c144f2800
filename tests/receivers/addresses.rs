//! Names that lead where they should not, and redirects that try to.

use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

use relay::domain::delivery::Outcome;
use relay::domain::endpoint_url::parse_endpoint_url;
use relay::engine::answer::Answer;
use relay::engine::guard::AddressGuard;
use relay::engine::resolver::{Lookup, system_lookup};

use crate::support::{Receiver, Sender, allow, always, post};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What system resolvers, parsers and browsers read as an address of this machine.
const NOTATIONS: &str = "
    127.0.0.1 127.0.0.2 127.1 127.0.1 127.255.255.254 127.000.000.001 0127.0.0.1 0177.0.0.1
    0177.0.0.01 00177.0.0.1 0177.1 0x7f.0.0.1 0x7f.1 0x7F.0x0.0x0.0x1 0x7f000001 0X7F000001
    0x7f.0.1 2130706433 017700000001 4294967295 127.0.0.1. 127.0.0.1.. 0 0.0.0.0 00.00.00.00 0x0
    localhost LOCALHOST localhost. LocalHost
    [::1] [::] [0:0:0:0:0:0:0:1] [0000::0001] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1]
    [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [2002:7f00:1::] [::1%25lo]
    [fe80::1%25lo] [::ffff:0.0.0.0] [::ffff:2130706433] [0:0:0:0:0:ffff:127.0.0.1]
    %31%32%37.0.0.1 127%2e0%2e0%2e1 127.0.0.1%00 127.0.0.1%23
    ①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1 127．0．0．1 ⓛocalhost ｌocalhost
    a@127.0.0.1 example.com@127.0.0.1 example.com:80@127.0.0.1 a:b@127.0.0.1 @127.0.0.1
    127.0.0.1\\@example.com 127.0.0.1#@example.com example.com\\@127.0.0.1
    169.254.169.254 0xa9fea9fe 2852039166 169.254.43518 0251.0376.0251.0376 [::ffff:a9fe:a9fe]
    10.0.0.1 10.1 0xa.1 012.0.0.1 167772161 192.168.1.1 0300.0250.1.1 3232235777
    172.16.0.1 0254.020.0.1 100.64.0.1 168.63.129.16 198.18.0.1 224.0.0.1 255.255.255.255";

const URLS: &str = "
    ftp://example.com/ file:///etc/passwd gopher://127.0.0.1:6379/_x dict://127.0.0.1:11211/
    ldap://example.com/ data:text/plain,x javascript:alert(1) unix:/run/x ws://example.com/
    //127.0.0.1/ http:/127.0.0.1/ http:127.0.0.1 http:///127.0.0.1/ http:\\127.0.0.1 http://
    https://#@127.0.0.1/ https://?@127.0.0.1/ https:///path https://:443/ https://.example.com/
    https://example..com/ https://-a.example/ https://a-.example/ https://example.com:0/
    https://example.com:22/ https://example.com:25/ https://example.com:6379/
    https://example.com:3306/ https://example.com:5432/ https://example.com:9200/
    https://example.com:10250/ https://example.com:11211/ https://example.com:27017/
    https://example.com:2375/ https://example.com:2379/ https://example.com:65536/
    https://example.com:-1/ https://example.com:80a/ https://example.com:80:80/
    https://user@example.com/ https://user:word@example.com/ https://example.com/#a
    https://[::1 https://[::1]a/ https://[127.0.0.1]/ https://[::g]/ https://[]/
    https://exa%6dple.com/ https://example.com%2f.evil/ https://a,b.example/ https://a*b.example/
    https://a(b).example/ https://a|b.example/ https://a^b.example/ https://<a>.example/
    https://example.0x7f/ https://example.1/ https://1.2.3.4.5/ https://256.1.1.1/
    https://1.2.3/ https://0x/ https://٣.example.٣/";

fn resolving(lookup: Box<Lookup>, network: &str) -> Sender {
    Sender { lookup, allow: vec![allow(network)], ..Sender::default() }
}

fn unreachable(answer: &Answer) -> (u16, Duration, &[u8]) {
    (answer.status_code, answer.duration, &answer.body)
}

#[test]
fn blocked_refused_and_unknown_read_the_same() {
    let receiver = Receiver::answering(OK);
    let blocked = Sender { allow: Vec::new(), ..Sender::default() }.build().0;
    let blocked = post(&blocked, &receiver.url());
    assert_eq!(blocked.outcome, Outcome::Blocked);
    assert_eq!(receiver.connections(), 0, "not one packet");

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = post(&Sender::long(), &format!("http://{closed}/"));
    assert_eq!(refused.outcome, Outcome::Connect);

    let unknown = post(&Sender::long(), "http://unknown.example/");
    assert_eq!(unknown.outcome, Outcome::Dns);

    assert_eq!(unreachable(&blocked), unreachable(&refused));
    assert_eq!(unreachable(&blocked), unreachable(&unknown));
    assert_eq!(blocked.duration, Duration::ZERO);
}

#[test]
fn a_lookup_that_hangs_is_no_answer() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let lookup: Box<Lookup> = Box::new(move |_| {
        let _ = held.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let transport = Sender { lookup, timeout: crate::support::SHORT, ..Sender::default() };
    let transport = transport.build().0;
    let request = crate::support::request("http://slow.example/", crate::support::SHORT);
    let answer = relay::engine::transport::Transport::send(&transport, &request);
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Dns, 0));
    drop(release);
}

#[test]
fn one_bad_address_among_good_ones_blocks_all() {
    let receiver = Receiver::answering(OK);
    let url = format!("http://mixed.example:{}/", receiver.address.port());
    for other in ["10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"] {
        let lookup = always(&["127.0.0.1", other]);
        let answer = post(&resolving(lookup, "127.0.0.0/8").build().0, &url);
        assert_eq!(answer.outcome, Outcome::Blocked, "{other}");
    }
    assert_eq!(receiver.connections(), 0);
    let good = resolving(always(&["127.0.0.1", "::ffff:127.0.0.1"]), "127.0.0.0/8");
    assert_eq!(post(&good.build().0, &url).outcome, Outcome::Delivered);
}

#[test]
fn a_name_that_is_rebound_is_blocked_although_a_connection_is_open() {
    let receiver = Receiver::answering(OK);
    let url = format!("http://rebound.example:{}/", receiver.address.port());
    let script = Mutex::new(vec!["127.0.0.1", "127.0.0.2", "169.254.169.254", "127.0.0.1"]);
    let lookup: Box<Lookup> = Box::new(move |name| {
        assert_eq!(name, "rebound.example");
        Ok(vec![script.lock().unwrap().pop().unwrap().parse().unwrap()])
    });
    let (transport, resolver) = resolving(lookup, "127.0.0.1/32").build();
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        outcomes.push(post(&transport, &url).outcome);
        resolver.forget();
    }
    let expected = [Outcome::Delivered, Outcome::Blocked, Outcome::Blocked, Outcome::Delivered];
    assert_eq!(outcomes, expected);
    assert_eq!(receiver.requests().len(), 2);
}

#[test]
fn redirects_are_answers_and_never_followed() {
    let target = Receiver::answering(OK);
    for status in [301, 302, 303, 307, 308] {
        let receiver = Receiver::answering(format!(
            "HTTP/1.1 {status} Go\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
            target.url()
        ));
        let answer = post(&Sender::long(), &receiver.url());
        assert_eq!((answer.outcome, answer.status_code), (Outcome::Status, status));
        let location = answer.headers.iter().find(|(name, _)| name == "location");
        assert_eq!(location.map(|(_, value)| value.as_str()), Some(target.url().as_str()));
    }
    assert_eq!(target.connections(), 0);
}

#[test]
fn what_the_policy_takes_is_what_is_sent_to() {
    let receiver = Receiver::answering(OK);
    let port = receiver.address.port();
    let transport = resolving(always(&["127.0.0.1"]), "127.0.0.0/8").build().0;
    for (path, sent) in [
        ("", "/"),
        ("/a/../b", "/b"),
        ("/ä?q=ü&x={y}|^`", "/%C3%A4?q=%C3%BC&x={y}|^`"),
        ("/a;b,c=d:e@f!$&'()*+~[]", "/a;b,c=d:e@f!$&'()*+~[]"),
        ("?\"<>", "/?%22%3C%3E"),
        ("//double//slash", "//double//slash"),
        ("/%2F%00%ff", "/%2F%00%ff"),
    ] {
        let url = parse_endpoint_url(&format!("http://Receiver.Example:{port}{path}")).unwrap();
        let answer = post(&transport, url.as_str());
        assert_eq!(answer.outcome, Outcome::Delivered, "{path}: {answer:?}");
        let request = receiver.requests().pop().unwrap();
        let line = String::from_utf8_lossy(&request).lines().next().unwrap().to_owned();
        assert_eq!(line, format!("POST {sent} HTTP/1.1"), "{path}");
    }
}

/// Every way to write this machine's own address, and tricks to get there: refused where it is
/// written down, and, should that ever be got past, where it is connected to.
#[test]
fn every_notation_of_a_forbidden_address_is_refused_twice() {
    let receiver = Receiver::answering(OK);
    let guarded =
        || Sender { allow: Vec::new(), lookup: Box::new(system_lookup), ..Sender::default() };
    let transport = guarded().build().0;
    let guard = AddressGuard::new(Vec::new(), Vec::new());
    for host in NOTATIONS.split_whitespace() {
        let url = format!("http://{host}:{}/", receiver.address.port());
        let judged = parse_endpoint_url(&url).map(|url| (guard.check_url(&url), url));
        match judged {
            // A name is judged when it is connected to.
            Ok((Ok(()), url)) => {
                assert!(url.domain().is_some(), "{url} is taken");
                assert_eq!(post(&transport, url.as_str()).outcome, Outcome::Blocked, "{url}");
            }
            Ok((Err(_), _)) | Err(_) => {}
        }
        let answer = post(&transport, &url);
        assert_eq!(answer.status_code, 0, "{url}: {answer:?}");
    }
    assert_eq!(receiver.connections(), 0, "not one packet");
}

/// What else a URL can be that must not be taken at all.
#[test]
fn urls_that_are_no_endpoint() {
    for url in URLS.split_whitespace() {
        let taken = parse_endpoint_url(url);
        assert!(taken.is_err(), "{url} is taken as {taken:?}");
    }
}

proptest::proptest! {
    /// The parser that policy trusts and the one that sends must read one URL the same way.
    #[test]
    fn both_parsers_read_the_same(
        scheme in "(?i)https?",
        authority in "[a-z0-9.:@%\\[\\]\\-_x#?/\\\\ü。]{0,24}",
        rest in "[ -~äß\\\\\t\u{7f}]{0,24}",
    ) {
        let text = format!("{scheme}://{authority}{rest}");
        if let Ok(url) = parse_endpoint_url(&text) {
            let sent = ureq::http::Uri::try_from(url.as_str()).expect(&text);
            proptest::prop_assert_eq!(sent.host(), url.host_str());
            proptest::prop_assert_eq!(sent.port_u16(), url.port());
            proptest::prop_assert_eq!(sent.scheme_str(), Some(url.scheme()));
            proptest::prop_assert_eq!(sent.path(), url.path());
            proptest::prop_assert_eq!(sent.query(), url.query());
            proptest::prop_assert_eq!(parse_endpoint_url(url.as_str()), Ok(url));
        }
    }
}
