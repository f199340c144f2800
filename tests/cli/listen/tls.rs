//! What ends TLS in front of a relay or a target, with a certificate that it signed itself.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};

pub struct TlsFront {
    address: SocketAddr,
}

impl TlsFront {
    pub fn to(upstream: SocketAddr) -> TlsFront {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Ends with the test's process; nothing waits for it.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                let far = TcpStream::connect(upstream).unwrap();
                let connection = Arc::new(Connection { near, far, session: Mutex::new(session) });
                let other = Arc::clone(&connection);
                thread::spawn(move || connection.up());
                thread::spawn(move || other.down());
            }
        });
        TlsFront { address }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

struct Connection {
    near: TcpStream,
    far: TcpStream,
    session: Mutex<ServerConnection>,
}

impl Connection {
    /// What comes is for the upstream, once it is readable.
    fn up(&self) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = { &self.near }.read(&mut bytes) {
            let mut part = &bytes[..count];
            let mut plain = Vec::new();
            {
                let mut session = self.session.lock().unwrap();
                let mut understood = true;
                while understood && !part.is_empty() {
                    session.read_tls(&mut part).unwrap();
                    understood = session.process_new_packets().is_ok();
                    // It would block when all of it is there.
                    let _ = session.reader().read_to_end(&mut plain);
                }
                // What refuses is sent too.
                if !self.flush(&mut session) || !understood {
                    break;
                }
            }
            if { &self.far }.write_all(&plain).is_err() {
                break;
            }
        }
        let _ = self.far.shutdown(Shutdown::Both);
        let _ = self.near.shutdown(Shutdown::Both);
    }

    fn down(&self) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = { &self.far }.read(&mut bytes) {
            let mut session = self.session.lock().unwrap();
            session.writer().write_all(&bytes[..count]).unwrap();
            if !self.flush(&mut session) {
                break;
            }
        }
        let mut session = self.session.lock().unwrap();
        session.send_close_notify();
        self.flush(&mut session);
        let _ = self.near.shutdown(Shutdown::Both);
    }

    fn flush(&self, session: &mut ServerConnection) -> bool {
        while session.wants_write() {
            if session.write_tls(&mut { &self.near }).is_err() {
                return false;
            }
        }
        true
    }
}
