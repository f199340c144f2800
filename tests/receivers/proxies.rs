//! Requests through proxies: what these are asked for, and what never reaches them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{CertificateParams, KeyPair};
use relay::domain::delivery::Outcome;
use relay::domain::delivery_settings::DeliverySettings;
use relay::engine::answer::Answer;
use relay::engine::resolver::Lookup;
use relay::engine::transport::{Transport, UreqTransport};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{Receiver, Sender, allow, always, no_lookup, post, request_to};
use crate::tls::{authority, private, server};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a proxy was asked for, oldest first.
type Asked = Arc<Mutex<Vec<String>>>;

fn asked(asked: &Asked) -> Vec<String> {
    asked.lock().unwrap().clone()
}

/// Carries bytes both ways until one end closes.
fn carry(one: TcpStream, other: TcpStream) {
    let pipe = |mut from: TcpStream, mut to: TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    let (back, forth) = (other.try_clone().unwrap(), one.try_clone().unwrap());
    let thread = thread::spawn(move || pipe(back, forth));
    pipe(one, other);
    let _ = thread.join();
}

/// A proxy for CONNECT, which answers 502 to what `refuse` names and connects everything else to
/// `target`.
fn connect_proxy(target: &Receiver, refuse: &'static str) -> (Receiver, Asked) {
    let seen = Asked::default();
    let (kept, target) = (seen.clone(), target.address);
    let proxy = Receiver::start(move |_, mut peer| {
        let head = read_head(&mut peer.stream);
        kept.lock().unwrap().push(head.clone());
        if !refuse.is_empty() && head.starts_with(&format!("CONNECT {refuse}")) {
            peer.write("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        peer.write("HTTP/1.1 200 Connection established\r\nVia: 1.1 p\r\n\r\n");
        carry(peer.stream, TcpStream::connect(target).unwrap());
    });
    (proxy, seen)
}

/// A head, read no further than its end.
fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A SOCKS proxy that asks for `anna:p@ss` and connects everything to `target`.
fn socks_proxy(target: &Receiver, with_user: bool) -> (Receiver, Asked) {
    let seen = Asked::default();
    let (kept, target) = (seen.clone(), target.address);
    let proxy = Receiver::start(move |_, mut peer| {
        let from = peer.stream.try_clone().unwrap();
        let read = |count: usize| {
            let mut bytes = vec![0; count];
            (&from).read_exact(&mut bytes).map(|()| bytes).unwrap()
        };
        let methods = read(2)[1];
        let methods = read(usize::from(methods));
        let method = if with_user { 2 } else { 0 };
        assert!(methods.contains(&method));
        peer.stream.write_all(&[5, method]).unwrap();
        if with_user {
            let length = read(2)[1];
            let name = read(length.into());
            let length = read(1)[0];
            let user = [name, vec![b':'], read(length.into())].concat();
            let right = user == b"anna:p@ss";
            peer.stream.write_all(&[1, u8::from(!right)]).unwrap();
            if !right {
                return;
            }
        }
        let head = read(4);
        assert_eq!(head[..3], [5, 1, 0]);
        let host = match head[3] {
            1 => read(4).iter().map(ToString::to_string).collect::<Vec<_>>().join("."),
            3 => {
                let length = read(1)[0];
                String::from_utf8(read(length.into())).unwrap()
            }
            kind => panic!("{kind}"),
        };
        let port = read(2);
        let port = u16::from_be_bytes([port[0], port[1]]);
        kept.lock().unwrap().push(format!("{host}:{port}"));
        peer.stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        carry(peer.stream, TcpStream::connect(target).unwrap());
    });
    (proxy, seen)
}

/// Private addresses are closed, so that nothing but the proxy can have let it through.
fn closed(lookup: Box<Lookup>, egress: String) -> UreqTransport {
    Sender { allow: Vec::new(), lookup, egress, ..Sender::default() }.build().0
}

fn usual(scheme: &str, proxy: &Receiver) -> String {
    format!("[egress]\nproxy = \"{scheme}://{}\"\n", proxy.address)
}

fn through(transport: &UreqTransport, choice: &str, url: &str) -> Answer {
    let proxy = Some(choice.to_owned());
    transport.send(&request_to(1, DeliverySettings { proxy, ..Default::default() }, url))
}

#[test]
fn a_proxy_is_asked_for_the_address_that_was_checked() {
    let target = Receiver::answering(OK);
    let (proxy, seen) = connect_proxy(&target, "");
    let transport = closed(always(&["8.8.8.8"]), usual("http", &proxy));
    for _ in 0..3 {
        let answer = post(&transport, "http://h.example:8080/");
        assert_eq!((answer.outcome, answer.body), (Outcome::Delivered, b"ok".to_vec()));
    }
    assert_eq!(asked(&seen), ["CONNECT 8.8.8.8:8080 HTTP/1.1\r\nHost: 8.8.8.8:8080\r\n\r\n"]);
    assert_eq!((proxy.connections(), target.connections()), (1, 1), "one connection serves all");
    let request = String::from_utf8(target.requests()[0].clone()).unwrap();
    assert!(request.contains("host: h.example:8080\r\n"), "{request}");
}

#[test]
fn the_next_address_is_asked_for_when_one_is_not_to_be_had() {
    let target = Receiver::answering(OK);
    let (proxy, seen) = connect_proxy(&target, "[2606:4700::1]");
    let lookup = always(&["2606:4700::1", "8.8.8.8"]);
    let transport = closed(lookup, usual("http", &proxy));
    assert_eq!(post(&transport, "http://h.example/").outcome, Outcome::Delivered);
    let hosts = asked(&seen);
    let hosts: Vec<&str> = hosts.iter().map(|head| head.split(' ').nth(1).unwrap()).collect();
    assert_eq!(hosts, ["[2606:4700::1]:80", "8.8.8.8:80"]);
}

#[test]
fn nothing_hostile_reaches_a_proxy() {
    let target = Receiver::answering(OK);
    let (proxy, seen) = connect_proxy(&target, "");
    for resolve in ["relay", "proxy"] {
        let egress = format!("{}resolve = \"{resolve}\"\n", usual("http", &proxy));
        let transport = closed(always(&["10.0.0.1"]), egress);
        let own = format!("http://{}/", proxy.address);
        for url in ["http://inner.example/", "http://127.0.0.1/", "http://[::1]/", &own] {
            assert_eq!(post(&transport, url).outcome, Outcome::Blocked, "{resolve} {url}");
        }
    }
    assert_eq!(asked(&seen), Vec::<String>::new());
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_name_that_relay_does_not_know_is_the_proxys_business_only_where_that_is_set() {
    let target = Receiver::answering(OK);
    let (proxy, seen) = connect_proxy(&target, "");
    let transport = closed(no_lookup(), usual("http", &proxy));
    assert_eq!(post(&transport, "http://h.example/").outcome, Outcome::Dns);
    let egress = format!("{}resolve = \"proxy\"\n", usual("http", &proxy));
    let transport = closed(no_lookup(), egress.clone());
    assert_eq!(post(&transport, "http://h.example/").outcome, Outcome::Delivered);
    // One that it knows is passed on as a name all the same.
    let transport = closed(always(&["8.8.8.8"]), egress);
    assert_eq!(post(&transport, "http://k.example/").outcome, Outcome::Delivered);
    let hosts = asked(&seen);
    let hosts: Vec<&str> = hosts.iter().map(|head| head.split(' ').nth(1).unwrap()).collect();
    assert_eq!(hosts, ["h.example:80", "k.example:80"]);
}

#[test]
fn tls_goes_through_to_the_endpoint() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["good.example".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();
    let target = server(certificate.der().clone(), &key, rustls::ALL_VERSIONS);
    let (connect, seen) = connect_proxy(&target, "");
    let (socks, _) = socks_proxy(&target, false);
    for egress in [usual("http", &connect), usual("socks5", &socks)] {
        let sender = Sender {
            allow: Vec::new(),
            lookup: always(&["8.8.8.8"]),
            roots: vec![authority.der().clone()],
            egress,
            ..Sender::default()
        };
        let transport = sender.build().0;
        let answer = post(&transport, "https://good.example/");
        assert_eq!(answer.outcome, Outcome::Delivered, "{answer:?}");
        let answer = post(&transport, "https://other.example/");
        assert_eq!(answer.outcome, Outcome::Tls, "the certificate is for another name");
    }
    assert!(asked(&seen)[0].starts_with("CONNECT 8.8.8.8:443 "));
}

/// TLS to the proxy, and inside it TLS to the endpoint.
#[test]
fn a_proxy_is_spoken_to_inside_tls() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["h.example".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();
    let target = server(certificate.der().clone(), &key, rustls::ALL_VERSIONS);
    let proxy_key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["proxy.example".to_owned()]).unwrap();
    let own = names.signed_by(&proxy_key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], private(&proxy_key))
        .unwrap();
    let (config, address) = (Arc::new(config), target.address);
    let proxy = Receiver::start(move |_, peer| {
        let session = ServerConnection::new(config.clone()).unwrap();
        let mut stream = StreamOwned::new(session, peer.stream);
        assert!(read_head(&mut stream).starts_with("CONNECT 8.8.8.8:443 "));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        stream.flush().unwrap();
        let mut onward = TcpStream::connect(address).unwrap();
        // Request and answer of one delivery, each a few records that come whole.
        let mut bytes = vec![0; 64 << 10];
        onward.set_read_timeout(Some(std::time::Duration::from_millis(5))).unwrap();
        stream.sock.set_read_timeout(Some(std::time::Duration::from_millis(5))).unwrap();
        loop {
            match stream.read(&mut bytes) {
                Ok(0) => return,
                Ok(read) => onward.write_all(&bytes[..read]).unwrap(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            match onward.read(&mut bytes) {
                Ok(0) => return,
                Ok(read) => {
                    stream.write_all(&bytes[..read]).unwrap();
                    stream.flush().unwrap();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    });
    let lookup: Box<Lookup> = Box::new(|name| match name {
        "proxy.example" => Ok(vec!["127.0.0.1".parse().unwrap()]),
        _ => Ok(vec!["8.8.8.8".parse().unwrap()]),
    });
    let egress = format!("[egress]\nproxy = \"https://proxy.example:{}\"\n", proxy.address.port());
    let roots = vec![authority.der().clone()];
    let sender = Sender { allow: Vec::new(), lookup, roots, egress, ..Sender::default() };
    let answer = post(&sender.build().0, "https://h.example/");
    assert_eq!(answer.outcome, Outcome::Delivered, "{answer:?}");
}

#[test]
fn users_and_passwords() {
    let target = Receiver::answering(OK);
    let (connect, seen) = connect_proxy(&target, "");
    let egress = format!("[egress]\nproxy = \"http://anna:p%40ss@{}\"\n", connect.address);
    let transport = closed(always(&["8.8.8.8"]), egress);
    assert_eq!(post(&transport, "http://h.example/").outcome, Outcome::Delivered);
    let basic = "\r\nProxy-Authorization: Basic YW5uYTpwQHNz\r\n";
    assert!(asked(&seen)[0].contains(basic), "{:?}", asked(&seen));
    let request = String::from_utf8(target.requests()[0].clone()).unwrap().to_lowercase();
    assert!(!request.contains("proxy-authorization"), "{request}");

    let (socks, seen) = socks_proxy(&target, true);
    for (user, expected) in [("anna:p%40ss", Outcome::Delivered), ("anna:no", Outcome::Connect)] {
        let egress = format!("[egress]\nproxy = \"socks5://{user}@{}\"\n", socks.address);
        let transport = closed(always(&["8.8.8.8"]), egress);
        assert_eq!(post(&transport, "http://h.example/").outcome, expected, "{user}");
    }
    assert_eq!(asked(&seen), ["8.8.8.8:80"]);
    let egress = format!("{}resolve = \"proxy\"\n", usual("socks5", &socks));
    let egress = egress.replace("socks5://", "socks5://anna:p%40ss@");
    assert_eq!(
        post(&closed(no_lookup(), egress), "http://h.example:81/").outcome,
        Outcome::Delivered
    );
    assert_eq!(asked(&seen)[1], "h.example:81");
}

/// A tenant learns nothing of the proxy, nor through it.
#[test]
fn whatever_a_proxy_refuses_reads_the_same() {
    let unknown = post(&Sender::long(), "http://unknown.example/");
    let same = |answer: Answer, outcome: Outcome, what: &str| {
        assert_eq!((answer.outcome, answer.status_code), (outcome, 0), "{what}");
        assert_eq!((answer.body, answer.duration), (unknown.body.clone(), unknown.duration));
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let egress = format!("[egress]\nproxy = \"http://{nobody}\"\n");
    let answer = post(&closed(always(&["8.8.8.8"]), egress), "http://h.example/");
    same(answer, Outcome::Connect, "nobody there");
    for (scheme, said) in [
        ("http", &b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..]),
        ("http", b"HTTP/1.1 403 Forbidden\r\n\r\n"),
        ("http", b"SSH-2.0-x\r\n\r\n"),
        ("http", b""),
        ("http", &[b'x'; 9_000]),
        ("socks5", &[5, 255]),
        ("socks5", &[5, 2]),
        ("socks5", &[5, 0, 5, 2, 0, 1]),
        ("socks5", &[4, 0]),
    ] {
        // What a relay says first is read, so that closing is no reset.
        let proxy = Receiver::start(move |_, mut peer| {
            let _ = peer.stream.read(&mut [0; 4096]);
            peer.write(said);
            let _ = peer.stream.shutdown(Shutdown::Write);
            peer.hang();
        });
        let transport = closed(always(&["8.8.8.8"]), usual(scheme, &proxy));
        let shown = String::from_utf8_lossy(said).into_owned();
        same(post(&transport, "http://h.example/"), Outcome::Connect, &shown);
    }
    let silent = Receiver::start(|_, mut peer| peer.hang());
    let sender = Sender {
        allow: Vec::new(),
        lookup: always(&["8.8.8.8"]),
        timeout: crate::support::SHORT,
        egress: usual("http", &silent),
        ..Sender::default()
    };
    let request = crate::support::request("http://h.example/", crate::support::SHORT);
    same(sender.build().0.send(&request), Outcome::TimedOut, "silent");
}

#[test]
fn endpoints_choose_among_what_there_is() {
    let target = Receiver::answering(OK);
    let ((usual_proxy, at_usual), (eu, at_eu)) =
        (connect_proxy(&target, ""), connect_proxy(&target, ""));
    let egress = format!(
        "{}no_proxy = [\"own.example\"]\n[[proxy]]\nname = \"eu\"\nurl = \"http://{}\"\n",
        usual("http", &usual_proxy),
        eu.address
    );
    let port = target.address.port();
    let sender = Sender {
        allow: vec![allow("127.0.0.0/8")],
        lookup: always(&["127.0.0.1"]),
        egress,
        ..Sender::default()
    };
    let transport = sender.build().0;
    let counts = || (asked(&at_usual).len(), asked(&at_eu).len());
    let url = format!("http://h.example:{port}/");
    assert_eq!(post(&transport, &url).outcome, Outcome::Delivered);
    assert_eq!(counts(), (1, 0));
    assert_eq!(through(&transport, "eu", &url).outcome, Outcome::Delivered);
    assert_eq!(counts(), (1, 1));
    assert_eq!(through(&transport, "direct", &url).outcome, Outcome::Delivered);
    let own = format!("http://a.own.example:{port}/");
    assert_eq!(post(&transport, &own).outcome, Outcome::Delivered);
    assert_eq!(counts(), (1, 1));
    let gone = through(&transport, "gone", &url);
    assert_eq!((gone.outcome, gone.status_code), (Outcome::Connect, 0));
    assert_eq!(counts(), (1, 1));
}
