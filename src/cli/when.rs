//! A point in time on the command line: so long ago, or a time.

use std::fmt;
use std::str::FromStr;

use super::failure::Failure;
use super::token::wall_clock;
use crate::config::units::Span;
use crate::domain::time::Timestamp;

/// `1h`, `2d` (ago), or a time such as `2026-11-21T00:00:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// So long ago.
    Ago(Span),
    /// Then.
    At(Timestamp),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        if let Some(time) = Timestamp::parse_rfc3339(text) {
            return Ok(When::At(time));
        }
        text.parse().map(When::Ago).map_err(|_| {
            format!(
                "`{text}` is no point in time: write how long ago, like 1h or \"2d 12h\", or a \
                 time like 2026-11-21T00:00:00Z"
            )
        })
    }
}

impl fmt::Display for When {
    /// As it is written on a command line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Ago(span) if span.to_string().contains(' ') => write!(formatter, "\"{span}\""),
            When::Ago(span) => write!(formatter, "{span}"),
            When::At(time) => write!(formatter, "{time}"),
        }
    }
}

impl When {
    /// As the API takes it.
    pub fn text(self) -> Result<String, Failure> {
        Ok(self.time(wall_clock()?).to_string())
    }

    fn time(self, now: Timestamp) -> Timestamp {
        match self {
            When::At(time) => time,
            When::Ago(span) => {
                let millis = u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
                Timestamp::from_millis(now.millis().saturating_sub(millis))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_how_long_ago() {
        let now = Timestamp::parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<When>().unwrap().time(now).to_string(), expected, "{text}");
        };
        check("1h", "2026-11-21T11:00:00Z");
        check("2d 12h", "2026-11-19T00:00:00Z");
        check("2026-11-21T01:00:00+01:00", "2026-11-21T00:00:00Z");
        for wrong in ["", "soon", "2026-11-21", "-1h", "1 month"] {
            assert!(wrong.parse::<When>().unwrap_err().contains("no point in time"), "{wrong}");
        }
    }
}
