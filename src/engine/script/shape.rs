//! The handlers that scripts are written with: what they are given, and what they give back.

use std::fmt;

use rquickjs::{Object, Value};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::form_urlencoded;

use super::sandbox::Sandbox;
use crate::domain::transform::result::{is_json_type, shorten};
use crate::domain::transform::{Context, Failure, Outgoing};

/// A way to write a handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `addHandler("transform", (request, context) => request)`, as in Hookdeck.
    AddHandler,
    /// `function handler(webhook)`, as in Svix.
    Handler,
    /// `function transform(payload)`, as in Convoy.
    Transform,
}

impl Shape {
    /// Every one, the one that is looked for first in front.
    pub const ALL: [Shape; 3] = [Shape::AddHandler, Shape::Handler, Shape::Transform];

    /// The function's name.
    pub fn name(self) -> &'static str {
        match self {
            Shape::AddHandler => "addHandler",
            Shape::Handler => "handler",
            Shape::Transform => "transform",
        }
    }

    /// An expression for the function; one that was written with `const` is found by no other way.
    pub(super) fn find(self) -> &'static str {
        match self {
            Shape::AddHandler => "undefined",
            Shape::Handler => "typeof handler === 'function' ? handler : undefined",
            Shape::Transform => "typeof transform === 'function' ? transform : undefined",
        }
    }
}

/// What a handler is called with, and what its result is compared with.
pub struct Input<'js> {
    shape: Shape,
    first: Value<'js>,
    context: Value<'js>,
    headers: String,
    body: Body,
}

/// The body as the script was given it.
enum Body {
    /// As JSON prints it again, which is not how it came.
    Json(String),
    Text(String),
}

impl<'js> Input<'js> {
    /// Makes the arguments.
    pub fn new(
        sandbox: &Sandbox<'js>,
        shape: Shape,
        outgoing: &Outgoing,
        context: &Context,
    ) -> Result<Input<'js>, Failure> {
        let (value, body) = body_in(sandbox, outgoing)?;
        let headers = joined(&outgoing.headers);
        let headers = serde_json::Value::from_iter(headers);
        let first = match shape {
            Shape::AddHandler => json!({
                "method": outgoing.method,
                "url": outgoing.url,
                "headers": headers,
                "path": context.path,
                "query": context.query,
                "parsed_query": parsed(&context.query),
                "raw_body": String::from_utf8_lossy(&outgoing.body),
            }),
            Shape::Handler => json!({
                "method": outgoing.method,
                "url": outgoing.url,
                "headers": headers,
                "eventType": context.event_type,
                "cancel": false,
            }),
            Shape::Transform => json!(null),
        };
        let first = match shape.body() {
            None => value,
            Some(name) => {
                let first = sandbox.caught(sandbox.ctx.json_parse(first.to_string()))?;
                if let Some(object) = first.as_object() {
                    sandbox.caught(object.set(name, value))?;
                }
                first
            }
        };
        let headers = headers.to_string();
        let context = sandbox.caught(sandbox.ctx.json_parse(told(context).to_string()))?;
        Ok(Input { shape, first, context, headers, body })
    }

    /// The request or payload, and the context.
    pub fn arguments(&self) -> (Value<'js>, Value<'js>) {
        (self.first.clone(), self.context.clone())
    }

    /// The request that the handler made; `None` when it dropped it.
    pub fn output(
        &self,
        sandbox: &Sandbox<'js>,
        returned: &Value<'js>,
        before: &Outgoing,
    ) -> Result<Option<Outgoing>, Failure> {
        if returned.is_promise() {
            let problem = "a promise: there is nothing to wait for here, so write a handler \
                           without async and await";
            return Err(Failure::BadResult(problem.to_owned()));
        }
        if is_falsy(returned) {
            return Ok(None);
        }
        let mut after = before.clone();
        let Some(name) = self.shape.body() else {
            self.put_body(sandbox, returned, before, &mut after)?;
            return Ok(Some(after));
        };
        let object = request_of(returned, name)?;
        if self.shape == Shape::Handler {
            let cancel: Value<'js> = sandbox.member(object, "cancel")?;
            if !is_falsy(&cancel) {
                return Ok(None);
            }
        }
        let members = ["method", "url", "headers", name];
        let found = members.map(|name| sandbox.member::<Value<'js>>(object, name));
        let [method, url, headers, body] = found;
        let (method, url, headers, body) = (method?, url?, headers?, body?);
        if [&method, &url, &headers, &body].iter().all(|member| member.is_undefined()) {
            let problem = format!("an object without {}", members.join(", "));
            return Err(Failure::BadResult(problem));
        }
        put_text(sandbox, "method", &method, &mut after.method)?;
        put_text(sandbox, "url", &url, &mut after.url)?;
        self.put_headers(sandbox, &headers, &mut after)?;
        self.put_body(sandbox, &body, before, &mut after)?;
        Ok(Some(after))
    }

    fn put_headers(
        &self,
        sandbox: &Sandbox<'js>,
        headers: &Value<'js>,
        after: &mut Outgoing,
    ) -> Result<(), Failure> {
        if headers.is_undefined() {
            return Ok(());
        }
        let bad = |problem: &str| Failure::BadResult(problem.to_owned());
        let json = sandbox.json(headers)?.unwrap_or_default();
        if json == self.headers {
            return Ok(());
        }
        let Pairs(pairs) = serde_json::from_str(&json)
            .map_err(|_| bad("headers that are no object of names and values"))?;
        let had = joined(&after.headers);
        if self.shape == Shape::AddHandler {
            let kept = |name: &str| pairs.iter().any(|(held, _)| held.eq_ignore_ascii_case(name));
            after.headers.retain(|(name, _)| kept(name));
        }
        for (name, value) in pairs {
            let value = match value {
                serde_json::Value::Null => {
                    after.remove_header(&name);
                    continue;
                }
                serde_json::Value::String(value) => value,
                serde_json::Value::Number(number) => number.to_string(),
                serde_json::Value::Bool(flag) => flag.to_string(),
                _ => {
                    let problem = format!("header {} is neither text nor number", shorten(&name));
                    return Err(Failure::BadResult(problem));
                }
            };
            let same = |(held, old): &(String, String)| *held == name && *old == value;
            if !had.iter().any(same) {
                after.set_header(&name, &value);
            }
        }
        Ok(())
    }

    fn put_body(
        &self,
        sandbox: &Sandbox<'js>,
        body: &Value<'js>,
        before: &Outgoing,
        after: &mut Outgoing,
    ) -> Result<(), Failure> {
        if body.is_undefined() {
            return Ok(());
        }
        let text = match body.as_string() {
            Some(text) => Some(sandbox.caught(text.to_string())?),
            None => None,
        };
        if let (Some(text), Body::Text(handed)) = (&text, &self.body)
            && text == handed
        {
            return Ok(());
        }
        let json = sandbox
            .json(body)?
            .ok_or_else(|| Failure::BadResult(format!("a body that is a {}", body.type_name())))?;
        if let Body::Json(handed) = &self.body
            && *handed == json
        {
            return Ok(());
        }
        let content_type = |request: &Outgoing| request.header("content-type").map(str::to_owned);
        let (had, has) = (content_type(before), content_type(after));
        let said_json = is_json_type(has.as_deref().unwrap_or_default());
        let (bytes, is_json, otherwise) = match text {
            Some(text) => {
                let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
                // A form or XML that stays text is still what it was.
                let fits = is_json || (!said_json && has.is_some());
                (text, fits, "text/plain; charset=utf-8")
            }
            None => (json, said_json, "application/json"),
        };
        after.body = bytes.into_bytes();
        if had == has && !is_json {
            after.set_header("content-type", otherwise);
        }
        Ok(())
    }
}

impl Shape {
    /// The member of the argument that is the body; none when the argument is the body.
    fn body(self) -> Option<&'static str> {
        match self {
            Shape::AddHandler => Some("body"),
            Shape::Handler => Some("payload"),
            Shape::Transform => None,
        }
    }
}

/// The body for the script, a JSON document or text, and what to compare its result with.
fn body_in<'js>(
    sandbox: &Sandbox<'js>,
    outgoing: &Outgoing,
) -> Result<(Value<'js>, Body), Failure> {
    if serde_json::from_slice::<IgnoredAny>(&outgoing.body).is_ok() {
        let value = sandbox.caught(sandbox.ctx.json_parse(outgoing.body.as_slice()))?;
        let printed = sandbox.json(&value)?.unwrap_or_default();
        return Ok((value, Body::Json(printed)));
    }
    let text = String::from_utf8_lossy(&outgoing.body).into_owned();
    let value = rquickjs::String::from_str(sandbox.ctx.clone(), &text);
    Ok((sandbox.caught(value)?.into_value(), Body::Text(text)))
}

/// Headers by name in lower case; several of one name as HTTP reads them, with commas between.
fn joined(headers: &[(String, String)]) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        match joined.iter_mut().find(|(held, _)| *held == name) {
            Some((_, old)) => *old = format!("{old}, {value}"),
            None => joined.push((name, value.clone())),
        }
    }
    joined
}

/// A query by name; several of one name as a list.
fn parsed(query: &str) -> serde_json::Value {
    let mut fields = serde_json::Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = serde_json::Value::from(value);
        match fields.get_mut(name.as_ref()) {
            None => {
                fields.insert(name.into_owned(), value);
            }
            Some(serde_json::Value::Array(items)) => items.push(value),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    fields.into()
}

/// The context as scripts see it.
fn told(context: &Context) -> serde_json::Value {
    json!({
        "env": context.env,
        "source": context.source,
        "message_id": context.message_id,
        "event_type": context.event_type,
        "verified": context.verified,
        "endpoint_id": context.endpoint_id,
        "application_id": context.application_id,
        "timestamp_ms": context.timestamp_ms,
        "path": context.path,
        "query": context.query,
    })
}

fn request_of<'a, 'js>(returned: &'a Value<'js>, body: &str) -> Result<&'a Object<'js>, Failure> {
    let object = returned.as_object().filter(|object| !object.is_array() && !object.is_function());
    object.ok_or_else(|| {
        let name = returned.type_name();
        Failure::BadResult(format!("a value of type {name}: return the object that has the {body}"))
    })
}

fn put_text<'js>(
    sandbox: &Sandbox<'js>,
    name: &str,
    value: &Value<'js>,
    place: &mut String,
) -> Result<(), Failure> {
    match value.as_string() {
        Some(text) => *place = sandbox.caught(text.to_string())?,
        None if value.is_undefined() => {}
        None => return Err(Failure::BadResult(format!("a {name} that is no text"))),
    }
    Ok(())
}

/// What JavaScript takes for `false`.
fn is_falsy(value: &Value<'_>) -> bool {
    value.is_undefined()
        || value.is_null()
        || value.as_bool() == Some(false)
        || value.as_number().is_some_and(|number| number == 0.0 || number.is_nan())
        || super::sandbox::text(value).is_some_and(|text| text.is_empty())
}

/// An object of JSON in the order that it is written in, the last of equal names counting.
struct Pairs(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
