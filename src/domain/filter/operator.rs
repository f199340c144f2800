//! The operators by name.

/// Every operator, as it is written.
pub const OPERATORS: [&str; 19] = [
    "$eq",
    "$neq",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$startsWith",
    "$endsWith",
    "$exist",
    "$or",
    "$and",
    "$not",
    "$ref",
    "$regex",
    "$wildcard",
    "$ignoreCase",
    "$cidr",
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Eq,
    Neq,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    Nin,
    StartsWith,
    EndsWith,
    Exist,
    Or,
    And,
    Not,
    Ref,
    Regex,
    Wildcard,
    IgnoreCase,
    Cidr,
}

/// In the order of [`OPERATORS`].
const ALL: [Operator; OPERATORS.len()] = [
    Operator::Eq,
    Operator::Neq,
    Operator::Gt,
    Operator::Gte,
    Operator::Lt,
    Operator::Lte,
    Operator::In,
    Operator::Nin,
    Operator::StartsWith,
    Operator::EndsWith,
    Operator::Exist,
    Operator::Or,
    Operator::And,
    Operator::Not,
    Operator::Ref,
    Operator::Regex,
    Operator::Wildcard,
    Operator::IgnoreCase,
    Operator::Cidr,
];

impl Operator {
    pub fn find(name: &str) -> Option<Operator> {
        OPERATORS.iter().position(|known| *known == name).map(|index| ALL[index])
    }

    pub fn is_logic(self) -> bool {
        matches!(self, Operator::Or | Operator::And | Operator::Not)
    }

    pub fn is_order(self) -> bool {
        matches!(self, Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte)
    }

    /// Whether it says the opposite of another about a value that is there.
    pub fn is_negative(self) -> bool {
        matches!(self, Operator::Neq | Operator::Nin)
    }
}
