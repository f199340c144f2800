//! Every operator and every part of an event against `filters/cases.json`: what matches, what does
//! not, and what is refused where and why. The examples of `docs/filters.md` too.

use std::collections::BTreeMap;
use std::net::IpAddr;

use relay::domain::filter::{
    BYTES_PER_STEP, EVALUATION_DEPTH_MAX, EVALUATION_STEPS_MAX, FIELDS, FILTER_BYTES_MAX,
    FILTER_DEPTH_MAX, FILTER_LIST_MAX, FILTER_NODES_MAX, FILTER_REGEXES_MAX, Filter, OPERATORS,
    REGEX_BYTES_MAX, REGEX_COMPILED_MAX, Subject,
};
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

const DOCUMENT: &str = include_str!("../../docs/filters.md");

/// The blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    DOCUMENT.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// What stands between backticks in a cell.
fn values(cell: &str) -> Vec<Value> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.map(|text| serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))).collect()
}

#[test]
fn examples_of_the_document() {
    let json = blocks("json");
    assert_eq!(json.len(), 3);
    for text in json {
        Filter::parse_text(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let toml: Vec<Filter> = blocks("toml")
        .into_iter()
        .map(|text| match &toml::from_str::<Value>(text).unwrap()["filter"] {
            Value::String(json) => Filter::parse_text(json).unwrap(),
            tree => Filter::parse(tree).unwrap(),
        })
        .collect();
    assert_eq!(toml.len(), 2);
    assert_eq!(toml[0], toml[1], "both forms are the same filter");
    let error = Filter::parse(&serde_json::json!({"body": {"amount": {"$gt": true}}})).unwrap_err();
    assert!(DOCUMENT.contains(&format!("```text\n{error}\n```")), "{error}");

    let mut held = 0;
    for row in DOCUMENT.lines().filter(|line| line.starts_with("| `{")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, filter, matching, others, _] = cells[..] else { panic!("{row}") };
        let [filter] = &values(filter)[..] else { panic!("{row}") };
        let filter = Filter::parse(&serde_json::json!({"body": filter})).unwrap();
        for (cell, expected) in [(matching, true), (others, false)] {
            for body in values(cell) {
                let subject = Subject { body: Some(&body), ..Subject::default() };
                assert_eq!(filter.matches(&subject), expected, "{row}: {body}");
                held += 1;
            }
        }
    }
    assert!(held > 30, "{held} bodies");
    for name in FIELDS.into_iter().chain(OPERATORS) {
        assert!(DOCUMENT.contains(&format!("`{name}`")), "{name} is not explained");
    }
}

#[test]
fn limits_of_the_document() {
    let said = DOCUMENT.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        format!("{} KiB, {FILTER_DEPTH_MAX} levels", FILTER_BYTES_MAX >> 10),
        format!("{FILTER_NODES_MAX} values, {FILTER_LIST_MAX} members"),
        format!("{FILTER_REGEXES_MAX} patterns of `$regex`"),
        format!("{} KiB as written", REGEX_BYTES_MAX >> 10),
        format!("{} KiB compiled", REGEX_COMPILED_MAX >> 10),
        format!(
            "{},000,000 steps and {EVALUATION_DEPTH_MAX} levels",
            EVALUATION_STEPS_MAX / 1_000_000
        ),
        format!("{BYTES_PER_STEP} bytes of a text"),
    ] {
        assert!(said.contains(&words), "{words}");
    }
}
