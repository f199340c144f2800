//! The configuration file: read with the place of every value, all its problems found at once.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use tree::{Node, Step, nodes, path_text, put, remove};

use super::Config;
use super::problem::{FilePlace, Place, Problem};

mod tree;

/// The largest file that is read, in bytes.
const FILE_LIMIT: u64 = 4 << 20;
/// How many problems of one file are told; whoever has more begins with these.
const PROBLEMS_MAX: usize = 50;
/// How many items of a list are tried to find the wrong one.
const ITEMS_TRIED: usize = 100;

/// What a file says, without what is wrong in it.
#[derive(Debug)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    /// Whether group or others may read or change it: what to say if it holds secrets.
    pub(super) too_open: Option<String>,
    /// What could be read.
    pub(super) table: toml::Table,
    source: String,
    /// The byte range of every value, by its path, `endpoint[0].url`.
    spans: BTreeMap<String, Range<usize>>,
}

impl ConfigFile {
    /// Reads a file. What is wrong in it is returned beside what is right; `None` when it can't be
    /// read at all.
    pub(super) fn read(path: &Path) -> (Option<ConfigFile>, Vec<Problem>) {
        let read = || -> Result<(Vec<u8>, fs::Metadata), std::io::Error> {
            let file = fs::File::open(path)?;
            let metadata = file.metadata()?;
            let mut source = Vec::new();
            file.take(FILE_LIMIT + 1).read_to_end(&mut source)?;
            Ok((source, metadata))
        };
        let whole = |message: String| Problem { place: Place::Path(path.to_owned()), message };
        match read() {
            Err(error) => (None, vec![whole(format!("can't read it: {error}"))]),
            Ok((source, _)) if source.len() as u64 > FILE_LIMIT => {
                (None, vec![whole(format!("is larger than {FILE_LIMIT} bytes"))])
            }
            Ok((source, metadata)) => match String::from_utf8(source) {
                Ok(source) => {
                    let too_open = super::secrets::too_open(path, &metadata);
                    let (file, problems) = parse(path, source, too_open);
                    (Some(file), problems)
                }
                Err(error) => (None, vec![not_text(path, &error)]),
            },
        }
    }

    /// Where the value of this path stands, or the nearest thing around it.
    pub(super) fn place(&self, path: &str) -> Option<FilePlace> {
        let mut path = path;
        loop {
            if let Some(span) = self.spans.get(path) {
                return Some(FilePlace::new(&self.path, &self.source, span.clone()));
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// Points at the first byte that belongs to no character.
fn not_text(path: &Path, error: &FromUtf8Error) -> Problem {
    let at = error.utf8_error().valid_up_to();
    let source = String::from_utf8_lossy(error.as_bytes());
    let place = Place::File(FilePlace::new(path, &source, at..at));
    Problem { place, message: "is not UTF-8 from here on; save the file as UTF-8".to_owned() }
}

/// Takes out, one after the other, what does not fit, until the rest is a configuration.
fn parse(path: &Path, source: String, too_open: Option<String>) -> (ConfigFile, Vec<Problem>) {
    let (mut root, errors) = DeTable::parse_recoverable(&source);
    let problem = |message: &str, span: Range<usize>| Problem {
        place: Place::File(FilePlace::new(path, &source, span)),
        message: message.to_owned(),
    };
    let mut problems: Vec<Problem> = errors
        .iter()
        .take(PROBLEMS_MAX)
        .map(|error| problem(error.message(), error.span().unwrap_or(0..0)))
        .collect();
    // A broken syntax makes what follows it guesswork: only its own problems are told.
    let mut readable = problems.is_empty();
    while readable && problems.len() < PROBLEMS_MAX {
        let Err(error) = Config::deserialize(Deserializer::from(root.clone())) else { break };
        let span = error.span().unwrap_or(0..0);
        let node = node_at(&root, &span, error.message());
        let span = node.as_ref().map_or(span, |node| node.place.clone());
        problems.push(problem(error.message(), span));
        readable = node.is_some_and(|node| {
            stand_in(root.get_mut(), &node, error.message(), problems.len())
                || remove(root.get_mut(), &node.path)
        });
    }
    let mut spans = BTreeMap::new();
    for node in nodes(root.get_ref()) {
        spans.insert(path_text(&node.path), node.value);
    }
    let table = if readable {
        toml::Table::deserialize(Deserializer::from(root.clone())).unwrap_or_default()
    } else {
        toml::Table::new()
    };
    problems.sort_by_key(|problem| match &problem.place {
        Place::File(place) => (place.line, place.column),
        _ => (0, 0),
    });
    (ConfigFile { path: path.to_owned(), too_open, table, source: source.clone(), spans }, problems)
}

/// What in a document is the first thing that does not fit, by its path, and why.
pub(super) fn misfit(source: &str) -> Option<(String, String)> {
    let (root, _) = DeTable::parse_recoverable(source);
    let error = Config::deserialize(Deserializer::from(root.clone())).err()?;
    let span = error.span().unwrap_or(0..0);
    let node = node_at(&root, &span, error.message());
    let path = node.map(|node| path_text(&node.path)).unwrap_or_default();
    Some((path, error.message().to_owned()))
}

/// What an error is about: how to come to it, and where to point.
struct Culprit {
    path: Vec<Step>,
    place: Range<usize>,
}

/// The innermost value whose key or value an error's span lies in.
fn node_at(root: &Spanned<DeTable<'_>>, span: &Range<usize>, message: &str) -> Option<Culprit> {
    let holds = |range: &Range<usize>| range.start <= span.start && span.end <= range.end;
    let all = nodes(root.get_ref());
    let node = all
        .iter()
        .filter(|node| holds(&node.key) || holds(&node.value))
        .max_by_key(|node| node.path.len())?;
    // The error of an item may carry the span of its array: the item is the one that makes the same
    // error alone.
    let items: Vec<&Node> = all
        .iter()
        .filter(|item| item.path.len() == node.path.len() + 1 && item.path.starts_with(&node.path))
        .filter(|item| matches!(item.path.last(), Some(Step::Index(_))))
        .take(ITEMS_TRIED)
        .collect();
    let item = items.iter().find(|item| {
        let mut alone = root.clone();
        for other in items.iter().rev().filter(|other| other.path != item.path) {
            remove(alone.get_mut(), &other.path);
        }
        Config::deserialize(Deserializer::from(alone))
            .is_err_and(|error| error.message() == message)
    });
    Some(match item {
        Some(item) => Culprit { path: item.path.clone(), place: item.value.clone() },
        None => Culprit { path: node.path.clone(), place: span.clone() },
    })
}

/// Gives a missing field a value, unlike any other, so that the rest beside it is read too; the
/// configuration is refused all the same. Every field that may not be left out is a text.
fn stand_in(table: &mut DeTable<'_>, node: &Culprit, message: &str, number: usize) -> bool {
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let Some(field) = missing else { return false };
    let value = match field {
        "url" => "https://missing.invalid/".to_owned(),
        _ => format!("missing-{number}"),
    };
    let path = [node.path.as_slice(), &[Step::Key(field.to_owned())]].concat();
    // No width: what is wrong with what stands there is not about this.
    put(table, &path, &(node.place.start..node.place.start), value)
}

#[cfg(test)]
mod tests {
    use super::super::problem::floor;
    use super::*;
    use proptest::prelude::*;

    fn check(source: &str, expected: &[(usize, usize, &str)]) -> ConfigFile {
        let (file, problems) = parse(Path::new("relay.toml"), source.to_owned(), None);
        let found: Vec<_> = problems
            .iter()
            .map(|problem| match &problem.place {
                Place::File(place) => (place.line, place.column, problem.message.as_str()),
                place => panic!("{place:?}"),
            })
            .collect();
        assert_eq!(found.len(), expected.len(), "{problems:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!((found.0, found.1), (expected.0, expected.1), "{found:?}");
            assert!(found.2.contains(expected.2), "{found:?}");
        }
        file
    }

    #[test]
    fn every_problem_is_told_at_its_place_and_the_rest_is_read() {
        let source = r#"
[server]
lisen = "127.0.0.1:1"
workers = "two"
drain = "5s"

[delivery]
retry_schedule = ["5s", "soon", "1m", 5]

[nonsense]
a = 1

[[endpoint]]
uid = "a"
channels = "eu"

[[endpoint]]
uid = "b"
url = "https://h.example/"
colour = 3
"#;
        let file = check(
            source,
            &[
                (3, 1, "unknown field `lisen`"),
                (4, 11, "invalid type"),
                (8, 25, "`soon` is not a duration"),
                (8, 39, "invalid type: integer `5`"),
                (10, 2, "unknown field `nonsense`"),
                (13, 1, "missing field `url`"),
                (15, 12, "invalid type: string"),
                (20, 1, "unknown field `colour`"),
            ],
        );
        let text = file.table.to_string();
        assert!(text.contains("drain") && text.contains("h.example"), "{text}");
        assert!(!text.contains("workers"), "{text}");
        assert_eq!(file.place("server.drain").map(|place| place.line), Some(5));
        assert_eq!(file.place("endpoint[1].url").map(|place| place.line), Some(19));
        assert_eq!(file.place("endpoint[1].headers.x").map(|place| place.line), Some(17));
        assert_eq!(file.place("retention.max_age"), None);
    }

    #[test]
    fn what_is_missing_is_told_once() {
        let source = "[[endpoint]]\ndescription = \"x\"\n\n[[endpoint]]\nuid = \"b\"\n";
        let expected = [
            (1, 1, "missing field `uid`"),
            (1, 1, "missing field `url`"),
            (4, 1, "missing field `url`"),
        ];
        check(source, &expected);
        check(
            "endpoint = [{}, {uid = \"a\"}]\n",
            &[
                (1, 13, "missing field `uid`"),
                (1, 13, "missing field `url`"),
                (1, 17, "missing field `url`"),
            ],
        );
    }

    #[test]
    fn broken_syntax() {
        check("[server\nlisten = \"x\"\n", &[(1, 8, "unclosed table")]);
        check("[server]\nlisten = \n", &[(2, 10, "")]);
        check("a = 1\na = 2\n", &[(2, 1, "duplicate key")]);
        check("", &[]);
    }

    #[test]
    fn many_problems_end() {
        let source: String = (0..200).map(|index| format!("k{index} = 1\n")).collect();
        let (_, problems) = parse(Path::new("f"), source, None);
        assert_eq!(problems.len(), PROBLEMS_MAX);
    }

    proptest! {
        /// Whatever happens to the file, it is read or told, at a place that is in it.
        #[test]
        fn damage_is_told(
            at: prop::sample::Index,
            cut in 0..40_usize,
            put in "[\\[\\]{}=\"'#., \na-z0-9é]{0,12}",
        ) {
            let source = include_str!("../../relay.toml").replace("\n# ", "\n");
            let start = at.index(source.len());
            let (start, end) = (floor(&source, start), start + cut);
            let end = floor(&source, end);
            let source = format!("{}{put}{}", &source[..start], &source[end.max(start)..]);
            let lines = source.lines().count();
            let (file, problems) = parse(Path::new("relay.toml"), source, None);
            for problem in &problems {
                let Place::File(place) = &problem.place else { panic!("{problem:?}") };
                prop_assert!(place.line >= 1 && place.line <= lines + 1, "{:?}", problem);
                prop_assert!(!problem.to_string().is_empty());
            }
            if problems.is_empty() {
                prop_assert!(Config::deserialize(file.table).is_ok());
            }
        }
    }
}
