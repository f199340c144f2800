//! A filter after parsing: what is asked of a value.

use ipnet::IpNet;
use serde_json::Value;

use super::operator::Operator;
use super::reference::Reference;

/// What is asked of one value.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// Null, true, false, a number or a text: the value is it, or has an element that is.
    Value(Value),
    /// The same for text in any case; kept as [`fold`] makes it.
    Folded(String),
    /// The value is a list, and for each of these there is an element that fits.
    List(Vec<Pattern>),
    /// Names and perhaps operators: the value is an object that meets all of them, or has an
    /// element that does.
    Object(Vec<Clause>),
    /// Operators alone: the value as it stands, if there is one, meets all of them.
    Operators(Vec<Clause>),
}

/// One name or operator of an object of the filter.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    /// The name, or the operator's.
    pub name: String,
    pub test: Test,
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    Member(Pattern),
    Or(Vec<Pattern>),
    And(Vec<Pattern>),
    Not(Box<Pattern>),
    /// `$ignoreCase`: the pattern was parsed so.
    Folded(Box<Pattern>),
    /// `$ref` in the place of a value.
    Refer(Reference),
    Leaf(Leaf),
}

/// An operator that looks at the value itself.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub operator: Operator,
    /// As written, for words.
    pub operand: Value,
    pub check: Check,
    /// Whether texts are compared in any case.
    pub folded: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Check {
    Exist(bool),
    /// `$eq` and `$neq`.
    Equal(Operand),
    /// `$gt`, `$gte`, `$lt` and `$lte`: a number or a text.
    Order(Operand),
    /// `$in` and `$nin`: a list of values, or a text.
    Within(Operand),
    /// `$startsWith` and `$endsWith`: a text, or a list of them.
    Affix(Operand),
    Wildcard(Vec<Wildcard>),
    Regex(Vec<Expression>),
    Cidr(Vec<IpNet>),
}

impl Check {
    /// What it compares with, if that stands in the event.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Check::Equal(operand)
            | Check::Order(operand)
            | Check::Within(operand)
            | Check::Affix(operand) => match operand {
                Operand::Refer(reference) => Some(reference),
                Operand::Literal(_) => None,
            },
            _ => None,
        }
    }
}

/// What an operator compares with.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Literal(Value),
    Refer(Reference),
}

/// A regular expression, and what it costs.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub regex: regex::Regex,
    /// Steps for a byte of text.
    pub cost: usize,
}

/// A text with `*` in it, split there.
#[derive(Clone, Debug)]
pub(super) struct Wildcard(Vec<String>);

impl Wildcard {
    pub fn new(text: &str) -> Wildcard {
        let parts: Vec<&str> = text.split('*').collect();
        let last = parts.len() - 1;
        let counts = |index: usize, part: &str| index == 0 || index == last || !part.is_empty();
        let kept = (0..).zip(parts).filter(|(index, part)| counts(*index, part));
        Wildcard(kept.map(|(_, part)| part.to_owned()).collect())
    }

    /// Takes each part where it first occurs, which is enough: time is linear in the text.
    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|only| only == text);
        };
        let Some(rest) = text.strip_prefix(first.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        for part in middle {
            // Getting ready to search for it costs as much as it is long.
            if part.len() > rest.len() {
                return false;
            }
            let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
            rest = after;
        }
        true
    }
}

/// A text as it is compared in any case: each letter made small.
pub(super) fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plainest definition, exponential in the stars.
    fn plain(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|from| plain(rest, &text[from..])),
            Some((letter, rest)) => text.first() == Some(letter) && plain(rest, &text[1..]),
        }
    }

    #[test]
    fn stars() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("**", "anything", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*b*b", "bb", true),
            ("*b*b", "b", false),
            ("a*c*e", "abcde", true),
            ("a*ce*e", "abcde", false),
            ("é*", "ecole", false),
            ("é*", "éa", true),
        ] {
            assert_eq!(Wildcard::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn as_the_plain_definition(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let letters: Vec<char> = pattern.chars().collect();
            let expected = plain(&letters, &text.chars().collect::<Vec<char>>());
            prop_assert_eq!(Wildcard::new(&pattern).matches(&text), expected);
        }
    }
}
