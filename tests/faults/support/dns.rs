//! A DNS server of the test's own, on the port that only a namespace of its own has free.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::namespace::run;

/// What becomes of a question.
#[derive(Clone)]
pub enum Reply {
    /// These addresses, to whoever asks for IPv4.
    Addresses(Vec<Ipv4Addr>),
    /// These, after so long.
    Late(Duration, Vec<Ipv4Addr>),
    /// SERVFAIL.
    Failure,
    /// Nothing at all.
    Silence,
}

/// Answers a name, without the last dot.
type Script = Arc<Mutex<Box<dyn FnMut(&str) -> Reply + Send>>>;

const MAX_DATAGRAM: usize = 512;
const PORT: u16 = 53;

/// Serves until the test process ends.
pub struct DnsServer {
    script: Script,
}

impl DnsServer {
    /// Listens on 127.0.0.1:53, and has this mount namespace ask there.
    pub fn start(script: impl FnMut(&str) -> Reply + Send + 'static) -> Result<DnsServer, String> {
        let told = |error: std::io::Error| error.to_string();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, PORT)).map_err(told)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).map_err(told)?;
        let file = std::env::temp_dir().join(format!("relay-resolv-{}", std::process::id()));
        let words = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
        std::fs::write(&file, words).map_err(told)?;
        run("mount", &["--bind", &file.display().to_string(), "/etc/resolv.conf"])?;
        let _ = std::fs::remove_file(&file);
        let server = DnsServer { script: Arc::new(Mutex::new(Box::new(script))) };
        let script = Arc::clone(&server.script);
        thread::spawn(move || serve_datagrams(socket, &script));
        let script = Arc::clone(&server.script);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let script = Arc::clone(&script);
                thread::spawn(move || serve_stream(stream, &script).unwrap_or_default());
            }
        });
        Ok(server)
    }

    /// From now on this one answers.
    pub fn set(&self, script: impl FnMut(&str) -> Reply + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }
}

fn serve_datagrams(socket: UdpSocket, script: &Script) {
    let socket = Arc::new(socket);
    let mut query = [0; MAX_DATAGRAM];
    while let Ok((length, from)) = socket.recv_from(&mut query) {
        let (query, script, socket) =
            (query[..length].to_vec(), Arc::clone(script), Arc::clone(&socket));
        thread::spawn(move || {
            if let Some(mut answer) = answer(&query, &script) {
                if answer.len() > MAX_DATAGRAM {
                    // Truncated: asked again over TCP.
                    answer.truncate(question_end(&query));
                    answer[2] |= 0x02;
                    answer[6..12].fill(0);
                }
                // The relay may be gone.
                let _ = socket.send_to(&answer, from);
            }
        });
    }
}

/// Two questions come over one connection, for IPv4 and IPv6.
fn serve_stream(mut stream: TcpStream, script: &Script) -> std::io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        let Some(answer) = answer(&query, script) else { return Ok(()) };
        stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes())?;
        stream.write_all(&answer)?;
    }
}

fn question_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] != 0 {
        at += 1 + usize::from(query[at]);
    }
    at + 5
}

fn name(query: &[u8]) -> String {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).into_owned());
        at = end;
    }
    labels.join(".")
}

fn answer(query: &[u8], script: &Script) -> Option<Vec<u8>> {
    let reply = (script.lock().unwrap())(&name(query));
    let addresses = match reply {
        Reply::Silence => return None,
        Reply::Failure => {
            let mut answer = query[..question_end(query)].to_vec();
            (answer[2], answer[3]) = (0x81, 0x82);
            answer[6..12].fill(0);
            return Some(answer);
        }
        Reply::Addresses(addresses) => addresses,
        Reply::Late(time, addresses) => {
            let (_sender, never) = channel::<()>();
            assert_eq!(never.recv_timeout(time), Err(RecvTimeoutError::Timeout));
            addresses
        }
    };
    let end = question_end(query);
    let for_ipv4 = query[end - 4..end - 2] == [0, 1];
    let addresses = if for_ipv4 { addresses } else { Vec::new() };
    let mut answer = query[..end].to_vec();
    (answer[2], answer[3]) = (0x81, 0x80);
    answer[6..8].copy_from_slice(&u16::try_from(addresses.len()).unwrap().to_be_bytes());
    answer[8..12].fill(0);
    for address in addresses {
        // The name of the question, IN A, kept for no second.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
