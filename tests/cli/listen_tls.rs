//! `relay listen` over TLS: a certificate that nobody signed is refused in words, towards the
//! target and towards the relay, and taken with `--skip-verify`.

use serde_json::json;

use crate::listen::NAMED;
use crate::listen::support::Place;
use crate::listen::target::Target;
use crate::listen::tls::TlsFront;
use crate::live::Live;
use crate::support::Folder;

#[test]
fn a_target_with_a_certificate_of_its_own() {
    let place = Place::with_source("shop");
    let target = Target::start();
    let front = TlsFront::to(target.address);
    let url = format!("{}/hooks", front.url());
    let arguments = [&[&*url][..], &NAMED, &["--retry", "0"]].concat();
    let mut listener = place.listen(&arguments);
    listener.wait_for("connected");
    place.send("shop", 0..1);
    let failed = listener.wait_for("failed");
    let why = failed["why"].as_str().unwrap();
    assert!(why.contains("its certificate is not believed"), "{failed}");
    assert!(why.contains("--skip-verify"), "{failed}");
    assert!(listener.stop().success());
    assert_eq!(target.came().len(), 0);
    let mut listener = place.listen(&[&arguments[..], &["--skip-verify"]].concat());
    listener.wait_for("connected");
    place.send("shop", 1..3);
    assert_eq!(target.wait(2), ["1", "2"]);
    assert_eq!(listener.wait_for("forwarded")["target"], json!(url));
    let came = target.came().remove(0);
    assert_eq!(came.line, "POST /hooks HTTP/1.1");
    let host = front.url().replace("https://", "");
    assert_eq!(came.header("host"), Some(&*host));
    assert!(listener.stop().success());
}

/// Whoever answers there, a certificate that is not believed has no message and no token.
#[test]
fn a_relay_with_a_certificate_of_its_own() {
    let place = Place::with_source("shop");
    let target = Target::start();
    let front = TlsFront::to(place.relay().url.replace("http://", "").parse().unwrap());
    let (url, port) = (front.url(), target.port());
    let at = ["--server", &url, "--token", &place.key];
    let arguments = [&["listen", "--json", &port], &NAMED[..], &at].concat();
    let refused = place.folder.run(&arguments).expect(69, "", "invalid peer certificate");
    refused.expect(69, "", "--skip-verify");
    let more = ["--skip-verify", "--alive-timeout", "3s"];
    let command = place.folder.command(&[&arguments[..], &more].concat());
    let mut listener = crate::listen::listener::Listener::start(command);
    listener.wait_for("connected");
    place.send("shop", 0..3);
    assert_eq!(target.wait(3), ["0", "1", "2"]);
    let last = (0..3).map(|_| listener.wait_for("forwarded")["id"].clone()).last().unwrap();
    let last = last.as_str().unwrap();
    while place.listener_position("test.shop").is_none_or(|position| &*position < last) {
        std::thread::yield_now();
    }
    assert!(listener.stop().success());
    let health = ["health", "--server", &url];
    place.folder.run(&health).expect(69, "", "its certificate");
}

/// With `--public` what is made and taken away again goes the same way.
#[test]
fn a_url_for_a_while_over_tls() {
    let folder = Folder::new();
    folder.write("relay.toml", "");
    let relay = Live::start(&folder);
    let front = TlsFront::to(relay.url.replace("http://", "").parse().unwrap());
    let url = front.url();
    let arguments =
        ["listen", "--json", "--public", "--skip-verify", "--server", &url, "--token", &relay.key];
    let mut listener = crate::listen::listener::Listener::start(folder.command(&arguments));
    listener.wait_for("public");
    listener.wait_for("connected");
    assert_eq!(relay.call("GET", "/api/v1/source", None).1["data"].as_array().unwrap().len(), 1);
    assert!(listener.stop().success());
    assert_eq!(relay.call("GET", "/api/v1/source", None).1["data"], json!([]));
}
