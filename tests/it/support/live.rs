//! A reader of a live stream: server-sent events over one connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::server::{Client, OPERATOR_KEY};

/// Long enough for a loaded machine, never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub data: Value,
}

pub struct Stream {
    reader: BufReader<TcpStream>,
    /// What came and was not yet read as lines.
    pending: Vec<u8>,
    /// The last id that was told, with an event or without.
    pub last: String,
    /// Comments so far.
    pub comments: usize,
}

impl Stream {
    /// Asks for a path below `/api/v1` as the operator, unless headers bring another key; the
    /// stream begins with `connected`.
    pub fn open(relay: &Client, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut stream = Stream::raw(relay, path, headers);
        let status = stream.head();
        assert_eq!(status, 200, "{path}");
        assert_eq!(stream.next().expect("a beginning").kind, "connected");
        stream
    }

    pub fn raw(relay: &Client, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut socket = TcpStream::connect(relay.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("GET /api/v1{path} HTTP/1.1\r\nhost: relay\r\n");
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            head += &format!("authorization: Bearer {OPERATOR_KEY}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        socket.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let reader = BufReader::new(socket);
        Stream { reader, pending: Vec::new(), last: String::new(), comments: 0 }
    }

    /// Reads the head; its status.
    pub fn head(&mut self) -> u16 {
        let mut status = None;
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                return status.unwrap();
            }
            if status.is_none() {
                status = line.split(' ').nth(1).map(|status| status.parse().unwrap());
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            let mut size = String::new();
            self.reader.read_line(&mut size).expect("something within a while");
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            if size == 0 {
                return None;
            }
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk).unwrap();
            self.pending.extend_from_slice(&chunk[..size]);
        }
    }

    /// The next event; `None` when the stream has ended.
    pub fn next(&mut self) -> Option<Event> {
        let (mut kind, mut data) = (String::new(), Vec::new());
        loop {
            let line = self.line()?;
            if line.is_empty() && !kind.is_empty() {
                let data = serde_json::from_str(&data.join("\n")).unwrap();
                return Some(Event { id: self.last.clone(), kind, data });
            } else if line.starts_with(':') {
                self.comments += 1;
            } else if let Some(id) = line.strip_prefix("id: ") {
                self.last = id.to_owned();
            } else if let Some(name) = line.strip_prefix("event: ") {
                kind = name.to_owned();
            } else if let Some(part) = line.strip_prefix("data: ") {
                data.push(part.to_owned());
            }
        }
    }

    /// The next event, of this kind.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Event {
        let event = self.next().expect("an event");
        assert_eq!(event.kind, kind, "{event:?}");
        event
    }

    /// The event ids of the next messages.
    #[track_caller]
    pub fn names(&mut self, count: usize) -> Vec<String> {
        let name = |event: Event| event.data["eventId"].as_str().unwrap().to_owned();
        (0..count).map(|_| name(self.expect("message"))).collect()
    }

    /// Everything up to the end of a stream that follows nothing.
    pub fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().expect("an end");
            if event.kind == "end" {
                assert_eq!(event.data["reason"], "done");
                return events;
            }
            events.push(event);
        }
    }

    /// Reads comments until there is one more.
    pub fn comment(&mut self) {
        let before = self.comments;
        while self.comments == before {
            let line = self.line().expect("a comment");
            self.comments += usize::from(line.starts_with(':'));
            if let Some(id) = line.strip_prefix("id: ") {
                self.last = id.to_owned();
            }
        }
    }
}
