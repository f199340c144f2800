//! From a tree to a pattern; what can never match is refused here, with its place.

use serde_json::{Map, Value};

use super::error::{FilterError, Problem};
use super::operator::Operator;
use super::pattern::{Clause, Leaf, Pattern, Test, fold};
use super::reference::Reference;
use super::{FIELDS, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_LIST_MAX, FILTER_NODES_MAX};

/// What is known of a value before any event comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The event itself.
    Root,
    /// Anything.
    Json,
    /// An object of texts whose names are compared in any case, or as they stand.
    Names {
        any_case: bool,
    },
    /// A text or a list of texts.
    Values,
    /// Always a list of texts.
    Channels,
    /// Always a text.
    Text,
    Method,
    Ip,
    Flag,
}

impl Kind {
    fn of_field(name: &str) -> Option<Kind> {
        FIELDS.contains(&name).then_some(match name {
            "headers" => Kind::Names { any_case: true },
            "query" => Kind::Names { any_case: false },
            "body" => Kind::Json,
            "method" => Kind::Method,
            "verified" => Kind::Flag,
            "channels" => Kind::Channels,
            "ip" => Kind::Ip,
            _ => Kind::Text,
        })
    }
}

/// Reads a whole filter.
pub(super) fn parse(tree: &Value) -> Result<Pattern, FilterError> {
    let mut parser = Parser::default();
    let pattern = parser.measure(tree, 1).and_then(|()| parser.pattern(tree, Kind::Root, false));
    pattern.map_err(|problem| FilterError { place: parser.place, problem })
}

#[derive(Default)]
pub(super) struct Parser {
    /// Where it is; where it stopped, after a problem.
    place: String,
    nodes: usize,
    bytes: usize,
    pub regexes: usize,
}

impl Parser {
    /// Refuses what is too large, before anything else looks at it.
    fn measure(&mut self, value: &Value, depth: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if depth > FILTER_DEPTH_MAX {
            return Err(Problem::TooDeep);
        }
        if self.nodes > FILTER_NODES_MAX {
            self.place.clear();
            return Err(Problem::TooLarge);
        }
        self.count(value.as_str().unwrap_or_default())?;
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            if index >= FILTER_LIST_MAX {
                return Err(Problem::TooManyMembers);
            }
            self.at_index(index, |this| this.measure(item, depth + 1))?;
        }
        for (name, member) in value.as_object().into_iter().flatten() {
            self.count(name)?;
            self.at_name(name, |this| this.measure(member, depth + 1))?;
        }
        Ok(())
    }

    fn count(&mut self, text: &str) -> Result<(), Problem> {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > FILTER_BYTES_MAX {
            self.place.clear();
            return Err(Problem::TooLong);
        }
        Ok(())
    }

    fn pattern(&mut self, value: &Value, kind: Kind, folded: bool) -> Result<Pattern, Problem> {
        match value {
            Value::Object(members) => self.object(members, kind, folded),
            _ if kind == Kind::Root => Err(Problem::Object),
            _ if matches!(kind, Kind::Names { .. }) => Err(Problem::Object),
            Value::Array(members) => self.list(members, kind, folded),
            Value::String(text) if folded => Ok(Pattern::Folded(fold(text))),
            _ => {
                self.literal(value, kind, folded)?;
                Ok(Pattern::Value(value.clone()))
            }
        }
    }

    fn list(&mut self, members: &[Value], kind: Kind, folded: bool) -> Result<Pattern, Problem> {
        let kind = match kind {
            Kind::Values | Kind::Channels => Kind::Text,
            Kind::Json => Kind::Json,
            _ => return Err(Problem::OneValue),
        };
        if members.is_empty() {
            return Err(Problem::EmptyList);
        }
        Ok(Pattern::List(self.each(members, kind, folded)?))
    }

    fn each(
        &mut self,
        members: &[Value],
        kind: Kind,
        folded: bool,
    ) -> Result<Vec<Pattern>, Problem> {
        let mut patterns = Vec::with_capacity(members.len());
        for (index, member) in members.iter().enumerate() {
            patterns.push(self.at_index(index, |this| this.pattern(member, kind, folded))?);
        }
        Ok(patterns)
    }

    fn object(
        &mut self,
        members: &Map<String, Value>,
        kind: Kind,
        folded: bool,
    ) -> Result<Pattern, Problem> {
        if members.is_empty() && kind != Kind::Root {
            return Err(Problem::EmptyObject);
        }
        let mut clauses = Vec::with_capacity(members.len());
        for (name, value) in members {
            clauses.push(self.at_name(name, |this| this.clause(name, value, kind, folded))?);
        }
        let plain = clauses.iter().any(|clause| matches!(clause.test, Test::Member(_)));
        Ok(if plain { Pattern::Object(clauses) } else { Pattern::Operators(clauses) })
    }

    fn clause(
        &mut self,
        name: &str,
        value: &Value,
        kind: Kind,
        folded: bool,
    ) -> Result<Clause, Problem> {
        if name.starts_with('$') {
            let test = self.operator(name, value, kind, folded)?;
            return Ok(Clause { name: name.to_owned(), test });
        }
        let (name, member) = match kind {
            Kind::Root => (name.to_owned(), Kind::of_field(name).ok_or(Problem::UnknownField)?),
            Kind::Names { any_case: true } => (name.to_ascii_lowercase(), Kind::Values),
            Kind::Names { any_case: false } => (name.to_owned(), Kind::Values),
            Kind::Json if !folded => (name.to_owned(), Kind::Json),
            Kind::Json => return Err(Problem::Misplaced(FOLDED)),
            _ => return Err(Problem::NoMembers),
        };
        Ok(Clause { name, test: Test::Member(self.pattern(value, member, folded)?) })
    }

    fn operator(
        &mut self,
        name: &str,
        value: &Value,
        kind: Kind,
        folded: bool,
    ) -> Result<Test, Problem> {
        let Some(operator) = Operator::find(name) else {
            let date = name == TOML_DATE;
            return Err(if date { Problem::Date } else { Problem::UnknownOperator });
        };
        allowed(operator, kind, folded)?;
        Ok(match operator {
            Operator::Or => Test::Or(self.alternatives(value, kind, folded)?),
            Operator::And => Test::And(self.alternatives(value, kind, folded)?),
            Operator::Not => Test::Not(Box::new(self.pattern(value, kind, folded)?)),
            Operator::IgnoreCase => Test::Folded(Box::new(self.pattern(value, kind, true)?)),
            Operator::Ref => {
                let text = value.as_str().ok_or(Problem::Operand("text such as body.id"))?;
                Test::Refer(Reference::parse(text)?)
            }
            _ => {
                let check = self.check(operator, value, kind, folded)?;
                Test::Leaf(Leaf { operator, operand: value.clone(), check, folded })
            }
        })
    }

    fn alternatives(
        &mut self,
        value: &Value,
        kind: Kind,
        folded: bool,
    ) -> Result<Vec<Pattern>, Problem> {
        match value {
            Value::Array(members) if !members.is_empty() => self.each(members, kind, folded),
            _ => Err(Problem::Operand("a list of one condition or more")),
        }
    }

    /// Runs it with `.name` behind the place, which stays there after a problem.
    pub fn at_name<T>(
        &mut self,
        name: &str,
        run: impl FnOnce(&mut Parser) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let before = self.place.len();
        if before > 0 {
            self.place.push('.');
        }
        self.place.push_str(name);
        let done = run(self)?;
        self.place.truncate(before);
        Ok(done)
    }

    /// The same with `[index]`.
    pub fn at_index<T>(
        &mut self,
        index: usize,
        run: impl FnOnce(&mut Parser) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let before = self.place.len();
        self.place.push_str(&format!("[{index}]"));
        let done = run(self)?;
        self.place.truncate(before);
        Ok(done)
    }
}

/// The name under which the toml crate hands over a date.
const TOML_DATE: &str = "$__toml_private_datetime";

const ROOT: &str =
    "only $or, $and and $not; others at a value, as in {\"body\": {\"amount\": {\"$gt\": 10}}}";
const NAMES: &str = "only $or, $and and $not; others at a name, as in {\"x-id\": {\"$in\": \"a\"}}";
const FLAG: &str = "it is true or false, so only $eq, $neq, $ref, $or, $and and $not";
const CHANNELS: &str = "channels are a list; ask for one of it, as in [{\"$startsWith\": \"eu\"}]";
const IP_ORDER: &str = "addresses have no order; use $cidr";
const FOLDED: &str = "in $ignoreCase are texts and operators of text";

/// Refuses an operator where it could not match or says nothing.
fn allowed(operator: Operator, kind: Kind, folded: bool) -> Result<(), Problem> {
    if operator.is_logic() {
        return Ok(());
    }
    let equality = matches!(operator, Operator::Eq | Operator::Neq);
    let refused = match kind {
        Kind::Root => Some(ROOT),
        Kind::Names { .. } => Some(NAMES),
        Kind::Flag if !equality && operator != Operator::Ref => Some(FLAG),
        Kind::Channels
            if !equality && !matches!(operator, Operator::Ref | Operator::IgnoreCase) =>
        {
            Some(CHANNELS)
        }
        Kind::Ip if operator.is_order() => Some(IP_ORDER),
        _ => None,
    };
    let no_text =
        operator.is_order() || matches!(operator, Operator::Exist | Operator::Ref | Operator::Cidr);
    match refused.or((folded && no_text).then_some(FOLDED)) {
        Some(words) => Err(Problem::Misplaced(words)),
        None => Ok(()),
    }
}
