//! Each operator held against a value.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::evaluate::{Evaluation, Exhausted};
use super::node::Node;
use super::operator::Operator;
use super::pattern::{Check, Leaf, Operand, fold};
use super::{BYTES_PER_STEP, compare};

impl<'a> Evaluation<'a> {
    /// Whether an operator fits a value, or its absence.
    pub(super) fn leaf(
        &mut self,
        leaf: &'a Leaf,
        node: Option<Node<'a>>,
    ) -> Result<bool, Exhausted> {
        self.charge(1)?;
        match (&leaf.check, node) {
            (Check::Exist(wanted), _) => Ok(node.is_some() == *wanted),
            (_, None) => Ok(false),
            (Check::Equal(operand), Some(node)) => {
                let Some(other) = self.operand(operand)? else { return Ok(false) };
                let equal = match other.text() {
                    Some(text) if leaf.folded => self.folded(node, text)?,
                    _ => self.equal(node, other)?,
                };
                Ok(equal != leaf.operator.is_negative())
            }
            (Check::Order(operand), Some(node)) => {
                let Some(other) = self.operand(operand)? else { return Ok(false) };
                Ok(self.order(node, other)?.is_some_and(|order| in_order(leaf.operator, order)))
            }
            (Check::Within(operand), Some(node)) => {
                let Some(other) = self.operand(operand)? else { return Ok(false) };
                let within = self.within(node, other, leaf.folded)?;
                Ok(within.is_some_and(|within| within != leaf.operator.is_negative()))
            }
            (_, Some(node)) => self.text_leaf(leaf, node),
        }
    }

    /// The operators that fit text alone.
    fn text_leaf(&mut self, leaf: &'a Leaf, node: Node<'a>) -> Result<bool, Exhausted> {
        let Some(text) = node.text() else { return Ok(false) };
        let made_small;
        let text = if leaf.folded && !matches!(leaf.check, Check::Regex(_)) {
            self.charge_fold(text)?;
            made_small = fold(text);
            &made_small
        } else {
            text
        };
        match &leaf.check {
            Check::Affix(operand) => {
                let Some(other) = self.operand(operand)? else { return Ok(false) };
                self.affix(leaf.operator, text, other)
            }
            Check::Wildcard(wildcards) => {
                for wildcard in wildcards {
                    self.charge(1 + text.len() / BYTES_PER_STEP)?;
                    if wildcard.matches(text) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Check::Regex(expressions) => {
                for expression in expressions {
                    self.charge(text.len().saturating_mul(expression.cost))?;
                    self.charge(BYTES_PER_STEP)?;
                    if expression.regex.is_match(text) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Check::Cidr(networks) => {
                self.charge(networks.len())?;
                let Ok(ip) = text.parse::<IpAddr>() else { return Ok(false) };
                let ip = ip.to_canonical();
                Ok(networks.iter().any(|network| network.contains(&ip)))
            }
            _ => Ok(false),
        }
    }

    fn operand(&mut self, operand: &'a Operand) -> Result<Option<Node<'a>>, Exhausted> {
        match operand {
            Operand::Literal(value) => Ok(Some(Node::Json(value))),
            Operand::Refer(reference) => self.follow(reference),
        }
    }

    fn affix(
        &mut self,
        operator: Operator,
        text: &str,
        operand: Node<'a>,
    ) -> Result<bool, Exhausted> {
        let fits = |affix: &str| match operator {
            Operator::StartsWith => text.starts_with(affix),
            _ => text.ends_with(affix),
        };
        if let Some(affix) = operand.text() {
            self.charge(affix.len() / BYTES_PER_STEP)?;
            return Ok(fits(affix));
        }
        for affix in operand.items().into_iter().flatten().map(Node::text) {
            self.charge(1 + affix.map_or(0, str::len) / BYTES_PER_STEP)?;
            if affix.is_some_and(fits) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a value is in a list, or a text in a text; nothing when it is neither question.
    fn within(
        &mut self,
        node: Node<'a>,
        operand: Node<'a>,
        folded: bool,
    ) -> Result<Option<bool>, Exhausted> {
        if let Some(part) = operand.text() {
            let Some(text) = node.text() else { return Ok(None) };
            self.charge((text.len() + part.len()) / BYTES_PER_STEP)?;
            if folded {
                self.charge_fold(text)?;
                return Ok(Some(fold(text).contains(part)));
            }
            return Ok(Some(text.contains(part)));
        }
        let Some(items) = operand.items() else { return Ok(None) };
        if node.is_object() || node.items().is_some() {
            return Ok(None);
        }
        for item in items {
            let equal = match item.text() {
                Some(text) if folded => self.folded(node, text)?,
                _ => self.equal(node, item)?,
            };
            if equal {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }

    fn order(&mut self, one: Node<'a>, other: Node<'a>) -> Result<Option<Ordering>, Exhausted> {
        if let (Some(one), Some(other)) = (one.number(), other.number()) {
            return Ok(compare::numbers(one, other));
        }
        let (Some(one), Some(other)) = (one.text(), other.text()) else { return Ok(None) };
        self.charge(one.len().min(other.len()) / BYTES_PER_STEP)?;
        Ok(Some(one.cmp(other)))
    }
}

fn in_order(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Gt => order.is_gt(),
        Operator::Gte => order.is_ge(),
        Operator::Lt => order.is_lt(),
        _ => order.is_le(),
    }
}
