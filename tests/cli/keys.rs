//! What people see and press at a terminal: `relay listen`, `relay top` and the way of a task. It
//! is as it was when they have ended.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use serde_json::json;

use crate::listen::support::Place;
use crate::listen::target::Target;
use crate::live::Live;
use crate::support::{Folder, ScriptedRelay};
use crate::terminal::Terminal;

/// The other screen, and back.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
/// Where each frame begins, on it.
const HOME: &str = "\x1b[H";

fn listening(place: &Place, target: &str, more: &[&str]) -> Terminal {
    let url = place.relay().url.clone();
    let at = ["--server", &url, "--token", &place.key];
    let arguments = [&["listen", target, "--source", "shop"], more, &at[..]].concat();
    let mut terminal = Terminal::run(place.folder.command(&arguments), 24, 80);
    terminal.wait_for("connected");
    terminal
}

#[test]
fn listen_sends_again_shows_and_ends() {
    let place = Place::with_source("shop");
    let target = Target::start();
    let mut terminal = listening(&place, &target.port(), &[]);
    assert!(terminal.is_raw());
    terminal.press("r");
    terminal.wait_for("nothing has come yet");
    terminal.press("d");
    terminal.wait_for("nothing has come yet");
    place.post("shop", b"first", &[]);
    place.post("shop", b"{\"a\": \"\x1b[31m\"}\nend", &[("stripe-signature", "t=1")]);
    terminal.wait_for("  200  ");
    terminal.wait_for("  200  ");
    // A key that stands for nothing does nothing.
    terminal.press("xr");
    terminal.wait_for("  200  ");
    let came = target.came();
    assert_eq!(came.len(), 3);
    assert_eq!((&came[2].line, &came[2].body), (&came[1].line, &came[1].body));
    assert_eq!(came[2].header("stripe-signature"), Some("t=1"));
    terminal.press("d");
    let shown = terminal.wait_for("\nend");
    assert!(shown.contains("{\"a\": \"\u{fffd}[31m\"}"), "{shown:?}");
    target.answer(500);
    terminal.press("r");
    terminal.wait_for("  500  ");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    assert_eq!(target.came().len(), 4);
}

/// What was given up is sent again by hand; the end of input and signals end it too.
#[test]
fn listen_sends_again_what_was_given_up() {
    let place = Place::with_source("shop");
    let target = Target::start();
    target.hold(true);
    let mut terminal = listening(&place, &target.port(), &["--retry", "0", "--timeout", "1s"]);
    place.post("shop", b"late", &[]);
    terminal.wait_for("given up, r sends it again");
    target.hold(false);
    terminal.press("r");
    terminal.wait_for("  200  ");
    assert_eq!(target.wait(2), ["late", "late"]);
    terminal.press("\u{4}");
    assert_eq!(terminal.ended(), 0);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut terminal = listening(&place, &target.port(), &[]);
        terminal.signal(signal);
        assert_eq!(terminal.ended(), 0, "{signal:?}");
    }
}

fn top(folder: &Folder, relay: &Live) -> Command {
    let at = ["--server", &relay.url, "--token", &relay.key];
    folder.command(&[&["top", "--interval", "100ms"], &at[..]].concat())
}

/// One frame, whole. The one behind it is under way.
fn frame(terminal: &mut Terminal) -> String {
    terminal.wait_for(HOME);
    terminal.wait_for(HOME).trim_end_matches(HOME).to_owned()
}

#[test]
fn top_is_drawn_in_any_window_and_ends() {
    let folder = Folder::new();
    folder.write("relay.toml", "");
    let relay = Live::start(&folder);
    let mut terminal = Terminal::run(top(&folder, &relay), 40, 100);
    terminal.wait_for(ENTER);
    let whole = frame(&mut terminal);
    for words in [&*relay.url, "ready", "accepting", "accepted", "every endpoint is well"] {
        assert!(whole.contains(words), "{words}: {whole}");
    }
    assert!(terminal.is_raw());
    let breaks = |text: &str| text.matches('\n').count();
    assert!(breaks(&whole) > 5, "{whole:?}");
    // As many lines as there is room for, and no break behind the last.
    for (rows, columns) in [(3, 20), (1, 1), (2, 200)] {
        terminal.resize(rows, columns);
        // One may have been under way.
        frame(&mut terminal);
        let small = frame(&mut terminal);
        assert_eq!(breaks(&small), usize::from(rows) - 1, "{rows}: {small:?}");
    }
    terminal.resize(40, 100);
    frame(&mut terminal);
    assert_eq!(breaks(&frame(&mut terminal)), breaks(&whole));
    terminal.press("xq");
    terminal.wait_for(LEAVE);
    assert_eq!(terminal.ended(), 0);
    for signal in [Signal::TERM, Signal::INT] {
        let mut terminal = Terminal::run(top(&folder, &relay), 40, 100);
        frame(&mut terminal);
        terminal.signal(signal);
        terminal.wait_for(LEAVE);
        assert_eq!(terminal.ended(), 0, "{signal:?}");
    }
}

/// Without colours it is drawn at the same place each time all the same.
#[test]
fn top_without_colours() {
    let folder = Folder::new();
    folder.write("relay.toml", "");
    let relay = Live::start(&folder);
    let run = |name: &str, value: &str| {
        let mut command = top(&folder, &relay);
        command.env(name, value);
        let mut terminal = Terminal::run(command, 40, 100);
        let frame = frame(&mut terminal);
        terminal.press("q");
        assert_eq!(terminal.ended(), 0);
        frame
    };
    let (none, some) = (run("NO_COLOR", "1"), run("TERM", "xterm"));
    let style = |text: &str| text.contains("\x1b[32m") || text.contains("\x1b[2m");
    assert!(!style(&none) && style(&some), "{none:?}\n{some:?}");
}

#[test]
fn the_way_of_a_task_is_drawn_over_itself() {
    let looks = AtomicUsize::new(0);
    let relay = ScriptedRelay::start(move |asked, _| {
        let answer = match &*asked.line {
            line if line.contains("/stats?") => json!({"fail": 8}),
            line if line.starts_with("POST") => json!({"id": "task_1"}),
            line if !line.contains("task_1") => json!({}),
            _ => {
                let done = looks.fetch_add(1, Ordering::Relaxed) * 2;
                let status = if done >= 8 { "finished" } else { "running" };
                let data = json!({"done": done, "lookedAt": done + 1, "work": "recover"});
                json!({"id": "task_1", "status": status, "data": data})
            }
        };
        (200, answer.to_string())
    });
    let folder = Folder::new();
    let arguments = ["recover", "acme", "books", "--since", "1h", "--follow"];
    let at = ["--server", &relay.url, "--token", "t"];
    let command = folder.command(&[&arguments[..], &at].concat());
    let mut terminal = Terminal::run(command, 5, 20);
    let drawn = terminal.wait_for("finished");
    for percent in ["  0 %", " 25 %", " 50 %", " 75 %"] {
        assert!(drawn.contains(percent), "{percent}: {drawn:?}");
    }
    assert!(drawn.contains("[#######-----"), "{drawn:?}");
    // No break, in however narrow a window, and nothing of it is left.
    let (way, end) = drawn.rsplit_once("\r\x1b[K").unwrap();
    assert_eq!(way.matches("\x1b[?7l").count(), 4, "{way:?}");
    assert_eq!(way.matches("\x1b[?7h").count(), 4, "{way:?}");
    assert!(!way.contains('\n') && end.starts_with("recover"), "{drawn:?}");
    terminal.wait_for("8 done of 9 looked at");
    assert_eq!(terminal.ended(), 0);
}
