//! One look as lines of text.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Look;
use crate::cli::output::{ASIDE, BAD, GOOD, OPEN, count, plain, styled};
use crate::config::units::Size;
use crate::domain::time::Timestamp;

/// What is counted, as the API names it.
const COUNTED: [&str; 5] = ["accepted", "received", "delivered", "failed", "dead"];
/// A minute in a line of them, by how much it has of the most.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Alerts that are named.
const ALERTS: usize = 5;
/// Letters of what others name.
const NAME_MAX: usize = 28;
const URL_MAX: usize = 60;
const WORDS_MAX: usize = 160;

/// What is shown of one look.
pub(super) struct Frame {
    pub lines: Vec<String>,
    /// How fast each was counted since the look before; null in the first.
    pub per_second: Value,
}

impl Frame {
    /// The rates are those since `last`.
    pub fn of(base: &str, look: &Look, last: Option<&Look>) -> Frame {
        let per_second = rates(look, last);
        let mut lines = head(base, &look.overview);
        lines.push(String::new());
        lines.extend(table(look, &per_second));
        lines.push(latency(look));
        lines.extend(alerts(&look.overview));
        lines.extend(unwell(&look.unwell, time(&look.overview["now"])));
        Frame { lines, per_second }
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(value.as_str()?)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Each number a second; null without a look before, or when the relay was started in between.
fn rates(look: &Look, last: Option<&Look>) -> Value {
    let Some(last) = last else { return Value::Null };
    let began = |look: &Look| look.overview["startedAt"].clone();
    let now = |look: &Look| time(&look.overview["now"]).unwrap_or_default();
    let passed = now(look).since(now(last)).as_secs_f64();
    if passed <= 0.0 || began(look) != began(last) {
        return Value::Null;
    }
    let counted = |look: &Look, name: &str| number(&look.overview["sinceStart"][name]);
    let rate = |name: &&str| {
        let count = counted(look, name).saturating_sub(counted(last, name));
        let tenths = (count as f64 / passed * 10.0).round();
        ((*name).to_owned(), json!(tenths / 10.0))
    };
    Value::Object(COUNTED.iter().map(rate).collect::<Map<_, _>>())
}

fn head(base: &str, overview: &Value) -> Vec<String> {
    let text = |name: &str| plain(overview[name].as_str().unwrap_or("?"));
    let now = time(&overview["now"]);
    let since = |name: &str| Some(now?.since(time(&overview[name])?));
    let up = since("startedAt").map_or("?".to_owned(), short);
    let ready = match overview["ready"].as_bool() {
        Some(true) => styled(GOOD, "ready"),
        _ => styled(BAD, "not ready"),
    };
    let accepting = match overview["refusal"].as_str() {
        None => styled(GOOD, "accepting"),
        Some(why) => styled(BAD, format!("accepting nothing: {}", plain(why))),
    };
    let oldest = match since("oldestWaiting") {
        Some(waited) => format!(", the oldest due for {}", short(waited)),
        None => String::new(),
    };
    let known = |name: &str| overview[name].as_u64().map_or("?".to_owned(), thousands);
    let size = |value: &Value| value.as_u64().map_or("?".to_owned(), bytes);
    let disk = &overview["disk"];
    let endpoint = |name: &str, what: &str| format!("{} {what}", known(name));
    let all = |name: &str, noun: &str| {
        let ending = if overview[name] == 1 { "" } else { "s" };
        format!("{} {noun}{ending}", known(name))
    };
    vec![
        format!("relay {} at {base}, up {up}: {ready}, {accepting}", text("version")),
        format!(
            "{} waiting{oldest}; {} under way, {}",
            known("waiting"),
            known("inFlight"),
            all("deadLetters", "dead letter")
        ),
        format!(
            "disk: {} of {}, {} free; {}, {} ({}, {}, {}), {}",
            size(&disk["used"]),
            size(&disk["cap"]),
            size(&disk["free"]),
            all("applications", "application"),
            all("endpoints", "endpoint"),
            endpoint("parkedEndpoints", "parked"),
            endpoint("failingEndpoints", "failing"),
            endpoint("disabledEndpoints", "disabled"),
            all("sources", "source"),
        ),
    ]
}

fn table(look: &Look, per_second: &Value) -> Vec<String> {
    let head = format!("{:<10}{:>10}{:>13}{:>12}", "", "a second", "last minute", "last hour");
    let mut lines = vec![styled(ASIDE, head)];
    for name in COUNTED {
        let rate = per_second[name].as_f64().map_or("-".to_owned(), |rate| format!("{rate:.1}"));
        let minute = thousands(number(&look.minute[name]));
        let hour = thousands(number(&look.overview["lastHour"][name]));
        let bars = bars(look.hour.iter().map(|point| number(&point[name])));
        let bars = styled(ASIDE, bars);
        lines.push(format!("{name:<10}{rate:>10}{minute:>13}{hour:>12}  {bars}"));
    }
    lines
}

/// A letter for each minute, as high as its share of the highest.
fn bars(minutes: impl Iterator<Item = u64> + Clone) -> String {
    let most = minutes.clone().max().unwrap_or_default();
    let bar = |count: u64| match (count, most) {
        (0, _) => ' ',
        (count, most) => {
            let last = BARS.len() as u64 - 1;
            BARS[usize::try_from(count * last / most).unwrap_or_default()]
        }
    };
    minutes.map(bar).collect()
}

fn latency(look: &Look) -> String {
    let of = |counted: &Value| {
        let one = |name: &str| {
            let millis = counted[name].as_u64();
            millis.map_or("-".to_owned(), |millis| short(Duration::from_millis(millis)))
        };
        format!("{} / {}", one("latencyP50Ms"), one("latencyP99Ms"))
    };
    let (minute, hour) = (of(&look.minute), of(&look.overview["lastHour"]));
    format!("took p50 / p99: {minute} in the last minute, {hour} in the last hour")
}

fn alerts(overview: &Value) -> Vec<String> {
    let firing = overview["alertsFiring"].as_array().map_or(&[][..], Vec::as_slice);
    if firing.is_empty() {
        return Vec::new();
    }
    let all = usize::try_from(number(&overview["alertsFiringCount"])).unwrap_or(usize::MAX);
    let mut lines = vec![String::new(), styled(BAD, count(all, "alert"))];
    for alert in firing.iter().take(ALERTS) {
        let text = |name: &str| plain(alert[name].as_str().unwrap_or_default());
        lines.push(format!("  {}: {}", text("condition"), cut(&text("words"), WORDS_MAX)));
    }
    lines
}

fn unwell(listed: &Value, now: Option<Timestamp>) -> Vec<String> {
    let all = usize::try_from(number(&listed["total"])).unwrap_or(usize::MAX);
    if all == 0 {
        return vec![String::new(), styled(GOOD, "every endpoint is well")];
    }
    let verb = if all == 1 { "is" } else { "are" };
    let title = format!("{} {verb} in trouble", count(all, "endpoint"));
    let mut lines = vec![String::new(), styled(OPEN, title)];
    for endpoint in listed["data"].as_array().into_iter().flatten() {
        let text = |name: &str| plain(endpoint[name].as_str().unwrap_or_default());
        let name = |uid: &str, other: &str| match text(uid) {
            uid if uid.is_empty() => text(other),
            uid => uid,
        };
        let since = time(&endpoint["since"]).zip(now);
        let since = since.map_or(String::new(), |(at, now)| short(now.since(at)));
        let waiting = &endpoint["waiting"];
        let more = if waiting["exact"] == false { "+" } else { "" };
        let waits = format!("{}{more} waiting", thousands(number(&waiting["count"])));
        lines.push(format!(
            "  {} {since:>7}  {waits:>14}  {:<14}  {}/{}  {}",
            styled(BAD, format!("{:<8}", text("status"))),
            answer(&endpoint["lastAttempt"]),
            cut(&name("appUid", "appName"), NAME_MAX),
            cut(&name("endpointUid", "endpointId"), NAME_MAX),
            styled(ASIDE, cut(&text("url"), URL_MAX)),
        ));
    }
    let shown = listed["data"].as_array().map_or(0, Vec::len);
    if all > shown {
        lines.push(format!("  and {} more", thousands((all - shown) as u64)));
    }
    lines
}

fn answer(attempt: &Value) -> String {
    match (attempt["statusCode"].as_u64(), attempt["outcome"].as_str()) {
        (Some(status), _) if status > 0 => format!("answers {status}"),
        (_, Some(outcome)) => plain(outcome),
        _ => "never tried".to_owned(),
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Whole MiB, or KiB of little.
fn bytes(bytes: u64) -> String {
    let unit: u64 = if bytes >= 1 << 20 { 1 << 20 } else { 1 << 10 };
    Size(bytes / unit * unit).to_string()
}

/// Two parts at most: `3d 4h`, `5min 2s`, `1.3s`, `12ms`.
fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, one: &str, small: u64, other: &str| match small {
        0 => format!("{large}{one}"),
        small => format!("{large}{one} {small}{other}"),
    };
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..10 => format!("{:.1}s", time.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_short() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        let times = [5, 1_300, 59_999, 61_000, 3_600_000, 90_000_000];
        let shown = times.map(|millis| short(Duration::from_millis(millis)));
        assert_eq!(shown, ["5ms", "1.3s", "59s", "1min 1s", "1h", "1d 1h"]);
        assert_eq!(bars([0, 1, 7, 14].into_iter()), " ▁▄█");
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
