//! What a script writes with `console.…`, kept with the attempt and bounded.

use std::mem;

use rquickjs::{Ctx, Value};

use super::ScriptLimits;
use super::sandbox::text;
use crate::domain::transform::{ConsoleLevel, ConsoleLine};

/// The lines of one call.
#[derive(Debug)]
pub struct Console {
    lines: Vec<ConsoleLine>,
    left_out: u64,
    lines_max: usize,
    bytes_free: usize,
}

impl Console {
    /// Keeps as much as the limits say.
    pub fn new(limits: &ScriptLimits) -> Console {
        let (lines_max, bytes_free) = (limits.console_lines, limits.console_bytes);
        Console { lines: Vec::new(), left_out: 0, lines_max, bytes_free }
    }

    /// Bytes that there are for another line; `None` when it is only counted.
    pub fn room(&mut self) -> Option<usize> {
        let room = self.lines.len() < self.lines_max && self.bytes_free > 0;
        self.left_out += u64::from(!room);
        room.then_some(self.bytes_free)
    }

    /// Keeps a line, shortened to the room that there is.
    pub fn push(&mut self, level: ConsoleLevel, mut text: String) {
        if text.len() > self.bytes_free {
            let end = (0..=self.bytes_free).rev().find(|index| text.is_char_boundary(*index));
            text.truncate(end.unwrap_or(0));
            text.push('…');
        }
        self.bytes_free = self.bytes_free.saturating_sub(text.len());
        self.lines.push(ConsoleLine { level, text });
    }

    /// The lines, and how many more there were.
    pub fn take(&mut self) -> (Vec<ConsoleLine>, u64) {
        (mem::take(&mut self.lines), self.left_out)
    }
}

/// The arguments of a call as a line: text as it is, everything else as JSON. Those behind the
/// first `room` bytes are left out: a script's memory is bounded, copies of it are not.
pub fn line<'js>(
    ctx: &Ctx<'js>,
    arguments: &[Value<'js>],
    room: usize,
) -> rquickjs::Result<String> {
    let mut line = String::new();
    for (number, argument) in arguments.iter().enumerate() {
        if line.len() > room {
            break;
        }
        if number > 0 {
            line.push(' ');
        }
        line.push_str(&show(ctx, argument)?);
    }
    Ok(line)
}

fn show<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> rquickjs::Result<String> {
    if value.is_string() {
        return Ok(text(value).unwrap_or_default());
    }
    if let Some(error) = value.as_exception() {
        return Ok(error.message().unwrap_or_default());
    }
    let json = ctx.json_stringify(value.clone())?;
    Ok(match json {
        Some(json) => text(json.as_value()).unwrap_or_default(),
        None => value.type_name().to_owned(),
    })
}
