//! What is said to a mail server (RFC 5321), with STARTTLS (RFC 3207) and AUTH (RFC 4954).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::domain::secret::Secret;

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 16 << 10;
/// Bytes of an answer that are told.
const TOLD_MAX: usize = 300;

/// A socket of which every step ends at one deadline.
pub(super) struct Timed {
    pub socket: TcpStream,
    pub deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the server took too long");
        if left.is_zero() { Err(late()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// A server's answer.
struct Answer {
    code: u16,
    lines: Vec<String>,
}

impl Answer {
    fn text(&self) -> String {
        let text = format!("{} {}", self.code, self.lines.join(" "));
        let plain: String = text.chars().filter(|letter| !letter.is_control()).collect();
        super::book::cut(plain, TOLD_MAX)
    }
}

/// What is said over one connection.
pub(super) struct Dialogue<S> {
    stream: S,
    /// Read and not yet looked at.
    read: Vec<u8>,
    /// What the server said it can.
    offers: Vec<String>,
}

impl<S: Read + Write> Dialogue<S> {
    /// Waits for the greeting.
    pub fn greeted(stream: S) -> Result<Dialogue<S>, String> {
        let mut dialogue = Dialogue::secured(stream);
        dialogue.expect("its greeting", 220)?;
        Ok(dialogue)
    }

    /// Goes on after STARTTLS, where no second greeting comes.
    pub fn secured(stream: S) -> Dialogue<S> {
        Dialogue { stream, read: Vec::new(), offers: Vec::new() }
    }

    /// Asks for TLS, and goes on with nothing less.
    pub fn start_tls(&mut self) -> Result<(), String> {
        self.introduce()?;
        if !self.offers.iter().any(|offer| offer == "STARTTLS") {
            let words = "the server does not offer STARTTLS: set smtp.tls to \"implicit\" if it \
                         speaks TLS at once, or to \"none\"";
            return Err(words.to_owned());
        }
        self.command("STARTTLS", "STARTTLS", 220).map(drop)
    }

    /// The stream alone, for TLS. What somebody put behind the answer in the clear is not taken for
    /// the server's.
    pub fn into_stream(self) -> Result<S, String> {
        if self.read.is_empty() {
            return Ok(self.stream);
        }
        Err("the server said more before TLS than it may".to_owned())
    }

    /// Says hello and hears what the server can.
    pub fn introduce(&mut self) -> Result<(), String> {
        let answer = self.command("EHLO", "EHLO relay.invalid", 250)?;
        let offers = answer.lines.iter().skip(1).map(|line| line.trim().to_ascii_uppercase());
        self.offers = offers.collect();
        Ok(())
    }

    /// Logs in with what the server takes.
    pub fn log_in(&mut self, username: &str, password: &Secret) -> Result<(), String> {
        let methods = self.offers.iter().filter_map(|offer| offer.strip_prefix("AUTH "));
        let methods: Vec<&str> = methods.flat_map(str::split_whitespace).collect();
        if methods.contains(&"PLAIN") {
            let secret = [b"\0", username.as_bytes(), b"\0", password.expose()].concat();
            let line = format!("AUTH PLAIN {}", BASE64.encode(secret));
            return self.command("the login", &line, 235).map(drop);
        }
        if methods.contains(&"LOGIN") {
            self.command("AUTH LOGIN", "AUTH LOGIN", 334)?;
            self.command("the user name", &BASE64.encode(username), 334)?;
            return self.command("the login", &BASE64.encode(password.expose()), 235).map(drop);
        }
        Err("the server takes no login with PLAIN or LOGIN".to_owned())
    }

    /// Gives it one mail, for all whom it takes it for, and tells what it said.
    pub fn give(&mut self, from: &str, to: &[String], mail: &str) -> Result<String, String> {
        self.command("MAIL FROM", &format!("MAIL FROM:<{from}>"), 250)?;
        let mut refused = Vec::new();
        for address in to {
            if let Err(why) = self.command(address, &format!("RCPT TO:<{address}>"), 250) {
                refused.push(why);
            }
        }
        if refused.len() == to.len() {
            return Err(refused.join("; "));
        }
        self.command("DATA", "DATA", 354)?;
        let answer = self.command("the mail", &format!("{mail}."), 250)?;
        // The mail is taken already.
        let _ = self.command("QUIT", "QUIT", 221);
        let left_out = refused.into_iter().map(|why| format!("; {why}"));
        Ok(std::iter::once(answer.text()).chain(left_out).collect())
    }

    fn command(&mut self, what: &str, line: &str, wanted: u16) -> Result<Answer, String> {
        let sent = self.stream.write_all(format!("{line}\r\n").as_bytes());
        let sent = sent.and_then(|()| self.stream.flush());
        sent.map_err(|error| format!("{what}: {error}"))?;
        self.expect(what, wanted)
    }

    fn expect(&mut self, what: &str, wanted: u16) -> Result<Answer, String> {
        let answer = self.answer().map_err(|error| format!("{what}: {error}"))?;
        // 251: the server forwards it itself.
        if answer.code == wanted || (wanted == 250 && answer.code == 251) {
            return Ok(answer);
        }
        Err(format!("{what}: the server said {}", answer.text()))
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let (mut lines, mut length) = (Vec::new(), 0);
        loop {
            let line = self.line()?;
            length += line.len();
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let Some(code) = code.filter(|_| length <= ANSWER_MAX) else {
                return Err(io::Error::other("what the server said is no answer"));
            };
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Answer { code, lines });
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.read.len() > ANSWER_MAX {
                return Err(io::Error::other("what the server said is no answer"));
            }
            let mut part = [0; 1_024];
            let count = self.stream.read(&mut part)?;
            if count == 0 {
                return Err(io::Error::other("the server closed the connection"));
            }
            self.read.extend_from_slice(&part[..count]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says what it is given, whatever is said to it.
    struct Script {
        says: io::Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            // A line at a time, as a server answers.
            let left = &self.says.get_ref()[self.says.position() as usize..];
            let line = left.iter().position(|byte| *byte == b'\n').map_or(left.len(), |at| at + 1);
            let most = line.min(buffer.len());
            self.says.read(&mut buffer[..most])
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn dialogue(says: &str) -> Dialogue<Script> {
        let says = io::Cursor::new(says.replace('|', "\r\n").into_bytes());
        Dialogue::secured(Script { says, heard: Vec::new() })
    }

    #[test]
    fn a_mail_is_given() {
        let to = ["a@x".to_owned(), "b@x".to_owned()];
        let mut talk = dialogue("250 a|250 b|550 who|354 go|250 queued|221 bye|");
        let said = talk.give("r@x", &to, "text\r\n").expect("taken");
        assert_eq!(said, "250 queued; b@x: the server said 550 who");
        let heard = String::from_utf8(talk.stream.heard).expect("text");
        let lines = "MAIL FROM:<r@x>|RCPT TO:<a@x>|RCPT TO:<b@x>|DATA|text|.|QUIT|";
        assert_eq!(heard, lines.replace('|', "\r\n"));
        let said = dialogue("250 a|550 no|551 no|").give("r@x", &to, "").expect_err("refused");
        assert_eq!(said, "a@x: the server said 550 no; b@x: the server said 551 no");
    }

    #[test]
    fn logins() {
        let password = Secret::new(b"hush".to_vec());
        let heard = |says: &str| {
            let mut talk = dialogue(says);
            talk.introduce().expect("an answer");
            let logged_in = talk.log_in("me", &password);
            let heard = String::from_utf8(talk.stream.heard).expect("text");
            logged_in.map(|()| heard.lines().skip(1).collect::<Vec<_>>().join("|"))
        };
        assert_eq!(
            heard("250-hi|250 AUTH LOGIN PLAIN|235 ok|").as_deref(),
            Ok("AUTH PLAIN AG1lAGh1c2g=")
        );
        let login = heard("250-hi|250-SIZE 1|250 auth login|334 a|334 b|235 ok|");
        assert_eq!(login.as_deref(), Ok("AUTH LOGIN|bWU=|aHVzaA=="));
        let refused = heard("250-hi|250 AUTH PLAIN|535 no|").expect_err("refused");
        assert_eq!(refused, "the login: the server said 535 no");
        assert!(heard("250 hi|").expect_err("none").contains("PLAIN or LOGIN"));
    }

    #[test]
    fn answers_that_are_none() {
        for (says, part) in [
            ("", "closed"),
            ("220", "closed"),
            ("hello there|", "no answer"),
            ("é20 x|", "no answer"),
            ("554 go away|", "554 go away"),
        ] {
            let error = Dialogue::greeted(dialogue(says).stream).err().expect(says);
            assert!(error.starts_with("its greeting: ") && error.contains(part), "{error}");
        }
        let endless = "220-x|".repeat(10_000);
        let error = Dialogue::greeted(dialogue(&endless).stream).err().expect("too much");
        assert!(error.contains("no answer"), "{error}");
        let mut talk = dialogue("250-hi|250 SIZE|");
        assert!(talk.start_tls().expect_err("none").contains("does not offer STARTTLS"));
    }

    #[test]
    fn what_is_put_behind_starttls_is_refused() {
        let mut talk = dialogue("250-hi|250 STARTTLS|220 go|");
        talk.start_tls().expect("an answer");
        talk.read.extend_from_slice(b"250 injected\r\n");
        assert!(talk.into_stream().is_err());
    }
}
