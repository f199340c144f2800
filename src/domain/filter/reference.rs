//! `$ref`: another value of the same event, such as `body.items[$index].price`.

use super::error::Problem;
use super::node::Node;
use super::{BYTES_PER_STEP, FIELDS};

#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// As written, for words.
    pub text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
enum Segment {
    Name(String),
    Index(usize),
    /// The index of the element that is looked at: the first of them the outermost list's.
    Current,
}

const BEGIN: &str = "it begins with a part of the event, such as body";
const NAME: &str = "a name is missing beside a dot, or in [\"\"]";
const BRACKET: &str = "in brackets stands [0], [$index] or [\"name\"], and behind them . or [";

impl Reference {
    pub fn parse(text: &str) -> Result<Reference, Problem> {
        let mut segments = Vec::new();
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (field, mut rest) = text.split_at(end);
        if !FIELDS.contains(&field) {
            return Err(Problem::Reference(BEGIN));
        }
        segments.push(Segment::Name(field.to_owned()));
        while !rest.is_empty() {
            let segment;
            (segment, rest) = if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, after) = after.split_at(end);
                (Segment::Name(name.to_owned()), after)
            } else if let Some(after) = rest.strip_prefix("[\"") {
                let (name, after) = after.split_once("\"]").ok_or(Problem::Reference(BRACKET))?;
                (Segment::Name(name.to_owned()), after)
            } else if let Some(after) = rest.strip_prefix("[$index]") {
                (Segment::Current, after)
            } else {
                let inside = rest.strip_prefix('[').and_then(|after| after.split_once(']'));
                let (digits, after) = inside.ok_or(Problem::Reference(BRACKET))?;
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                let index = digits.parse().ok().filter(|_| plain);
                (Segment::Index(index.ok_or(Problem::Reference(BRACKET))?), after)
            };
            if matches!(&segment, Segment::Name(name) if name.is_empty()) {
                return Err(Problem::Reference(NAME));
            }
            segments.push(segment);
        }
        Ok(Reference { text: text.to_owned(), segments })
    }

    /// What it refers to, seen from the elements with these indexes, the outermost first.
    pub fn resolve<'a>(&'a self, root: Node<'a>, indexes: &[usize]) -> Option<Node<'a>> {
        let mut current = indexes.iter();
        self.segments.iter().try_fold(root, |node, segment| match segment {
            Segment::Name(name) => node.get(name),
            Segment::Index(index) => node.items()?.nth(*index),
            Segment::Current => node.items()?.nth(*current.next()?),
        })
    }

    /// Whether it depends on an element that is looked at.
    pub fn is_relative(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Current))
    }

    /// What it costs to follow, in steps, with this many headers or parameters of the query.
    pub fn cost(&self, pairs: usize) -> usize {
        self.segments.len() + pairs + self.text.len() / BYTES_PER_STEP
    }
}
