//! Keys that are pressed while a command runs: read one by one, and the terminal as it was
//! afterwards.

use std::io::{self, IsTerminal, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Whether a key says that it is enough: `q`, or the end of input (Control-D).
pub fn ends(key: char) -> bool {
    matches!(key, 'q' | '\u{4}')
}

/// Puts the terminal back when it is dropped.
pub struct Keys(Arc<Mutex<Option<Termios>>>);

impl Keys {
    /// Reads keys from the terminal, for as long as this is there; `None` where there is none.
    pub fn read(pressed: impl Fn(char) -> bool + Send + 'static) -> Option<Keys> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return None;
        }
        let before = tcgetattr(io::stdin()).ok()?;
        let mut each = before.clone();
        // Control-C stays what it is: the signal comes, and the end with it.
        each.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Now, &each).ok()?;
        let held = Arc::new(Mutex::new(Some(before)));
        let in_panic = Arc::clone(&held);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore(&in_panic);
            hook(panic);
        }));
        thread::spawn(move || {
            let mut bytes = io::stdin().lock().bytes();
            while let Some(Ok(byte)) = bytes.next() {
                if !pressed(char::from(byte)) {
                    return;
                }
            }
        });
        Some(Keys(held))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        restore(&self.0);
    }
}

fn restore(held: &Mutex<Option<Termios>>) {
    if let Some(before) = held.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}
