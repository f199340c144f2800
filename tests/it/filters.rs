//! Every operator and every part of an event against `filters/cases.json`: what matches, what does
//! not, and what is refused where and why. The examples of `docs/filters.md` too.

use std::collections::BTreeMap;
use std::net::IpAddr;

use relay::domain::filter::{FIELDS, Filter, OPERATORS, Subject};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Table {
    cases: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Case {
    operator: String,
    what: String,
    filter: Value,
    subject: Event,
    expected: bool,
}

#[derive(Deserialize)]
struct Refused {
    operator: String,
    filter: Value,
    place: String,
    words: String,
}

/// A subject that owns what it shows.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Event {
    headers: Vec<(String, String)>,
    #[serde(deserialize_with = "there")]
    body: Option<Value>,
    query: Vec<(String, String)>,
    path: String,
    method: String,
    source: Option<String>,
    verified: bool,
    event_type: String,
    channels: Vec<String>,
    ip: Option<IpAddr>,
}

/// A body of `null` is a body.
fn there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Event {
    fn subject(&self) -> Subject<'_> {
        Subject {
            headers: &self.headers,
            body: self.body.as_ref(),
            query: &self.query,
            path: &self.path,
            method: &self.method,
            source: self.source.as_deref(),
            verified: self.verified,
            event_type: &self.event_type,
            channels: &self.channels,
            ip: self.ip,
        }
    }
}

fn table() -> Table {
    serde_json::from_str(include_str!("filters/cases.json")).unwrap()
}

#[test]
fn what_matches() {
    let cases = table().cases;
    assert!(cases.len() >= 180, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let what = format!("{}, {}: {}", case.operator, case.what, case.filter);
        let filter = Filter::parse(&case.filter).unwrap_or_else(|error| panic!("{what}: {error}"));
        let subject = case.subject.subject();
        if filter.matches(&subject) != case.expected {
            wrong.push(format!("{what} against {:?}, {}", case.subject.body, case.subject.path));
        }
        let explained = filter.explain(&subject);
        assert_eq!(explained.is_none(), case.expected, "{what}: {explained:?}");
        let again = Filter::parse_text(&case.filter.to_string());
        assert_eq!(again.as_ref(), Ok(&filter), "{what}");
        let negated = Filter::parse(&serde_json::json!({"$not": case.filter})).unwrap();
        assert_ne!(negated.matches(&subject), filter.matches(&subject), "{what}");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn what_is_refused() {
    let refused = table().refused;
    assert!(refused.len() >= 40, "{} refused", refused.len());
    let mut wrong = Vec::new();
    for case in &refused {
        match Filter::parse(&case.filter) {
            Ok(_) => wrong.push(format!("{} is taken", case.filter)),
            Err(error) => {
                let words = error.problem.to_string();
                if error.place != case.place || !words.contains(&case.words) {
                    wrong.push(format!("{}\n  {error}", case.filter));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), refused.len(), wrong.join("\n"));
}

#[test]
fn every_operator_is_in_the_table() {
    let table = table();
    let mut seen: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for case in &table.cases {
        let used = case.filter.to_string().contains(&case.operator);
        assert!(used || !case.operator.starts_with('$'), "{}", case.filter);
        seen.entry(&case.operator).or_default()[usize::from(case.expected)] += 1;
    }
    for case in &table.refused {
        seen.entry(&case.operator).or_default()[2] += 1;
    }
    for operator in OPERATORS.into_iter().chain(["value", "object", "list", "field"]) {
        let counts = seen.get(operator).copied().unwrap_or_default();
        assert!(counts.iter().all(|count| *count > 0), "{operator}: {counts:?}");
    }
    for field in FIELDS {
        let mut used = table.cases.iter().filter(|case| case.filter.get(field).is_some());
        assert!(used.next().is_some(), "no case asks for {field}");
    }
}
