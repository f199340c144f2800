//! Bodies as values: JSON, forms, and XML in the mapping that is told at [`Format::Xml`].

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::result::essence;

/// Elements of XML inside each other at most.
pub const XML_DEPTH_MAX: usize = 128;

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A JSON document.
    Json,
    /// `application/x-www-form-urlencoded`: an object of text, a list where a name comes twice.
    Form,
    /// XML: an object with the root element. An element with nothing but text is that text; any
    /// other is an object of its attributes (`@name`), its elements (a list where a name comes
    /// twice) and its text (`#text`). Prefixes stay a part of names; space around text goes.
    Xml,
}

impl Format {
    /// What a content type says; JSON where it says nothing else.
    pub fn of(content_type: &str) -> Format {
        let essence = essence(content_type);
        match essence.as_str() {
            "application/x-www-form-urlencoded" => Format::Form,
            "application/xml" | "text/xml" => Format::Xml,
            other if other.ends_with("+xml") => Format::Xml,
            _ => Format::Json,
        }
    }

    /// Reads a body.
    pub fn read(self, body: &[u8]) -> Result<Value, String> {
        match self {
            Format::Json => serde_json::from_slice(body)
                .map_err(|error| format!("the body is no JSON document: {error}")),
            Format::Form => Ok(read_form(body)),
            Format::Xml => {
                let text = std::str::from_utf8(body);
                let text = text.map_err(|_| "the body is no XML in UTF-8".to_owned())?;
                read_xml(text).map_err(|problem| format!("the body is no XML: {problem}"))
            }
        }
    }
}

fn read_form(body: &[u8]) -> Value {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        add(&mut fields, &name, Value::from(value));
    }
    Value::Object(fields)
}

/// Adds a field; of several with one name a list is made.
fn add(fields: &mut Map<String, Value>, name: &str, value: Value) {
    match fields.get_mut(name) {
        None => {
            fields.insert(name.to_owned(), value);
        }
        Some(Value::Array(items)) => items.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

/// An element that is being read.
#[derive(Default)]
struct Element {
    name: String,
    fields: Map<String, Value>,
    text: String,
}

impl Element {
    fn start(tag: &BytesStart<'_>) -> Result<Element, String> {
        let mut fields = Map::new();
        // Looking for equal names takes time that grows with the square of their number.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| error.to_string())?;
            let name = format!("@{}", AsRef::<str>::as_ref(&attribute.key));
            fields.insert(name, Value::from(value));
        }
        let name = AsRef::<str>::as_ref(&tag.name()).to_owned();
        Ok(Element { name, fields, text: String::new() })
    }

    fn value(mut self) -> Value {
        let text = self.text.trim();
        if self.fields.is_empty() {
            return Value::from(text);
        }
        if !text.is_empty() {
            self.fields.insert("#text".to_owned(), Value::from(text));
        }
        Value::Object(self.fields)
    }
}

/// Nothing is fetched and no entity is known but those of XML itself.
fn read_xml(text: &str) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let Some(inner) = open.last_mut() else { break };
        match event {
            Event::Start(tag) => {
                if open.len() > XML_DEPTH_MAX {
                    return Err(format!("more than {XML_DEPTH_MAX} elements inside each other"));
                }
                open.push(Element::start(&tag)?);
            }
            Event::Empty(tag) => {
                let element = Element::start(&tag)?;
                add(&mut inner.fields, &element.name.clone(), element.value());
            }
            Event::End(_) => {
                let element = open.pop().unwrap_or_default();
                let outer = open.last_mut().ok_or("an element ends that never began")?;
                add(&mut outer.fields, &element.name.clone(), element.value());
            }
            Event::Text(text) => inner.text.push_str(&text.xml10_content()),
            Event::CData(text) => inner.text.push_str(&text.xml10_content()),
            Event::GeneralRef(name) => {
                let letter = name.resolve_char_ref().map_err(|error| error.to_string())?;
                let name = name.into_inner();
                match (letter, resolve_predefined_entity(&name)) {
                    (Some(letter), _) => inner.text.push(letter),
                    (None, Some(text)) => inner.text.push_str(text),
                    (None, None) => return Err(format!("the entity &{name}; is not known")),
                }
            }
            Event::DocType(_) => return Err("document types are not read".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    let [root] = open.as_mut_slice() else { return Err("an element has no end".to_owned()) };
    let one = root.fields.len() == 1 && root.fields.values().all(|value| !value.is_array());
    if !one || !root.text.trim().is_empty() {
        return Err("there is not one root element".to_owned());
    }
    Ok(Value::Object(std::mem::take(&mut root.fields)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats() {
        assert_eq!(Format::of("application/xml; charset=utf-8"), Format::Xml);
        assert_eq!(Format::of("application/soap+xml"), Format::Xml);
        assert_eq!(Format::of("application/x-www-form-urlencoded"), Format::Form);
        assert_eq!(Format::of(""), Format::Json);
        assert_eq!(Format::Json.read(b" {\"a\": 1}"), Ok(json!({"a": 1})));
        assert!(Format::Json.read(b"a=1").expect_err("").starts_with("the body is no JSON"));
        let form = Format::Form.read(b"a=1&b=%20x+y&a=2&c");
        assert_eq!(form, Ok(json!({"a": ["1", "2"], "b": " x y", "c": ""})));
    }

    #[test]
    fn xml() {
        let read = |text: &str| Format::Xml.read(text.as_bytes());
        let text = "<?xml version=\"1.0\"?><!-- c --><o:order id='7 &amp; 8'>\n <item>a</item>\
                    <item sku=\"1\">b &lt;&#65;&gt; <![CDATA[<raw>]]></item>\
                    <none/><e></e></o:order>";
        let expected = json!({"o:order": {
            "@id": "7 & 8",
            "item": ["a", {"@sku": "1", "#text": "b <A> <raw>"}],
            "none": "",
            "e": "",
        }});
        assert_eq!(read(text), Ok(expected));
        let deep = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(read(&deep(XML_DEPTH_MAX)).is_ok());
        assert!(read(&deep(XML_DEPTH_MAX + 1)).is_err());
        for wrong in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><a/>",
            "<a/><b/>",
            "<a/>text",
            "<a>&other;</a>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<a b=&x;/>",
            "<a b='&x;'/>",
            "<a",
        ] {
            let problem = read(wrong).expect_err(wrong);
            assert!(problem.starts_with("the body is no XML: "), "{wrong}: {problem}");
        }
        assert!(Format::Xml.read(b"<a>\xff</a>").is_err());
    }
}
