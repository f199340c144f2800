//! Why a filter does not match: its first clause that does not, in words.

use std::cell::OnceCell;

use serde_json::Value;

use super::evaluate::{Evaluation, Exhausted};
use super::node::Node;
use super::operator::OPERATORS;
use super::pattern::{Clause, Pattern, Test};
use super::reference::Reference;
use super::{EVALUATION_DEPTH_MAX, EVALUATION_STEPS_MAX, Subject};

/// Characters of one value in words at most; the rest is told as `…`.
const SHOWN_MAX: usize = 80;

/// The clause that does not match.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch {
    /// Which part of the event: `body.amount`; empty when it is all of it.
    pub place: String,
    /// What it is and what was wanted: `is 5, wanted $gt 10`.
    pub words: String,
}

/// Nothing when it matches.
pub(super) fn explain(pattern: &Pattern, subject: &Subject<'_>) -> Option<Mismatch> {
    let ip = OnceCell::new();
    let mut first = Evaluation::new(subject, &ip);
    match first.run(pattern) {
        Ok(true) => return None,
        Ok(false) => {}
        Err(Exhausted) => {
            let words = format!(
                "takes more than {EVALUATION_STEPS_MAX} steps or {EVALUATION_DEPTH_MAX} levels to \
                 tell, which counts as no match"
            );
            return Some(Mismatch { place: String::new(), words });
        }
    }
    // Looking for the clause is work of its own and has as much for it as matching had.
    let mut search = Search { evaluation: Evaluation::new(subject, &ip), place: String::new() };
    let root = search.evaluation.root;
    let words = search.pattern(pattern, Some(root));
    let words = words.unwrap_or_else(|Exhausted| "does not fit".to_owned());
    Some(Mismatch { place: search.place, words })
}

struct Search<'a> {
    evaluation: Evaluation<'a>,
    place: String,
}

impl<'a> Search<'a> {
    /// Words for a pattern that does not fit.
    fn pattern(
        &mut self,
        pattern: &'a Pattern,
        node: Option<Node<'a>>,
    ) -> Result<String, Exhausted> {
        match (pattern, node) {
            (Pattern::Value(wanted), _) => Ok(differs(node, &value(wanted))),
            (Pattern::Folded(wanted), _) => {
                Ok(differs(node, &format!("$ignoreCase {}", quoted(wanted))))
            }
            (Pattern::List(members), Some(list)) if list.items().is_some() => {
                for member in members {
                    if !self.evaluation.has(list, member)? {
                        return Ok(format!("has no element that fits {}", brief(member)));
                    }
                }
                Ok("does not fit".to_owned())
            }
            (Pattern::List(members), _) => {
                Ok(differs(node, &format!("a list with {} elements", members.len())))
            }
            (Pattern::Object(clauses), Some(object)) if object.is_object() => {
                self.clauses(clauses, node)
            }
            (Pattern::Object(clauses), Some(list)) if list.items().is_some() => {
                Ok(format!("is {}, none fits {}", node_words(list), brief(pattern)))
            }
            (Pattern::Object(_), _) => Ok(differs(node, "an object")),
            (Pattern::Operators(clauses), _) => self.clauses(clauses, node),
        }
    }

    fn clauses(
        &mut self,
        clauses: &'a [Clause],
        node: Option<Node<'a>>,
    ) -> Result<String, Exhausted> {
        for clause in clauses {
            if !self.evaluation.clause(clause, node)? {
                return self.clause(clause, node);
            }
        }
        Ok("does not fit".to_owned())
    }

    fn clause(&mut self, clause: &'a Clause, node: Option<Node<'a>>) -> Result<String, Exhausted> {
        match &clause.test {
            Test::Member(pattern) => {
                let member = self.evaluation.member(node, &clause.name)?;
                if !self.place.is_empty() {
                    self.place.push('.');
                }
                self.place.push_str(&clause.name);
                self.pattern(pattern, member)
            }
            Test::Or(patterns) => Ok(format!("fits none of the {} of $or", patterns.len())),
            Test::And(patterns) => {
                for pattern in patterns {
                    if !self.evaluation.fits(pattern, node)? {
                        return self.pattern(pattern, node);
                    }
                }
                Ok("does not fit".to_owned())
            }
            Test::Not(pattern) => Ok(format!("fits what $not excludes: {}", brief(pattern))),
            Test::Folded(pattern) => self.pattern(pattern, node),
            Test::Refer(reference) => {
                Ok(differs(node, &format!("the same as {}", self.referred(reference)?)))
            }
            Test::Leaf(leaf) => {
                let ignoring = if leaf.folded { "$ignoreCase " } else { "" };
                let operand = match leaf.check.reference() {
                    Some(reference) => self.referred(reference)?,
                    None => value(&leaf.operand),
                };
                Ok(differs(node, &format!("{ignoring}{} {operand}", clause.name)))
            }
        }
    }

    /// A reference, and what it refers to.
    fn referred(&mut self, reference: &'a Reference) -> Result<String, Exhausted> {
        let other = self.evaluation.follow(reference)?;
        let other = other.map_or_else(|| "absent".to_owned(), node_words);
        Ok(format!("{}, which is {other}", reference.text))
    }
}

fn differs(node: Option<Node<'_>>, wanted: &str) -> String {
    match node {
        None => format!("is absent, wanted {wanted}"),
        Some(node) => format!("is {}, wanted {wanted}", node_words(node)),
    }
}

fn node_words(node: Node<'_>) -> String {
    if let Some(text) = node.text() {
        return quoted(text);
    }
    if let Some(items) = node.items() {
        return format!("a list of {}", items.count());
    }
    if node.is_object() {
        return "an object".to_owned();
    }
    match (node.flag(), node.number()) {
        (Some(flag), _) => flag.to_string(),
        (None, Some(number)) => number.to_string(),
        (None, None) => "null".to_owned(),
    }
}

/// What a part of the filter asks for, in a few words.
fn brief(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Value(wanted) => value(wanted),
        Pattern::Folded(wanted) => quoted(wanted),
        Pattern::List(members) => format!("a list with {} elements", members.len()),
        Pattern::Object(clauses) | Pattern::Operators(clauses) => {
            let words = |clause: &Clause| match &clause.test {
                Test::Leaf(leaf) => format!("{} {}", clause.name, value(&leaf.operand)),
                Test::Refer(reference) => format!("{} {}", clause.name, reference.text),
                Test::Member(inner) => format!("{}: {}", clause.name, brief(inner)),
                _ => clause.name.clone(),
            };
            // Each asks for little, but a filter may have many.
            let some: Vec<String> = clauses.iter().take(OPERATORS.len()).map(words).collect();
            shorten(&some.join(", "))
        }
    }
}

/// A value of the filter as JSON.
fn value(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => shorten(&other.to_string()),
    }
}

fn quoted(text: &str) -> String {
    let short = shorten(text);
    Value::String(short).to_string()
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
