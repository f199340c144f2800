//! An alert as a mail: its text, and the way to the mail server.
//!
//! The client is our own, for what `lettre` (three crates more) does not do: its timeout holds for
//! each read and write, so that a server that drips holds the thread for as long as it likes, where
//! here one deadline holds for all of it; it looks the host up itself, where here the addresses are
//! those that the guard let through; and one recipient that is refused fails the mail for all.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::message::Message;
use super::outlet::{Refused, Ways};
use super::smtp::{Dialogue, Timed};
use crate::config::alert::{Smtp, SmtpTls};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::engine::tls::Tls;
use crate::engine::tls_failure::TlsFailure;

/// Bytes of base64 in a line.
const LINE: usize = 76;

/// Gives mails to one server.
pub struct Mailer {
    smtp: Smtp,
    password: Option<Secret>,
    tls: Arc<ClientConfig>,
}

impl Mailer {
    /// With the authorities that are believed.
    pub fn new(smtp: Smtp, password: Option<Secret>) -> Result<Mailer, String> {
        let tls = Tls::new(smtp.authorities()?).map_err(|error| error.to_string())?;
        Ok(Mailer { smtp, password, tls: tls.usual() })
    }

    /// Sends one mail and tells what the server said.
    pub fn send(&self, message: &Message, ways: &Ways) -> Result<String, Refused> {
        let deadline = Instant::now() + ways.timeout;
        let mail = self.compose(message, ways.clock.wall())?;
        let socket = self.connect(ways, deadline)?;
        let timed = Timed { socket, deadline };
        let said = match self.smtp.tls {
            SmtpTls::Implicit => self.give(Dialogue::greeted(self.secure(timed)?)?, &mail),
            SmtpTls::None => self.give(Dialogue::greeted(timed)?, &mail),
            SmtpTls::Starttls => {
                let mut open = Dialogue::greeted(timed)?;
                let stream = open.start_tls().and_then(|()| open.into_stream())?;
                self.give(Dialogue::secured(self.secure(stream)?), &mail)
            }
        };
        Ok(said?)
    }

    /// To one of the addresses that the guard lets through, in their order. One that does not
    /// answer leaves the others their share of the time.
    fn connect(&self, ways: &Ways, deadline: Instant) -> Result<TcpStream, String> {
        let (host, port) = (&self.smtp.host, self.smtp.port());
        let found = ways.resolver.addresses(host, port, ways.timeout);
        let addresses = found.map_err(|error| format!("{host}: {error}"))?;
        let mut last = format!("{host} has no address");
        for (address, others) in addresses.iter().zip((0..addresses.len() as u32).rev()) {
            let left = deadline.saturating_duration_since(Instant::now()) / (others + 1);
            if left.is_zero() {
                return Err(format!("{host} took too long"));
            }
            match TcpStream::connect_timeout(address, left) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = format!("no connection to {address}: {error}"),
            }
        }
        Err(last)
    }

    fn secure(&self, timed: Timed) -> Result<StreamOwned<ClientConnection, Timed>, String> {
        let name = ServerName::try_from(self.smtp.host.clone()).map_err(|error| error.to_string());
        let session = ClientConnection::new(Arc::clone(&self.tls), name?);
        let mut stream = StreamOwned::new(session.map_err(|error| error.to_string())?, timed);
        while stream.conn.is_handshaking() {
            let shaken = stream.conn.complete_io(&mut stream.sock);
            shaken.map_err(|error| format!("the TLS handshake failed: {}", words(&error)))?;
        }
        Ok(stream)
    }

    fn give<S: io::Read + io::Write>(
        &self,
        mut dialogue: Dialogue<S>,
        mail: &str,
    ) -> Result<String, String> {
        dialogue.introduce()?;
        if let (Some(username), Some(password)) = (&self.smtp.username, &self.password) {
            dialogue.log_in(username, password)?;
        }
        dialogue.give(&self.smtp.from, &self.smtp.to, mail)
    }

    /// The whole mail with CRLF line ends; its text is base64, so that no line is too long and none
    /// begins with a dot.
    fn compose(&self, message: &Message, now: Timestamp) -> Result<String, String> {
        let Smtp { from, to, .. } = &self.smtp;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| error.to_string())?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let host = from.rsplit_once('@').map_or("relay", |(_, host)| host);
        // Names may not hold more, the relay's URL may.
        let plain = |letter: &char| letter.is_ascii_graphic() || *letter == ' ';
        let subject: String = message.title().chars().filter(plain).collect();
        let text = format!(
            "{}\r\n\r\nalert: {}\r\ncondition: {}\r\nstate: {}\r\nsince: {}\r\nrelay: {}\r\n",
            message.text,
            message.alert,
            message.condition,
            message.state,
            message.since,
            message.relay,
        );
        let text = BASE64.encode(text);
        let lines: Vec<&str> = (0..text.len())
            .step_by(LINE)
            .map(|at| &text[at..(at + LINE).min(text.len())])
            .collect();
        Ok(format!(
            "Date: {}\r\nFrom: <{from}>\r\nTo: <{}>\r\nSubject: {subject}\r\n\
             Message-ID: <{id}@{host}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
             {}\r\n",
            date(now)?,
            to.join(">,\r\n <"),
            lines.join("\r\n"),
        ))
    }
}

/// Why TLS failed, and which setting mends it here.
fn words(error: &io::Error) -> String {
    match TlsFailure::of_io(error) {
        TlsFailure::UnknownIssuer | TlsFailure::SelfSigned => {
            "nobody who is believed here signed its certificate: name who did in smtp.ca_file"
                .to_owned()
        }
        TlsFailure::NotTls => {
            "what answers does not speak TLS: smtp.tls is \"starttls\" where the server begins in \
             the clear"
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// As mails write it, `Sat, 21 Nov 2026 00:00:00 +0000`.
fn date(now: Timestamp) -> Result<String, String> {
    let millis = i64::try_from(now.millis()).map_err(|error| error.to_string())?;
    let time = jiff::Timestamp::from_millisecond(millis).map_err(|error| error.to_string())?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::rfc2822::to_string(&time).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_has_short_lines_and_one_subject() {
        let smtp = Smtp {
            host: "mail.example".to_owned(),
            port: None,
            tls: SmtpTls::Starttls,
            ca_file: None,
            username: None,
            password: None,
            password_file: None,
            from: "relay@example.com".to_owned(),
            to: vec!["a@example.com".to_owned(), "b@example.com".to_owned()],
        };
        let mailer = Mailer::new(smtp, None).expect("a mailer");
        let now = Timestamp::from_millis(1_795_219_200_000);
        let mut message = Message::test("ops", "https://hooks.example\r\nBcc: x@y", now);
        message.text = ".ä\n".repeat(300);
        let mail = mailer.compose(&message, now).expect("a mail");
        assert!(mail.starts_with("Date: Sat, 21 Nov 2026 00:00:00 +0000\r\n"), "{mail}");
        assert!(mail.contains("\r\nTo: <a@example.com>,\r\n <b@example.com>\r\n"), "{mail}");
        assert!(!mail.contains("\r\nBcc"), "{mail}");
        for line in mail.split("\r\n") {
            assert!(line.len() <= 200 && !line.starts_with('.') && !line.contains('\n'), "{line}");
        }
        let (_, text) = mail.split_once("\r\n\r\n").expect("a text");
        let text = BASE64.decode(text.replace("\r\n", "")).expect("base64");
        assert!(String::from_utf8(text).expect("UTF-8").contains("alert: ops\r\n"));
    }
}
