//! As much of HTTP/1.1 as load and receiver need: messages of a known length, one after the other.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the other side may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// The most that is read of a message's head or body, in bytes.
const LARGEST: usize = 1 << 20;

/// A connection that is kept alive.
pub struct Wire {
    reader: BufReader<TcpStream>,
    line: Vec<u8>,
    first: String,
    body: Vec<u8>,
}

/// What was read.
pub struct Message<'wire> {
    /// The request line or the status line.
    pub first: &'wire str,
    pub body: &'wire [u8],
}

impl Wire {
    /// To a server that has to answer soon.
    pub fn connect(server: SocketAddr) -> io::Result<Wire> {
        let stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(SILENCE))?;
        Wire::new(stream)
    }

    /// Of a connection that stands; the other side may be silent for as long as it likes.
    pub fn new(stream: TcpStream) -> io::Result<Wire> {
        stream.set_nodelay(true)?;
        let reader = BufReader::new(stream);
        Ok(Wire { reader, line: Vec::new(), first: String::new(), body: Vec::new() })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// The next message; none when the other side has ended the connection.
    pub fn receive(&mut self) -> io::Result<Option<Message<'_>>> {
        if self.read_line()? == 0 {
            return Ok(None);
        }
        self.first = String::from_utf8_lossy(self.line.trim_ascii_end()).into_owned();
        let mut length = None;
        let mut read = 0;
        while read < LARGEST {
            match self.read_line()? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => read += length,
            }
            let line = self.line.trim_ascii();
            if line.is_empty() {
                let length = length.ok_or_else(|| wrong("no content-length in its head"))?;
                self.body.resize(length, 0);
                self.reader.read_exact(&mut self.body)?;
                return Ok(Some(Message { first: &self.first, body: &self.body }));
            }
            length = content_length(line).or(length).filter(|length| *length <= LARGEST);
        }
        Err(wrong("a head without an end"))
    }

    /// Reads a line with its end; 0 at the end of the stream.
    fn read_line(&mut self) -> io::Result<usize> {
        self.line.clear();
        let mut limited = (&mut self.reader).take(LARGEST as u64);
        limited.read_until(b'\n', &mut self.line)
    }
}

fn content_length(line: &[u8]) -> Option<usize> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(colon);
    if !name.eq_ignore_ascii_case(b"content-length") {
        return None;
    }
    std::str::from_utf8(&value[1..]).ok()?.trim().parse().ok()
}

fn wrong(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn received(bytes: &[u8]) -> Vec<Result<(String, Vec<u8>), io::ErrorKind>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        sender.write_all(bytes).unwrap();
        drop(sender);
        let mut wire = Wire::new(listener.accept().unwrap().0).unwrap();
        let mut all = Vec::new();
        loop {
            match wire.receive() {
                Ok(Some(message)) => all.push(Ok((message.first.to_owned(), message.body.into()))),
                Ok(None) => return all,
                Err(error) => {
                    all.push(Err(error.kind()));
                    return all;
                }
            }
        }
    }

    #[test]
    fn messages_one_after_the_other() {
        let one = |first: &str, body: &str| Ok((first.to_owned(), body.as_bytes().to_vec()));
        let bytes = b"POST /0 HTTP/1.1\r\nContent-Length: 2\r\nx: y\r\n\r\nabHTTP/1.1 200 OK\r\n\
                      content-length:0\r\n\r\n";
        assert_eq!(received(bytes), [one("POST /0 HTTP/1.1", "ab"), one("HTTP/1.1 200 OK", "")]);
    }

    #[test]
    fn what_is_no_message() {
        let check = |bytes: &[u8], kind| assert_eq!(received(bytes), [Err(kind)]);
        check(b"POST / HTTP/1.1\r\nx: y\r\n\r\n", io::ErrorKind::InvalidData);
        check(b"POST / HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n", io::ErrorKind::InvalidData);
        check(b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab", io::ErrorKind::UnexpectedEof);
        check(b"POST / HTTP/1.1\r\n", io::ErrorKind::UnexpectedEof);
    }
}
