//! `relay top`: how a running relay stands, looked at again and again.

use std::io::IsTerminal;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use rustix::termios::tcgetwinsize;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::client::{Client, ServerArgument, TokenArgument};
use super::failure::{Exit, Failure};
use super::keys::{self, Keys};
use super::output;
use super::{Common, Outcome};
use crate::config::units::Span;

mod frame;

use frame::Frame;

/// Looks come no faster than this.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Endpoints that are named in a frame.
const ENDPOINTS: usize = 10;

/// The other screen, with nothing on it, no cursor and no line breaks of the terminal's own.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// As it was before.
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// To the first line; to the end of a line and of the screen away with what stands there.
const HOME: &str = "\x1b[H";
const END_OF_LINE: &str = "\x1b[K";
const END_OF_SCREEN: &str = "\x1b[J";

/// What `relay top` takes.
#[derive(clap::Args, Debug)]
pub struct TopArguments {
    #[command(flatten)]
    server: ServerArgument,
    #[command(flatten)]
    token: TokenArgument,
    /// Time between two looks, 100 ms at least
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Look once and end
    #[arg(long)]
    once: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let Span(interval) = text.parse()?;
    if interval < INTERVAL_MIN {
        return Err(format!("must be {} at least", Span(INTERVAL_MIN)));
    }
    Ok(interval)
}

/// One look, as it was answered.
pub(super) struct Look {
    overview: Value,
    minute: Value,
    hour: Vec<Value>,
    unwell: Value,
}

enum Event {
    Look(Result<Look, Failure>),
    Stop,
}

/// Looks until it is told to end, or once.
pub(super) fn run(arguments: &TopArguments, common: &Common) -> Outcome {
    let base = arguments.server.base(common);
    let client = Client::new(&arguments.server, &arguments.token, common)?;
    if arguments.once {
        let look = look(&client)?;
        show(&Frame::of(&base, &look, None), &look, common.json)?;
        return Ok(Exit::Success);
    }
    let screen = Screen::enter(!common.json && std::io::stdout().is_terminal())?;
    let (events, received) = mpsc::channel();
    stop_on_signal(events.clone())?;
    let _keys = if screen.is_terminal { stop_on_key(events.clone()) } else { None };
    let interval = arguments.interval;
    // Ends with the process: nothing is lost with a look.
    thread::spawn(move || {
        while events.send(Event::Look(look(&client))).is_ok() {
            thread::sleep(interval);
        }
    });
    watch(&base, &received, screen, common.json)
}

fn watch(base: &str, events: &Receiver<Event>, screen: Screen, json: bool) -> Outcome {
    let mut last: Option<Look> = None;
    loop {
        let Ok(Event::Look(seen)) = events.recv() else { return Ok(Exit::Success) };
        match seen {
            Ok(look) => {
                let frame = Frame::of(base, &look, last.as_ref());
                if screen.is_terminal {
                    screen.draw(&frame.lines)?;
                } else {
                    show(&frame, &look, json)?;
                }
                last = Some(look);
            }
            // On a terminal somebody sees that it is gone, and waits until it is back.
            Err(Failure::Told { exit: Exit::Unreachable | Exit::Temporary, error, .. })
                if screen.is_terminal =>
            {
                screen.draw(&[format!("{error:#}"), "it is asked again".to_owned()])?;
                last = None;
            }
            Err(failure) => return Err(failure),
        }
    }
}

fn look(client: &Client) -> Result<Look, Failure> {
    let overview = client.get("/api/v1/stats/overview")?;
    let mut history = client.get("/api/v1/stats/history?period=hour")?;
    let unwell = client.get(&format!("/api/v1/stats/endpoints?limit={ENDPOINTS}"))?;
    let hour = match history["points"].take() {
        Value::Array(points) => points,
        _ => Vec::new(),
    };
    // The last one is not over.
    let minute = hour.iter().rev().nth(1).cloned().unwrap_or_default();
    Ok(Look { overview, minute, hour, unwell })
}

fn show(frame: &Frame, look: &Look, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&json!({
            "overview": look.overview,
            "lastMinute": look.minute,
            "perSecond": frame.per_second,
            "endpoints": look.unwell,
        }));
    }
    frame.lines.iter().try_for_each(output::line)
}

/// Ctrl-C and SIGTERM end it in its own time, so that the terminal is as it was.
fn stop_on_signal(events: Sender<Event>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let listen = |kind| signal(kind).expect("a signal handler can be installed");
            let mut interrupt = listen(SignalKind::interrupt());
            let mut terminate = listen(SignalKind::terminate());
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        // It may have ended by itself.
        let _ = events.send(Event::Stop);
    });
    Ok(())
}

/// So does `q`, where there are keys.
fn stop_on_key(events: Sender<Event>) -> Option<Keys> {
    Keys::read(move |key| !keys::ends(key) || events.send(Event::Stop).is_ok())
}

/// The terminal, until this is dropped.
struct Screen {
    is_terminal: bool,
}

impl Screen {
    fn enter(is_terminal: bool) -> Result<Screen, Failure> {
        if is_terminal {
            output::bytes(ENTER.as_bytes())?;
        }
        Ok(Screen { is_terminal })
    }

    fn draw(&self, lines: &[String]) -> Result<(), Failure> {
        // A line more than there is room for would move all of them up.
        let rows = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_row));
        let shown = if rows == 0 { lines } else { &lines[..lines.len().min(rows)] };
        let colours = AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
        let mut text = HOME.to_owned();
        for (number, line) in shown.iter().enumerate() {
            text.push_str(if number == 0 { "" } else { "\n" });
            text.push_str(END_OF_LINE);
            // Where no colours are wanted, what steers the terminal is all the same.
            if colours {
                text.push_str(line);
            } else {
                text.extend(strip_str(line));
            }
        }
        if shown.len() < rows || rows == 0 {
            text.push('\n');
            text.push_str(END_OF_SCREEN);
        }
        output::bytes(text.as_bytes())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_terminal {
            // Nobody is left to be told.
            let _ = output::bytes(LEAVE.as_bytes());
        }
    }
}
