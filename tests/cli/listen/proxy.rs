//! A small TCP proxy that a test can make deaf, cut and closed, in front of a relay or a target
//! whose port may change.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Bytes pass.
    Open,
    /// Connections are taken and kept, and no byte passes in either direction.
    Silent,
    /// Connections are closed as they come.
    Closed,
}

struct State {
    way: Way,
    upstream: SocketAddr,
    streams: Vec<TcpStream>,
}

#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Proxy {
    pub fn to(upstream: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { way: Way::Open, upstream, streams: Vec::new() };
        let proxy = Proxy { address, state: Arc::new((Mutex::new(state), Condvar::new())) };
        let own = proxy.clone();
        // Ends with the test's process; nothing waits for it.
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| own.take(stream)));
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set(&self, way: Way) {
        self.state.0.lock().unwrap().way = way;
        self.state.1.notify_all();
    }

    pub fn lead_to(&self, upstream: SocketAddr) {
        self.state.0.lock().unwrap().upstream = upstream;
    }

    /// Ends every connection there is.
    pub fn cut(&self) {
        for stream in self.state.0.lock().unwrap().streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.state.1.notify_all();
    }

    fn take(&self, near: TcpStream) {
        let upstream = {
            let state = self.state.0.lock().unwrap();
            if state.way == Way::Closed {
                return;
            }
            state.upstream
        };
        let Ok(far) = TcpStream::connect(upstream) else { return };
        {
            let mut state = self.state.0.lock().unwrap();
            state.streams.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
        }
        let ways = [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))];
        for (from, to) in ways {
            let (from, to, own) = (from.unwrap(), to.unwrap(), self.clone());
            thread::spawn(move || own.pump(from, to));
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16 * 1024];
        loop {
            let count = from.read(&mut bytes).unwrap_or(0);
            let state = self.state.0.lock().unwrap();
            drop(self.state.1.wait_while(state, |state| state.way == Way::Silent).unwrap());
            if count == 0 || to.write_all(&bytes[..count]).is_err() {
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}
