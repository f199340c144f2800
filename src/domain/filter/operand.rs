//! What operators take: values, texts, patterns, networks, references.

use std::net::IpAddr;

use ipnet::IpNet;
use regex::RegexBuilder;
use serde_json::Value;

use super::error::Problem;
use super::operator::Operator;
use super::parse::{Kind, Parser};
use super::pattern::{Check, Expression, Operand, Wildcard, fold};
use super::reference::Reference;
use super::{FILTER_REGEXES_MAX, REGEX_BYTES_MAX, REGEX_COMPILED_MAX};

/// Sizes that a pattern is compiled within, and the steps that a byte of text costs up to there: a
/// search takes, at worst, time by the size for each byte.
const REGEX_COSTS: [(usize, usize); 4] =
    [(4 << 10, 1), (16 << 10, 2), (64 << 10, 8), (REGEX_COMPILED_MAX, 32)];
/// Bytes that searching with one pattern may keep for the next search.
const REGEX_CACHE: usize = 256 << 10;

const TEXTS: &str = "text or a list of texts";
const ORDERED: &str = "a number, text or {\"$ref\": …}";
const WITHIN: &str = "text or a list of texts, numbers, true, false and null";

impl Parser {
    /// The operators that look at the value itself.
    pub fn check(
        &mut self,
        operator: Operator,
        value: &Value,
        kind: Kind,
        folded: bool,
    ) -> Result<Check, Problem> {
        if let Some(reference) = self.refer(operator, value, folded)? {
            return Ok(match operator {
                Operator::Eq | Operator::Neq => Check::Equal(reference),
                Operator::In | Operator::Nin => Check::Within(reference),
                Operator::StartsWith | Operator::EndsWith => Check::Affix(reference),
                _ => Check::Order(reference),
            });
        }
        match operator {
            Operator::Exist => {
                Ok(Check::Exist(value.as_bool().ok_or(Problem::Operand("true or false"))?))
            }
            Operator::Eq | Operator::Neq => {
                self.literal(value, kind, folded)?;
                Ok(Check::Equal(literal(value, folded)))
            }
            Operator::In | Operator::Nin => self.within(value, kind, folded),
            Operator::StartsWith | Operator::EndsWith => {
                self.texts(value, |_, _| Ok(()))?;
                Ok(Check::Affix(literal(value, folded)))
            }
            Operator::Wildcard => {
                let wildcard = |_: &mut Parser, text: &str| {
                    Ok(Wildcard::new(&if folded { fold(text) } else { text.to_owned() }))
                };
                Ok(Check::Wildcard(self.texts(value, wildcard)?))
            }
            Operator::Regex => {
                let expression = |this: &mut Parser, text: &str| this.expression(text, folded);
                Ok(Check::Regex(self.texts(value, expression)?))
            }
            Operator::Cidr => Ok(Check::Cidr(self.texts(value, |_, text| network(text))?)),
            _ => match (value, kind) {
                (Value::Number(_), Kind::Json) | (Value::String(_), _) => {
                    Ok(Check::Order(Operand::Literal(value.clone())))
                }
                (Value::Number(_), _) => Err(Problem::Text),
                _ => Err(Problem::Operand(ORDERED)),
            },
        }
    }

    /// `{"$ref": …}` in the place of a value.
    fn refer(
        &mut self,
        operator: Operator,
        value: &Value,
        folded: bool,
    ) -> Result<Option<Operand>, Problem> {
        let Some(reference) = value.as_object().and_then(|object| object.get("$ref")) else {
            return Ok(None);
        };
        let takes_none = matches!(
            operator,
            Operator::Exist | Operator::Wildcard | Operator::Regex | Operator::Cidr
        );
        self.at_name("$ref", |_| {
            if takes_none || folded {
                return Err(Problem::Misplaced("this operator takes no reference"));
            }
            if value.as_object().is_some_and(|object| object.len() > 1) {
                return Err(Problem::Misplaced("a reference stands alone in its object"));
            }
            let text = reference.as_str().ok_or(Problem::Operand("text such as body.id"))?;
            Ok(Some(Operand::Refer(Reference::parse(text)?)))
        })
    }

    /// Refuses a value that what is compared can never be.
    pub fn literal(&mut self, value: &Value, kind: Kind, folded: bool) -> Result<(), Problem> {
        match (value, kind) {
            (Value::Bool(_), Kind::Flag) => Ok(()),
            (_, Kind::Flag) => Err(Problem::Operand("true or false")),
            (Value::String(text), Kind::Method)
                if text.bytes().any(|byte| byte.is_ascii_lowercase()) && !folded =>
            {
                Err(Problem::Method)
            }
            (Value::String(text), Kind::Ip) => {
                let usual = |ip: IpAddr| ip.to_canonical().to_string() == *text;
                let known = text.parse().is_ok_and(usual);
                if known || folded { Ok(()) } else { Err(Problem::Ip) }
            }
            (Value::String(_), _) => Ok(()),
            (Value::Array(items), Kind::Values | Kind::Channels) if !folded => {
                self.literals(items, Kind::Text)
            }
            (Value::Array(items), Kind::Json) if !folded => self.literals(items, kind),
            (Value::Object(members), Kind::Json) if !folded => {
                for (name, member) in members {
                    self.at_name(name, |this| {
                        if name.starts_with('$') {
                            return Err(Problem::Dollar);
                        }
                        this.literal(member, kind, folded)
                    })?;
                }
                Ok(())
            }
            (_, Kind::Json) if !folded => Ok(()),
            _ => Err(Problem::Text),
        }
    }

    fn literals(&mut self, items: &[Value], kind: Kind) -> Result<(), Problem> {
        for (index, item) in items.iter().enumerate() {
            self.at_index(index, |this| this.literal(item, kind, false))?;
        }
        Ok(())
    }

    fn within(&mut self, value: &Value, kind: Kind, folded: bool) -> Result<Check, Problem> {
        match value {
            Value::String(text) if text.is_empty() => return Err(Problem::EmptyText),
            Value::String(_) => {}
            Value::Array(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    self.at_index(index, |this| {
                        if item.is_array() || item.is_object() {
                            return Err(Problem::Operand(WITHIN));
                        }
                        this.literal(item, kind, folded)
                    })?;
                }
            }
            _ => return Err(Problem::Operand(WITHIN)),
        }
        Ok(Check::Within(literal(value, folded)))
    }

    /// A text, or a list of texts that is not empty; each is made into something.
    fn texts<T>(
        &mut self,
        value: &Value,
        make: impl Fn(&mut Parser, &str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let make = |this: &mut Parser, value: &Value| match value.as_str() {
            None => Err(Problem::Operand(TEXTS)),
            Some("") => Err(Problem::EmptyText),
            Some(text) => make(this, text),
        };
        match value {
            Value::Array(items) if !items.is_empty() => {
                let mut made = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    made.push(self.at_index(index, |this| make(this, item))?);
                }
                Ok(made)
            }
            _ => Ok(vec![make(self, value)?]),
        }
    }

    fn expression(&mut self, text: &str, folded: bool) -> Result<Expression, Problem> {
        self.regexes += 1;
        if self.regexes > FILTER_REGEXES_MAX {
            return Err(Problem::TooManyRegexes);
        }
        if text.len() > REGEX_BYTES_MAX {
            return Err(Problem::RegexLong);
        }
        for (size, cost) in REGEX_COSTS {
            let mut builder = RegexBuilder::new(text);
            builder.case_insensitive(folded).size_limit(size).dfa_size_limit(REGEX_CACHE);
            match builder.build() {
                Ok(regex) => return Ok(Expression { regex, cost }),
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(error) => return Err(Problem::Regex(last_line(&error.to_string()))),
            }
        }
        Err(Problem::RegexLarge)
    }
}

/// Its message shows the pattern over several lines and says in the last what is wrong.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn literal(value: &Value, folded: bool) -> Operand {
    Operand::Literal(match value {
        Value::String(text) if folded => Value::String(fold(text)),
        Value::Array(items) if folded => items
            .iter()
            .map(|item| item.as_str().map_or(Value::Null, |text| fold(text).into()))
            .collect(),
        _ => value.clone(),
    })
}

/// A network, or an address as a network of one.
fn network(text: &str) -> Result<IpNet, Problem> {
    let address = |_| text.parse::<IpAddr>().map(IpNet::from);
    let network: IpNet = text.parse().or_else(address).map_err(|_| Problem::Cidr)?;
    if matches!(network, IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some()) {
        return Err(Problem::Cidr);
    }
    if network.trunc() != network {
        return Err(Problem::CidrBits(network.trunc().to_string()));
    }
    Ok(network)
}
