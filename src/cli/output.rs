//! Results on stdout: words for people, JSON for scripts.

use std::fmt::Display;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::failure::Failure;

/// What went well.
pub const GOOD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
/// What did not.
pub const BAD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
/// What may go well yet.
pub const OPEN: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
/// What only explains.
pub const ASIDE: Style = Style::new().dimmed();

/// Writes one line; colours are left out where nobody sees them.
pub fn line(text: impl Display) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()?;
    Ok(())
}

/// Writes one JSON document on one line.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string(value).map_err(Failure::failed)?)
}

/// Writes bytes as they are.
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(())
}

/// Text from elsewhere, with marks in place of the characters that steer a terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// The same with its line breaks and tabs, for bodies.
pub fn plain_lines(text: &str) -> String {
    let steers = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    let text = text.replace("\r\n", "\n");
    text.chars().map(|letter| if steers(letter) { '\u{fffd}' } else { letter }).collect()
}

/// A cell of a table, as it is shown.
pub type Cell = (Style, String);

/// A cell without colour.
pub fn cell(text: impl Into<String>) -> Cell {
    (Style::new(), text.into())
}

/// Writes rows below the names of their columns, each as wide as its longest text but the last.
pub fn table<const N: usize>(names: [&str; N], rows: &[[Cell; N]]) -> Result<(), Failure> {
    let length = |text: &str| text.chars().count();
    let longest = |column: usize| {
        let cells = rows.iter().map(|row| length(&row[column].1));
        cells.chain([length(names[column])]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(longest);
    let names = names.map(|name| (ASIDE, name.to_owned()));
    for row in [&names].into_iter().chain(rows) {
        let mut written = String::new();
        for (column, (style, text)) in row.iter().enumerate() {
            written.push_str(&styled(*style, text));
            if row[column + 1..].iter().any(|(_, text)| !text.is_empty()) {
                written.push_str(&" ".repeat(widths[column] - length(text) + 2));
            }
        }
        line(written)?;
    }
    Ok(())
}

/// The text in a style.
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// `1 endpoint`, `2 endpoints`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
