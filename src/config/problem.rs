//! What is wrong with a configuration, each problem with the place to mend it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where a setting was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the configuration file.
    File(FilePlace),
    /// In a variable of the environment, by its name.
    Variable(String),
    /// On the command line, by the flag's name.
    Flag(String),
    /// Nowhere: the setting itself, `delivery.timeout`.
    Setting(String),
    /// A whole file.
    Path(PathBuf),
}

/// A stretch of a line of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// The file.
    pub path: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// The first character of the stretch, from 1.
    pub column: usize,
    /// The line's text; empty when it would show a secret.
    pub text: String,
    /// How many characters the stretch has on this line.
    pub width: usize,
}

impl FilePlace {
    /// The place of a byte range of `source`; a range over several lines is cut at the first.
    pub fn new(path: &Path, source: &str, range: Range<usize>) -> FilePlace {
        let start = floor(source, range.start);
        let end = floor(source, range.end.max(start));
        let line_start = source[..start].rfind('\n').map_or(0, |position| position + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |length| start + length);
        let text = source[line_start..line_end].trim_end_matches('\r');
        FilePlace {
            path: path.to_owned(),
            line: source[..line_start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            text: if holds_secret(text) { String::new() } else { text.to_owned() },
            width: source[start..end.min(line_end)].chars().count().max(1),
        }
    }
}

/// Largest character boundary at or before `position`.
pub(super) fn floor(source: &str, position: usize) -> usize {
    let position = position.min(source.len());
    (0..=position).rev().find(|byte| source.is_char_boundary(*byte)).unwrap_or(0)
}

/// Whether the line sets a secret or a header that may be one: it is not printed then, as logs keep
/// what is.
fn holds_secret(line: &str) -> bool {
    let Some((key, value)) = line.split_once('=') else { return line.contains("whsec_") };
    let key = key.trim().rsplit('.').next().unwrap_or_default().trim_matches(['"', '\'']);
    let secrets = ["operator_key", "jwt_secret", "sealing_key", "previous_sealing_keys", "secret"];
    secrets.contains(&key)
        || key == "value"
        || (["headers", "delivery", "auth", "tls"].contains(&key) && value.contains('{'))
        || (value.contains("://") && value.contains('@'))
        || ["hooks.slack.com/", "/api/webhooks/"].iter().any(|part| line.contains(part))
        || ["authorization", "cookie", "token", "api-key", "password", "client_"]
            .iter()
            .any(|part| key.to_ascii_lowercase().contains(part))
        || ["whsec_", "whsk_"].iter().any(|prefix| line.contains(prefix))
}

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong and what would be right.
    pub message: String,
}

/// First the place and the message on one line, then the line of the file with a caret.
impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = escaped(&self.message);
        match &self.place {
            Place::Variable(name) | Place::Flag(name) | Place::Setting(name) => {
                write!(formatter, "{}: {message}", escaped(name))
            }
            Place::Path(path) => write!(formatter, "{}: {message}", path.display()),
            Place::File(place) => {
                let FilePlace { path, line, column, text, width } = place;
                write!(formatter, "{}:{line}:{column}: {message}", path.display())?;
                if text.is_empty() {
                    return Ok(());
                }
                let number = line.to_string();
                let margin = " ".repeat(number.len());
                // A tab stays one, so that the caret stands below what it points at.
                let before: String = text
                    .chars()
                    .take(column - 1)
                    .map(|letter| if letter == '\t' { '\t' } else { ' ' })
                    .collect();
                let carets = "^".repeat(*width);
                write!(formatter, "\n {margin} |\n {number} | {text}\n {margin} | {before}{carets}")
            }
        }
    }
}

/// On one line, and without what a terminal would obey.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() {
            true => escaped.extend(letter.escape_debug()),
            false => escaped.push(letter),
        }
    }
    escaped
}

/// Everything that is wrong with a configuration, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order of their places.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(formatter, "{gap}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str, part: &str) -> String {
        let start = source.find(part).unwrap();
        let place = FilePlace::new(Path::new("relay.toml"), source, start..start + part.len());
        Problem { place: Place::File(place), message: "no".to_owned() }.to_string()
    }

    #[test]
    fn the_caret_stands_below_the_place() {
        let source = "[server]\n\tlistén = 1\nx = '''a\nb'''\n";
        assert_eq!(
            shown(source, "listén"),
            "relay.toml:2:2: no\n   |\n 2 | \tlistén = 1\n   | \t^^^^^^"
        );
        assert_eq!(
            shown(source, "'''a\nb'''"),
            "relay.toml:3:5: no\n   |\n 3 | x = '''a\n   |     ^^^^"
        );
        let end = FilePlace::new(Path::new("f"), "a", 1..1);
        assert_eq!((end.line, end.column, end.width), (1, 2, 1));
    }

    #[test]
    fn a_message_stays_on_its_line() {
        let place = Place::Setting("endpoint[0].headers.x\r\ny".to_owned());
        let problem = Problem { place, message: "`x\r\n\u{1b}[2Jy` is no name".to_owned() };
        assert_eq!(
            problem.to_string(),
            r"endpoint[0].headers.x\r\ny: `x\r\n\u{1b}[2Jy` is no name"
        );
    }

    #[test]
    fn a_line_with_a_secret_is_not_shown() {
        for line in [
            "operator_key = 'hush'",
            "auth.jwt_secret= 'hush'",
            "  secret = 'hush'",
            "x = { secret = 'whsec_hush' }",
            "headers = { authorization = 'hush' }",
            "url = 'https://anna:hush@h.example'",
            "delivery = { auth = { type = 'bearer', token = 'hush' } }",
            "delivery.auth.value = 'hush'",
            "client_key = 'hush'",
            "password = 'hush'",
        ] {
            let problem = shown(line, "hush");
            assert!(!problem.contains("hush"), "{problem}");
        }
        assert!(shown("secret_file = 'f'", "'f'").contains('^'));
    }
}
