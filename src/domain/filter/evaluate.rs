//! Holds a pattern against an event, and counts the work.

use std::cell::OnceCell;
use std::cmp::Ordering;

use super::node::Node;
use super::pattern::{Clause, Pattern, Test};
use super::reference::Reference;
use super::{BYTES_PER_STEP, EVALUATION_DEPTH_MAX, EVALUATION_STEPS_MAX, Subject, compare};

/// It takes more steps or levels than a filter has for an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exhausted;

/// One evaluation.
pub(super) struct Evaluation<'a> {
    pub root: Node<'a>,
    /// Headers and parameters of the query.
    pairs: usize,
    /// The elements that are looked at, the outermost list's first.
    indexes: Vec<usize>,
    depth: usize,
    steps: u64,
}

type Probe<'a, 'b> = &'b dyn Fn(&mut Evaluation<'a>, Node<'a>) -> Result<bool, Exhausted>;

impl<'a> Evaluation<'a> {
    pub(super) fn new(subject: &'a Subject<'a>, ip: &'a OnceCell<String>) -> Evaluation<'a> {
        Evaluation {
            root: Node::Root(subject, ip),
            pairs: subject.headers.len() + subject.query.len(),
            indexes: Vec::new(),
            depth: 0,
            steps: 0,
        }
    }

    /// Whether the whole event fits.
    pub(super) fn run(&mut self, pattern: &'a Pattern) -> Result<bool, Exhausted> {
        self.fits(pattern, Some(self.root))
    }

    /// Steps taken so far.
    #[cfg(test)]
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether a value, or its absence, fits.
    pub(super) fn fits(
        &mut self,
        pattern: &'a Pattern,
        node: Option<Node<'a>>,
    ) -> Result<bool, Exhausted> {
        self.charge(1)?;
        match (pattern, node) {
            (Pattern::Operators(clauses), _) => self.meets(clauses, node),
            (_, None) => Ok(false),
            (Pattern::Value(wanted), Some(node)) => {
                self.any(node, &|this, node| this.equal(node, Node::Json(wanted)))
            }
            (Pattern::Folded(wanted), Some(node)) => {
                self.any(node, &|this, node| this.folded(node, wanted))
            }
            (Pattern::List(members), Some(node)) => {
                for member in members {
                    if !self.has(node, member)? {
                        return Ok(false);
                    }
                }
                Ok(node.items().is_some())
            }
            (Pattern::Object(clauses), Some(node)) => self
                .any(node, &|this, node| Ok(node.is_object() && this.meets(clauses, Some(node))?)),
        }
    }

    /// Whether a list has an element that fits.
    pub(super) fn has(&mut self, node: Node<'a>, member: &'a Pattern) -> Result<bool, Exhausted> {
        let Some(items) = node.items() else { return Ok(false) };
        self.charge(node.pairs())?;
        for (index, item) in items.enumerate() {
            self.indexes.push(index);
            let fits = self.fits(member, Some(item))?;
            self.indexes.pop();
            if fits {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether all clauses are met.
    fn meets(&mut self, clauses: &'a [Clause], node: Option<Node<'a>>) -> Result<bool, Exhausted> {
        for clause in clauses {
            if !self.clause(clause, node)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether one clause is met.
    pub(super) fn clause(
        &mut self,
        clause: &'a Clause,
        node: Option<Node<'a>>,
    ) -> Result<bool, Exhausted> {
        match &clause.test {
            Test::Member(pattern) => {
                let member = self.member(node, &clause.name)?;
                self.fits(pattern, member)
            }
            Test::Or(patterns) => {
                for pattern in patterns {
                    if self.fits(pattern, node)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::And(patterns) => {
                for pattern in patterns {
                    if !self.fits(pattern, node)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::Not(pattern) => Ok(!self.fits(pattern, node)?),
            Test::Folded(pattern) => self.fits(pattern, node),
            Test::Refer(reference) => {
                let other = self.follow(reference)?;
                let (Some(node), Some(other)) = (node, other) else { return Ok(false) };
                let equal = self.equal(node, other)?;
                Ok(equal || self.any(node, &|this, node| this.equal(node, other))?)
            }
            Test::Leaf(leaf) => self.leaf(leaf, node),
        }
    }

    /// A member, if there is an object that has it.
    pub(super) fn member(
        &mut self,
        node: Option<Node<'a>>,
        name: &'a str,
    ) -> Result<Option<Node<'a>>, Exhausted> {
        self.charge(1 + name.len() / BYTES_PER_STEP + node.map_or(0, Node::pairs))?;
        Ok(node.and_then(|node| node.get(name)))
    }

    /// What a reference refers to.
    pub(super) fn follow(
        &mut self,
        reference: &'a Reference,
    ) -> Result<Option<Node<'a>>, Exhausted> {
        self.charge(reference.cost(self.pairs))?;
        Ok(reference.resolve(self.root, &self.indexes))
    }

    /// Whether the probe says yes to the value, or, if it is a list, to an element at any level.
    fn any(&mut self, node: Node<'a>, probe: Probe<'a, '_>) -> Result<bool, Exhausted> {
        let Some(items) = node.items() else { return probe(self, node) };
        self.deeper()?;
        self.charge(node.pairs())?;
        for (index, item) in items.enumerate() {
            self.charge(1)?;
            self.indexes.push(index);
            let fits = self.any(item, probe)?;
            self.indexes.pop();
            if fits {
                self.depth -= 1;
                return Ok(true);
            }
        }
        self.depth -= 1;
        Ok(false)
    }

    /// Whether a value is this text in any case; the text is folded already.
    pub(super) fn folded(&mut self, node: Node<'a>, wanted: &str) -> Result<bool, Exhausted> {
        let Some(text) = node.text() else { return Ok(false) };
        self.charge(1 + text.len().min(wanted.len()) / BYTES_PER_STEP * 4)?;
        Ok(text.chars().flat_map(char::to_lowercase).eq(wanted.chars()))
    }

    /// Whether two values are the same all the way down.
    pub(super) fn equal(&mut self, one: Node<'a>, other: Node<'a>) -> Result<bool, Exhausted> {
        self.charge(1)?;
        if let (Some(one), Some(other)) = (one.text(), other.text()) {
            self.charge(one.len().min(other.len()) / BYTES_PER_STEP)?;
            return Ok(one == other);
        }
        if let (Some(one), Some(other)) = (one.number(), other.number()) {
            return Ok(compare::numbers(one, other) == Some(Ordering::Equal));
        }
        self.deeper()?;
        self.charge(one.pairs() + other.pairs())?;
        let equal = if let (Some(one), Some(other)) = (one.items(), other.items()) {
            self.equal_lists(one, other)?
        } else if let (Some(names), Some(others)) = (one.names(), other.names()) {
            self.equal_objects((one, &names), (other, &others))?
        } else {
            let flags = one.flag().is_some() && one.flag() == other.flag();
            flags || (one.is_null() && other.is_null())
        };
        self.depth -= 1;
        Ok(equal)
    }

    fn equal_lists(
        &mut self,
        mut one: impl Iterator<Item = Node<'a>>,
        mut other: impl Iterator<Item = Node<'a>>,
    ) -> Result<bool, Exhausted> {
        loop {
            match (one.next(), other.next()) {
                (None, None) => return Ok(true),
                (Some(one), Some(other)) if self.equal(one, other)? => {}
                _ => return Ok(false),
            }
        }
    }

    fn equal_objects(
        &mut self,
        one: (Node<'a>, &[&'a str]),
        other: (Node<'a>, &[&'a str]),
    ) -> Result<bool, Exhausted> {
        for name in one.1 {
            let mine = self.member(Some(one.0), name)?;
            let theirs = self.member(Some(other.0), name)?;
            let (Some(mine), Some(theirs)) = (mine, theirs) else { return Ok(false) };
            if !self.equal(mine, theirs)? {
                return Ok(false);
            }
        }
        for name in other.1 {
            self.charge(1)?;
            if self.member(Some(one.0), name)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn deeper(&mut self) -> Result<(), Exhausted> {
        self.depth += 1;
        if self.depth > EVALUATION_DEPTH_MAX { Err(Exhausted) } else { Ok(()) }
    }

    /// Making a text small costs more than comparing it.
    pub(super) fn charge_fold(&mut self, text: &str) -> Result<(), Exhausted> {
        self.charge(text.len() / BYTES_PER_STEP * 4)
    }

    pub(super) fn charge(&mut self, steps: usize) -> Result<(), Exhausted> {
        self.steps = self.steps.saturating_add(u64::try_from(steps).unwrap_or(u64::MAX));
        if self.steps > EVALUATION_STEPS_MAX { Err(Exhausted) } else { Ok(()) }
    }
}
