//! Mails, to a server that speaks STARTTLS with a certificate of the test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{PATIENCE, World, send};
use crate::live::Live;

/// A mail server: what was said to it, line by line, with `(TLS)` where it began.
struct MailServer {
    port: u16,
    heard: Receiver<String>,
    /// The certificate of its authority, as PEM.
    authority: String,
}

impl MailServer {
    fn start() -> MailServer {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let text = BASE64.encode(authority.der());
        let [first, last] = ["BEGIN", "END"].map(|word| format!("-----{word} CERTIFICATE-----"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, heard) = mpsc::channel();
        // Ends with the test's process; nothing waits for it.
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                stream.write_all(b"220 mail ready\r\n").unwrap();
                if !talk(&mut stream, "STARTTLS", &sender) {
                    continue;
                }
                sender.send("(TLS)".to_owned()).unwrap();
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                talk(&mut StreamOwned::new(session, stream), "AUTH PLAIN", &sender);
            }
        });
        MailServer { port, heard, authority: format!("{first}\n{text}\n{last}\n") }
    }

    fn smtp(&self, rest: &str) -> String {
        format!(
            "[[alert]]\nname = \"mail\"\non = [\"endpoint_disabled\"]\n[alert.smtp]\n\
             host = \"127.0.0.1\"\nport = {}\nfrom = \"relay@example.com\"\n\
             to = [\"ops@example.com\", \"gone@example.com\"]\n{rest}",
            self.port
        )
    }

    /// What was said up to and with this line.
    fn until(&self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.heard.recv_timeout(PATIENCE).expect(end));
            if lines.last().is_some_and(|line| line == end) {
                return lines;
            }
        }
    }
}

/// Answers one client; whether it asked for TLS.
fn talk<S: Read + Write>(stream: &mut S, offer: &str, heard: &mpsc::Sender<String>) -> bool {
    let mut in_mail = false;
    loop {
        let mut line = Vec::new();
        // A byte at a time: what comes behind STARTTLS is not for this one.
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            match stream.read(&mut byte) {
                Ok(1) => line.push(byte[0]),
                _ => return false,
            }
        }
        let line = String::from_utf8(line).unwrap().trim_end().to_owned();
        heard.send(line.clone()).unwrap();
        let answer = match line.split(' ').next().unwrap() {
            _ if in_mail && line != "." => continue,
            "." => "250 2.0.0 queued as 1".to_owned(),
            "EHLO" => format!("250-mail\r\n250 {offer}"),
            "STARTTLS" => "220 go ahead".to_owned(),
            "AUTH" => "235 welcome".to_owned(),
            "RCPT" if line.contains("gone@") => "550 nobody".to_owned(),
            "DATA" => "354 go ahead".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            _ => "250 fine".to_owned(),
        };
        in_mail = line == "DATA";
        stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
        stream.flush().unwrap();
        if line == "STARTTLS" || line == "QUIT" {
            return line == "STARTTLS";
        }
    }
}

#[test]
fn a_mail_over_starttls() {
    let (world, server) = (World::new(), MailServer::start());
    let authority = world.folder.write("ca.pem", &server.authority);
    world.folder.write("password", "hush\n");
    let login = format!(
        "ca_file = \"{}\"\nusername = \"relay\"\npassword_file = \"password\"\n",
        authority.display()
    );
    let relay: Live = world.start_with(&server.smtp(&login));
    world.endpoint(&relay, "books");
    world.hook_answers(410);
    send(&relay);
    let lines = server.until("QUIT");
    let before: Vec<&str> = lines.iter().map(String::as_str).take(6).collect();
    let login = "AUTH PLAIN AHJlbGF5AGh1c2g=";
    let hello = "EHLO relay.invalid";
    let from = "MAIL FROM:<relay@example.com>";
    assert_eq!(before, [hello, "STARTTLS", "(TLS)", hello, login, from]);
    assert!(lines.contains(&"RCPT TO:<ops@example.com>".to_owned()), "{lines:#?}");
    let subject = lines.iter().find(|line| line.starts_with("Subject: ")).unwrap();
    assert!(subject.ends_with("] mail firing: endpoint_disabled"), "{subject}");
    let text = lines.iter().skip_while(|line| !line.is_empty()).skip(1);
    let text: String = text.take_while(|line| *line != ".").map(String::as_str).collect();
    let text = String::from_utf8(BASE64.decode(text).unwrap()).unwrap();
    assert!(text.starts_with("Relay disabled endpoint books (ep_"), "{text}");
    let path = "/api/v1/app/default/endpoint/books";
    assert_eq!(relay.call("PATCH", path, Some(r#"{"disabled":false}"#)).0, 200);
    let lines = server.until("QUIT");
    assert!(lines.iter().any(|line| line.ends_with("] mail recovered: endpoint_disabled")));
    relay.stop();
    assert_eq!(server.heard.try_recv().ok(), None, "two mails and no more");
}

#[test]
fn a_mail_server_that_is_not_trusted_or_not_let_through() {
    let (world, server) = (World::new(), MailServer::start());
    let open = "[guard]\nallow = [\"127.0.0.0/8\"]\n";
    let test = |text: &str, code: i32, out: &str| {
        world.folder.write("relay.toml", text);
        world.folder.run(&["alerts", "test"]).expect(code, out, "");
    };
    test(&server.smtp(""), 1, "mail: not taken: 127.0.0.1: 127.0.0.1:");
    assert_eq!(server.heard.try_recv().ok(), None, "nothing was said");
    let starttls = format!("{open}{}", server.smtp(""));
    let failed = "mail: not taken: the TLS handshake failed: nobody who is believed here signed";
    test(&starttls, 1, failed);
    server.until("(TLS)");
    let plain = format!("{open}{}", server.smtp("tls = \"none\"\n"));
    let taken = "mail: taken: 250 2.0.0 queued as 1; gone@example.com: the server said 550 nobody";
    test(&plain, 0, taken);
    let lines = server.until("QUIT");
    assert!(!lines.contains(&"STARTTLS".to_owned()), "{lines:#?}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let closed = plain.replace(&format!("port = {}", server.port), &format!("port = {port}"));
    test(&closed, 1, "mail: not taken: no connection to 127.0.0.1:");
}

#[test]
fn a_mail_server_that_says_nothing_is_not_waited_for() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!(
        "[guard]\nallow = [\"127.0.0.0/8\"]\n[alerts]\ntimeout = \"200ms\"\n[[alert]]\n\
         name = \"mail\"\n[alert.smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"implicit\"\n\
         from = \"a@b.example\"\nto = [\"c@d.example\"]\n"
    );
    world.folder.write("relay.toml", text);
    let accepted = thread::spawn(move || {
        let stream: TcpStream = listener.accept().unwrap().0;
        let mut first = Vec::new();
        // Until the client gives up.
        let _ = BufReader::new(stream).read_until(b'\0', &mut first);
    });
    let ended = world.folder.run(&["alerts", "test"]);
    ended.expect(1, "mail: not taken: the TLS handshake failed: ", "");
    accepted.join().unwrap();
}
