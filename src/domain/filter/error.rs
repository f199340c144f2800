//! What makes a filter refused, and where.

use std::fmt;

use thiserror::Error;

use super::{
    FIELDS, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_LIST_MAX, FILTER_NODES_MAX,
    FILTER_REGEXES_MAX, OPERATORS, REGEX_BYTES_MAX,
};

/// A filter that can't be kept.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub struct FilterError {
    /// Where in the filter: `body.amount.$gt`, `$or[1].path`; empty for all of it.
    pub place: String,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for FilterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => write!(formatter, "{}", self.problem),
            place => write!(formatter, "{place}: {}", self.problem),
        }
    }
}

/// What is wrong with a filter, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Problem {
    /// Not JSON at all.
    #[error("is not JSON: {0}")]
    Json(String),
    /// More bytes than a filter may have.
    #[error("a filter has at most {FILTER_BYTES_MAX} bytes")]
    TooLong,
    /// More levels than a filter may have.
    #[error("a filter has at most {FILTER_DEPTH_MAX} levels")]
    TooDeep,
    /// More values than a filter may have.
    #[error("a filter has at most {FILTER_NODES_MAX} values")]
    TooLarge,
    /// More members than a list may have.
    #[error("a list has at most {FILTER_LIST_MAX} members")]
    TooManyMembers,
    /// More patterns of `$regex` than a filter may have.
    #[error("a filter has at most {FILTER_REGEXES_MAX} patterns of $regex")]
    TooManyRegexes,
    /// A name twice in one object.
    #[error("stands twice; to ask for both, put them into $and")]
    Twice,
    /// Not an object where the subject's parts are named.
    #[error("must be an object such as {{\"body\": {{\"type\": \"order\"}}}}")]
    Object,
    /// A part that there is not.
    #[error("is not known; a filter has {} and $or, $and, $not", FIELDS.join(", "))]
    UnknownField,
    /// An operator that there is not.
    #[error("is not known; operators are {}", OPERATORS.join(" "))]
    UnknownOperator,
    /// A date of TOML's own form.
    #[error("is a TOML date: put quotes around it")]
    Date,
    /// An operator where it can never match.
    #[error("can't stand here: {0}")]
    Misplaced(&'static str),
    /// An operator with something that it does not take.
    #[error("takes {0}")]
    Operand(&'static str),
    /// Something that is always text, compared with something else.
    #[error("is compared with text only: put quotes around it")]
    Text,
    /// Something that has no members, asked for one.
    #[error("has no members; ask for its value, or with an operator")]
    NoMembers,
    /// A list where there is always one value.
    #[error("is one value and never a list; for one of several write $in or $or")]
    OneValue,
    /// A method that no request has.
    #[error("methods are written in capitals, such as POST")]
    Method,
    /// An address in a form that none is shown in.
    #[error("is no IP address in its usual form, such as 192.0.2.1 or 2001:db8::1")]
    Ip,
    /// An operator in a value that is compared as it stands.
    #[error("a value to compare with has no operators in it, and no names that begin with $")]
    Dollar,
    /// `{}`.
    #[error("asks for nothing; for any value write {{\"$exist\": true}}")]
    EmptyObject,
    /// `[]`.
    #[error("is empty; for an empty list write {{\"$eq\": []}}")]
    EmptyList,
    /// `""` where every text would fit.
    #[error("is an empty text, which fits every text")]
    EmptyText,
    /// A reference that can't be read.
    #[error("is no reference: {0}")]
    Reference(&'static str),
    /// A pattern that is too long.
    #[error("a pattern has at most {REGEX_BYTES_MAX} bytes")]
    RegexLong,
    /// A pattern that needs too much memory.
    #[error("this pattern becomes too large; use smaller repetitions, or [0-9] and (?-u:\\w)")]
    RegexLarge,
    /// A pattern that can't be read.
    #[error("is no pattern: {0}")]
    Regex(String),
    /// A network that can't be read.
    #[error("is no network; write 192.0.2.0/24, 2001:db8::/32 or one address")]
    Cidr,
    /// A network with an address that is not its first.
    #[error("has bits beyond its prefix; write {0}")]
    CidrBits(String),
}
