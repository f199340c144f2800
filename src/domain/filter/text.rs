//! JSON text to a tree, without names that stand twice.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::{FilterError, Problem};
use super::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX};

/// Reads JSON text; what follows the value is refused.
pub(super) fn read(json: &str) -> Result<Value, FilterError> {
    if json.len() > FILTER_BYTES_MAX {
        return Err(FilterError { place: String::new(), problem: Problem::TooLong });
    }
    let found = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let seed = Seed { place: String::new(), depth: 1, found: &found };
    let read = seed.deserialize(&mut deserializer);
    let read = read.and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| {
        found.take().unwrap_or_else(|| FilterError {
            place: String::new(),
            problem: Problem::Json(error.to_string()),
        })
    })
}

/// Reads one value, and leaves what it refuses in `found`.
struct Seed<'s> {
    place: String,
    depth: usize,
    found: &'s RefCell<Option<FilterError>>,
}

impl Seed<'_> {
    fn inside(&self, step: &str) -> Seed<'_> {
        let dot = if self.place.is_empty() || step.starts_with('[') { "" } else { "." };
        let place = [&self.place, dot, step].concat();
        Seed { place, depth: self.depth + 1, found: self.found }
    }

    fn refuse<E: Error>(&self, problem: Problem) -> E {
        let error = E::custom(&problem);
        self.found.replace(Some(FilterError { place: self.place.clone(), problem }));
        error
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > FILTER_DEPTH_MAX {
            return Err(self.refuse(Problem::TooDeep));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) =
            access.next_element_seed(self.inside(&format!("[{}]", items.len())))?
        {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let seed = self.inside(&name);
            if members.contains_key(&name) {
                return Err(seed.refuse(Problem::Twice));
            }
            let member = access.next_value_seed(seed)?;
            members.insert(name, member);
        }
        Ok(Value::Object(members))
    }
}
