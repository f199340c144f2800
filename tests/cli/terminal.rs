//! A terminal with a command on it, whose keys a test presses and whose screen it reads.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

/// Never waited for when all is well.
const LONG: Duration = Duration::from_secs(120);

pub struct Terminal {
    child: Child,
    keys: File,
    chunks: Receiver<Vec<u8>>,
    /// What was written to the screen and not yet waited for.
    pending: String,
    /// The end that the command has, so that its mode can be looked at when that has ended.
    near: OwnedFd,
    before: Termios,
}

impl Terminal {
    /// Runs the command on a new terminal of this size.
    pub fn run(mut command: Command, rows: u16, columns: u16) -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let far = openpt(flags).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let near = ioctl_tiocgptpeer(&far, flags).unwrap();
        let before = tcgetattr(&near).unwrap();
        resize(&near, rows, columns);
        let end = || near.try_clone().unwrap();
        command.stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().unwrap();
        // It holds the ends that the command was given.
        drop(command);
        let keys = File::from(far);
        let mut screen = keys.try_clone().unwrap();
        let (sender, chunks) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { child, keys, chunks, pending: String::new(), near, before }
    }

    /// Everything that is written up to this text and with it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.pending.find(text) {
                return self.pending.drain(..at + text.len()).collect();
            }
            let Ok(chunk) = self.chunks.recv_timeout(LONG) else {
                panic!("no {text:?} on the screen: {:?}", self.pending);
            };
            // What is cut in the middle of a letter is no matter here: all that is waited for is
            // in ASCII.
            self.pending.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        resize(&self.near, rows, columns);
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether keys come one by one and are not shown.
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.near).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Waits for its end, which leaves the terminal as it was; the exit code.
    #[track_caller]
    pub fn ended(&mut self) -> i32 {
        let code = self.child.wait().unwrap().code().unwrap();
        let after = tcgetattr(&self.near).unwrap();
        let modes = |of: &Termios| (of.local_modes, of.input_modes, of.output_modes);
        assert_eq!(modes(&after), modes(&self.before), "the terminal's mode");
        code
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: &OwnedFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}
