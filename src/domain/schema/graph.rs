//! How much work a JSON schema makes: which of its parts look at which part of a value.
//!
//! A validator has no limit of its own. A schema of a few lines can ask for more steps than there
//! is time, or for more depth than a thread's stack has, so both are counted first: [`Graph::cost`]
//! walks the value with the number of times that each part of the schema looks at it.

use std::collections::{BTreeMap, HashMap};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::Fault;

/// Parts of a schema at most.
pub const PARTS_MAX: usize = 10_000;
/// Steps of one check at most; a million took a quarter of a second on two busy cores.
pub const STEPS_MAX: u64 = 1_000_000;
/// Parts of a schema inside each other, along the value, at most: what a thread's stack holds.
pub const DEPTH_MAX: u32 = 1_000;
/// Steps that a pattern counts that may go back and try again, for each string it looks at.
const BACKTRACKING_STEPS: u64 = 100;
/// What only patterns have that may go back.
const BACKTRACKING: [&str; 13] =
    ["(?=", "(?!", "(?<=", "(?<!", "\\1", "\\2", "\\3", "\\4", "\\5", "\\6", "\\7", "\\8", "\\9"];

/// Where a part of a schema looks from where it stands.
#[derive(Clone, PartialEq, Debug)]
enum Look {
    Here,
    Member(String),
    Members,
    Names,
    Item(usize),
    Items,
}

struct Part {
    pointer: String,
    looks: Vec<(Look, usize)>,
    /// Steps of its own.
    weight: u64,
    /// Asks its parts once more for every member or item.
    unevaluated: bool,
}

/// The parts of one schema.
pub struct Graph {
    parts: Vec<Part>,
    /// The rank of each part: who looks at the same value by way of another comes after it.
    ranks: Vec<usize>,
    by_rank: Vec<usize>,
}

/// Why a value can't be checked against a schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMuch;

/// How often each part, by rank, looks at one value, and how deep inside the others.
type Looks = BTreeMap<usize, (u64, u32)>;

impl Graph {
    /// Reads a schema; refuses references that lead out of it or round in a circle.
    pub fn read(schema: &Value) -> Result<Graph, Fault> {
        let mut reader = Reader::new(schema);
        reader.part("")?;
        while let Some(index) = reader.open.pop() {
            reader.look_into(index)?;
            if reader.open.is_empty() {
                reader.resolve()?;
            }
        }
        let Reader { parts, .. } = reader;
        let (ranks, by_rank) = rank(&parts)?;
        Ok(Graph { parts, ranks, by_rank })
    }

    /// The steps that checking `value` takes at most.
    pub fn cost(&self, value: &Value) -> Result<u64, TooMuch> {
        let mut count = Count { graph: self, steps: 0 };
        let first = Looks::from([(self.ranks[0], (1, 1))]);
        count.visit(value, first)?;
        Ok(count.steps)
    }
}

struct Count<'graph> {
    graph: &'graph Graph,
    steps: u64,
}

impl Count<'_> {
    fn visit(&mut self, value: &Value, mut looks: Looks) -> Result<(), TooMuch> {
        let mut inside = Inside::default();
        while let Some((rank, (times, depth))) = looks.pop_first() {
            let part = &self.graph.parts[self.graph.by_rank[rank]];
            if depth > DEPTH_MAX {
                return Err(TooMuch);
            }
            let length = length(value) as u64;
            let weight = match value {
                Value::String(_) => part.weight.saturating_mul(1 + length / 256),
                _ => part.weight + length / 8,
            };
            self.step(times.saturating_mul(weight))?;
            for (look, target) in &part.looks {
                let rank = self.graph.ranks[*target];
                let again = if part.unevaluated && *look == Look::Here { 1 + length } else { 1 };
                let (times, depth) = (times.saturating_mul(again), depth + 1);
                let to = |looks: &mut Looks| {
                    let entry = looks.entry(rank).or_default();
                    *entry = (entry.0.saturating_add(times), entry.1.max(depth));
                };
                match (look, value) {
                    (Look::Here, _) => to(&mut looks),
                    (Look::Member(name), Value::Object(members)) => {
                        if let Some((name, _)) = members.get_key_value(name) {
                            to(inside.members.entry(name.clone()).or_default());
                        }
                    }
                    (Look::Members, Value::Object(_)) => to(&mut inside.all),
                    (Look::Names, Value::Object(_)) => to(&mut inside.names),
                    (Look::Item(index), Value::Array(items)) if *index < items.len() => {
                        to(inside.items.entry(*index).or_default());
                    }
                    (Look::Items, Value::Array(_)) => to(&mut inside.all),
                    _ => {}
                }
            }
        }
        self.descend(value, inside)
    }

    fn descend(&mut self, value: &Value, mut inside: Inside) -> Result<(), TooMuch> {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let own = inside.members.remove(name).unwrap_or_default();
                    self.enter(member, own, &inside.all)?;
                    if !inside.names.is_empty() {
                        self.visit(&Value::String(name.clone()), inside.names.clone())?;
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let own = inside.items.remove(&index).unwrap_or_default();
                    self.enter(item, own, &inside.all)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn enter(&mut self, value: &Value, mut looks: Looks, all: &Looks) -> Result<(), TooMuch> {
        self.step(all.len() as u64)?;
        for (rank, (times, depth)) in all {
            let entry = looks.entry(*rank).or_default();
            *entry = (entry.0.saturating_add(*times), entry.1.max(*depth));
        }
        if looks.is_empty() { Ok(()) } else { self.visit(value, looks) }
    }

    fn step(&mut self, steps: u64) -> Result<(), TooMuch> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > STEPS_MAX { Err(TooMuch) } else { Ok(()) }
    }
}

/// What looks at the inside of a value: at one member or item, or at all.
#[derive(Default)]
struct Inside {
    members: HashMap<String, Looks>,
    items: HashMap<usize, Looks>,
    all: Looks,
    names: Looks,
}

fn length(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::String(text) => text.len(),
        _ => 0,
    }
}

/// Reads the parts, one after the other, and then what they refer to.
struct Reader<'schema> {
    schema: &'schema Value,
    /// What the schema calls itself, without a fragment.
    base: &'schema str,
    parts: Vec<Part>,
    known: HashMap<String, usize>,
    anchors: HashMap<&'schema str, Vec<usize>>,
    references: Vec<(usize, &'schema str)>,
    open: Vec<usize>,
}

impl<'schema> Reader<'schema> {
    fn new(schema: &'schema Value) -> Reader<'schema> {
        let base = ["$id", "id"].iter().find_map(|name| schema[*name].as_str()).unwrap_or_default();
        Reader {
            schema,
            base: base.split('#').next().unwrap_or_default(),
            parts: Vec::new(),
            known: HashMap::new(),
            anchors: HashMap::new(),
            references: Vec::new(),
            open: Vec::new(),
        }
    }

    fn part(&mut self, pointer: &str) -> Result<usize, Fault> {
        if let Some(index) = self.known.get(pointer) {
            return Ok(*index);
        }
        if self.parts.len() == PARTS_MAX {
            let words = format!("has more than {PARTS_MAX} parts; make it smaller");
            return Err(Fault { path: Vec::new(), words });
        }
        let index = self.parts.len();
        let (looks, weight) = (Vec::new(), 1);
        let pointer = pointer.to_owned();
        self.known.insert(pointer.clone(), index);
        self.parts.push(Part { pointer, looks, weight, unevaluated: false });
        self.open.push(index);
        Ok(index)
    }

    fn look_into(&mut self, index: usize) -> Result<(), Fault> {
        let pointer = self.parts[index].pointer.clone();
        let Some(Value::Object(keywords)) = self.schema.pointer(&pointer) else { return Ok(()) };
        self.names(index, &pointer, keywords)?;
        for (keyword, value) in keywords {
            let held = if value.is_string() { 0 } else { length(value) as u64 };
            self.parts[index].weight += held / 8;
            if keyword == "pattern" && value.as_str().is_some_and(goes_back)
                || keyword == "patternProperties"
                    && value.as_object().is_some_and(|held| held.keys().any(|name| goes_back(name)))
            {
                self.parts[index].weight += BACKTRACKING_STEPS;
            }
            self.parts[index].unevaluated |= keyword.starts_with("unevaluated");
            for (look, below) in looks(keyword, value) {
                let target = self.part(&format!("{pointer}/{}{below}", escape(keyword)))?;
                if let Some(look) = look {
                    self.parts[index].looks.push((look, target));
                }
            }
        }
        Ok(())
    }

    /// What the part is called and what it refers to.
    fn names(
        &mut self,
        index: usize,
        pointer: &str,
        keywords: &'schema Map<String, Value>,
    ) -> Result<(), Fault> {
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(reference) = keywords.get(keyword).and_then(Value::as_str) {
                self.references.push((index, reference));
            }
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = keywords.get(keyword).and_then(Value::as_str) {
                self.anchors.entry(anchor).or_default().push(index);
            }
        }
        for keyword in ["$id", "id"] {
            match keywords.get(keyword).and_then(Value::as_str) {
                Some(id) if id.starts_with('#') => {
                    self.anchors.entry(&id[1..]).or_default().push(index);
                }
                Some(_) if !pointer.is_empty() => {
                    let words = format!("{keyword} may stand in the whole schema only");
                    return Err(Fault { path: path(pointer), words });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn resolve(&mut self) -> Result<(), Fault> {
        for (index, reference) in std::mem::take(&mut self.references) {
            let out = |words: String| Fault { path: path(&self.parts[index].pointer), words };
            let local = reference.strip_prefix(self.base).unwrap_or(reference);
            let fragment = match local.strip_prefix('#') {
                Some(fragment) => fragment,
                None if local.is_empty() => "",
                None => {
                    return Err(out(format!(
                        "refers to {reference:?}, which lies elsewhere and is never fetched: put \
                         it under \"$defs\" and refer to \"#/$defs/…\""
                    )));
                }
            };
            let decoded = percent_decode_str(fragment).decode_utf8_lossy();
            let targets = if decoded.is_empty() || decoded.starts_with('/') {
                if self.schema.pointer(&decoded).is_none() {
                    return Err(out(format!("refers to {reference:?}, which is not there")));
                }
                vec![self.part(&decoded)?]
            } else {
                let found = self.anchors.get(decoded.as_ref()).cloned();
                found.ok_or_else(|| out(format!("refers to {reference:?}, which is not there")))?
            };
            let looks = targets.into_iter().map(|target| (Look::Here, target));
            self.parts[index].looks.extend(looks);
        }
        Ok(())
    }
}

/// The schemas that a keyword holds: where each looks (nowhere by itself: `None`), and its pointer
/// below the keyword.
fn looks(keyword: &str, value: &Value) -> Vec<(Option<Look>, String)> {
    let one = |look: Look| match value {
        Value::Object(_) | Value::Bool(_) => vec![(Some(look), String::new())],
        _ => Vec::new(),
    };
    let listed = |look: fn(usize) -> Look| {
        let items = value.as_array().into_iter().flatten().enumerate();
        items.map(|(index, _)| (Some(look(index)), format!("/{index}"))).collect::<Vec<_>>()
    };
    let named = |look: fn(&str) -> Option<Look>| {
        let members = value.as_object().into_iter().flatten();
        let schemas = members.filter(|(_, held)| !held.is_array());
        schemas.map(|(name, _)| (look(name), format!("/{}", escape(name)))).collect::<Vec<_>>()
    };
    match keyword {
        "allOf" | "anyOf" | "oneOf" => listed(|_| Look::Here),
        "not" | "if" | "then" | "else" => one(Look::Here),
        "dependentSchemas" | "dependencies" => named(|_| Some(Look::Here)),
        "properties" => named(|name| Some(Look::Member(name.to_owned()))),
        "patternProperties" => named(|_| Some(Look::Members)),
        "additionalProperties" | "unevaluatedProperties" => one(Look::Members),
        "propertyNames" => one(Look::Names),
        "prefixItems" => listed(Look::Item),
        "items" if value.is_array() => listed(Look::Item),
        "items" | "additionalItems" | "unevaluatedItems" | "contains" => one(Look::Items),
        "$defs" | "definitions" => named(|_| None),
        _ => Vec::new(),
    }
}

/// An order in which every part comes before those that look at the same value by way of it.
fn rank(parts: &[Part]) -> Result<(Vec<usize>, Vec<usize>), Fault> {
    let here = |part: &Part| -> Vec<usize> {
        let looks = part.looks.iter().filter(|(look, _)| *look == Look::Here);
        looks.map(|(_, target)| *target).collect()
    };
    let mut waiting = vec![0_usize; parts.len()];
    parts.iter().flat_map(here).for_each(|target| waiting[target] += 1);
    let mut ready: Vec<usize> = (0..parts.len()).filter(|index| waiting[*index] == 0).collect();
    let (mut ranks, mut by_rank) = (vec![0; parts.len()], Vec::with_capacity(parts.len()));
    while let Some(index) = ready.pop() {
        ranks[index] = by_rank.len();
        by_rank.push(index);
        for target in here(&parts[index]) {
            waiting[target] -= 1;
            if waiting[target] == 0 {
                ready.push(target);
            }
        }
    }
    if by_rank.len() < parts.len() {
        let round = (0..parts.len()).find(|index| waiting[*index] > 0).unwrap_or_default();
        let words = "refers to itself for one and the same value, so no check of it would end";
        return Err(Fault { path: path(&parts[round].pointer), words: words.to_owned() });
    }
    Ok((ranks, by_rank))
}

fn goes_back(pattern: &str) -> bool {
    BACKTRACKING.iter().any(|mark| pattern.contains(mark))
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The steps of a JSON pointer.
pub fn path(pointer: &str) -> Vec<String> {
    let steps = pointer.split('/').skip(1);
    steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}
