//! A value of the event, wherever it stands: JSON, or a header as if it were JSON. Nothing is
//! copied to look at it.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::slice;

use serde_json::{Number, Value};

use super::Subject;

#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'a> {
    /// All of the event, and its address as text once that is asked for.
    Root(&'a Subject<'a>, &'a OnceCell<String>),
    Json(&'a Value),
    Text(&'a str),
    Flag(bool),
    /// A list of texts.
    Texts(&'a [String]),
    /// An object of texts, in which a name may stand more than once.
    Pairs(Pairs<'a>),
    /// A list: the values of a name that stands more than once.
    Several(Pairs<'a>, &'a str),
}

/// Headers, or the parameters of a query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairs<'a> {
    pairs: &'a [(String, String)],
    /// Whether names are the same in any case, as headers' are.
    any_case: bool,
}

impl<'a> Pairs<'a> {
    fn values(self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fits = move |pair: &&(String, String)| {
            if self.any_case { pair.0.eq_ignore_ascii_case(name) } else { pair.0 == name }
        };
        self.pairs.iter().filter(fits).map(|pair| pair.1.as_str())
    }

    fn get(self, name: &'a str) -> Option<Node<'a>> {
        let mut values = self.values(name);
        let first = values.next()?;
        Some(if values.next().is_some() { Node::Several(self, name) } else { Node::Text(first) })
    }
}

impl<'a> Node<'a> {
    /// A member of an object.
    pub fn get(self, name: &'a str) -> Option<Node<'a>> {
        match self {
            Node::Root(subject, ip) => field(subject, ip, name),
            Node::Json(value) => value.as_object()?.get(name).map(Node::Json),
            Node::Pairs(pairs) => pairs.get(name),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    pub fn items(self) -> Option<Items<'a>> {
        match self {
            Node::Json(Value::Array(items)) => Some(Items::Json(items.iter())),
            Node::Texts(items) => Some(Items::Texts(items.iter())),
            Node::Several(pairs, name) => Some(Items::Several(pairs.pairs.iter(), pairs, name)),
            _ => None,
        }
    }

    /// The names of the members, if it is an object; one may come more than once.
    pub fn names(self) -> Option<Vec<&'a str>> {
        match self {
            Node::Json(Value::Object(members)) => {
                Some(members.keys().map(String::as_str).collect())
            }
            Node::Pairs(pairs) => Some(pairs.pairs.iter().map(|(name, _)| name.as_str()).collect()),
            _ => None,
        }
    }

    /// How many headers or parameters are gone through to look into it.
    pub fn pairs(self) -> usize {
        match self {
            Node::Pairs(pairs) | Node::Several(pairs, _) => pairs.pairs.len(),
            _ => 0,
        }
    }

    pub fn is_object(self) -> bool {
        matches!(self, Node::Root(..) | Node::Pairs(_) | Node::Json(Value::Object(_)))
    }

    pub fn text(self) -> Option<&'a str> {
        match self {
            Node::Text(text) => Some(text),
            Node::Json(value) => value.as_str(),
            _ => None,
        }
    }

    pub fn number(self) -> Option<&'a Number> {
        match self {
            Node::Json(Value::Number(number)) => Some(number),
            _ => None,
        }
    }

    pub fn flag(self) -> Option<bool> {
        match self {
            Node::Flag(flag) => Some(flag),
            Node::Json(value) => value.as_bool(),
            _ => None,
        }
    }

    pub fn is_null(self) -> bool {
        matches!(self, Node::Json(Value::Null))
    }
}

fn field<'a>(subject: &'a Subject<'a>, ip: &'a OnceCell<String>, name: &str) -> Option<Node<'a>> {
    match name {
        "headers" => Some(Node::Pairs(Pairs { pairs: subject.headers, any_case: true })),
        "body" => subject.body.map(Node::Json),
        "query" => Some(Node::Pairs(Pairs { pairs: subject.query, any_case: false })),
        "path" => Some(Node::Text(subject.path)),
        "method" => Some(Node::Text(subject.method)),
        "source" => subject.source.map(Node::Text),
        "verified" => Some(Node::Flag(subject.verified)),
        "event_type" => Some(Node::Text(subject.event_type)),
        "channels" => Some(Node::Texts(subject.channels)),
        "ip" => {
            // IPv4 in IPv6 is shown, and held against networks, as IPv4.
            let text = |address: IpAddr| ip.get_or_init(|| address.to_canonical().to_string());
            subject.ip.map(|address| Node::Text(text(address)))
        }
        _ => None,
    }
}

/// The elements of a list.
#[derive(Clone, Debug)]
pub(super) enum Items<'a> {
    Json(slice::Iter<'a, Value>),
    Texts(slice::Iter<'a, String>),
    Several(slice::Iter<'a, (String, String)>, Pairs<'a>, &'a str),
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        match self {
            Items::Json(items) => items.next().map(Node::Json),
            Items::Texts(items) => items.next().map(|text| Node::Text(text)),
            Items::Several(pairs, of, name) => pairs
                .find_map(|pair| Pairs { pairs: slice::from_ref(pair), ..*of }.values(name).next())
                .map(Node::Text),
        }
    }

    fn nth(&mut self, index: usize) -> Option<Node<'a>> {
        match self {
            Items::Json(items) => items.nth(index).map(Node::Json),
            Items::Texts(items) => items.nth(index).map(|text| Node::Text(text)),
            Items::Several(..) => {
                (0..index).try_for_each(|_| self.next().map(|_| ())).and(self.next())
            }
        }
    }
}
