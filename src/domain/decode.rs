//! Reading values, whatever they are written in. serde makes code for every pair of a type and a
//! format; here a type meets all formats as one, which is several times less of it. What every
//! message passes through is read without.

use erased_serde::Error as Erased;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_path_to_error::Track;

/// As `T::deserialize(from)`, with its error.
pub fn read<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let mut kept = None;
    let keeping = Keeping { from, kept: &mut kept };
    let read = erased_serde::deserialize(&mut <dyn erased_serde::Deserializer<'_>>::erase(keeping));
    read.map_err(|error| kept.unwrap_or_else(|| D::Error::custom(error)))
}

/// The same; the error says where it is wrong, too.
pub fn read_tracked<'de, T, D>(from: D) -> Result<T, serde_path_to_error::Error<D::Error>>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let mut track = Track::new();
    let read = read(serde_path_to_error::Deserializer::new(from, &mut track));
    read.map_err(|error| serde_path_to_error::Error::new(track.path(), error))
}

/// Keeps the format's own error, which may know its place: erased it is but words.
struct Keeping<'kept, D, E> {
    from: D,
    kept: &'kept mut Option<E>,
}

macro_rules! forward {
    ($($method:ident($($name:ident: $type:ty),*))*) => {
        $(fn $method<V>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Erased>
        where
            V: Visitor<'de>,
        {
            self.from.$method($($name,)* visitor).map_err(|error| {
                *self.kept = Some(error);
                Erased::custom("")
            })
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Keeping<'_, D, D::Error> {
    type Error = Erased;

    forward! {
        deserialize_any() deserialize_bool() deserialize_char() deserialize_str()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_string() deserialize_bytes()
        deserialize_byte_buf() deserialize_option() deserialize_unit() deserialize_seq()
        deserialize_map() deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn is_human_readable(&self) -> bool {
        self.from.is_human_readable()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;

    use super::*;

    #[derive(Deserialize, PartialEq, Eq, Debug)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
        Two(u8),
        Three { of: String },
    }

    #[derive(Deserialize, PartialEq, Eq, Debug)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Kinds(Vec<Kind>),
    }

    #[derive(Deserialize, PartialEq, Eq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Example<'text> {
        text: &'text str,
        maybe: Option<Either>,
        #[serde(default)]
        map: BTreeMap<String, Kind>,
    }

    const WHOLE: &str = r#"{"text": "a", "maybe": [{"two": 2}, "one"],
        "map": {"x": {"three": {"of": "it"}}}}"#;
    const WRONG: [&str; 7] = [
        r#"{"text": "a", "maybe": "x"}"#,
        r#"{"text": "a", "map": {"x": {"two": 256}}}"#,
        r#"{"text": "a", "map": {"x": {"three": {}}}}"#,
        r#"{"text": "a", "other": 1}"#,
        r#"{"text": 1}"#,
        r#"{"text": "a", }"#,
        "{",
    ];

    #[test]
    fn as_without() {
        let plain: Example<'_> = serde_json::from_str(WHOLE).unwrap();
        let read: Example<'_> = read(&mut serde_json::Deserializer::from_str(WHOLE)).unwrap();
        assert_eq!(read, plain);
        let raw = |text| super::read(&mut serde_json::Deserializer::from_str(text));
        let raw: BTreeMap<&str, Box<RawValue>> = raw(WHOLE).unwrap();
        assert_eq!(raw["maybe"].get(), r#"[{"two": 2}, "one"]"#);
    }

    #[test]
    fn errors_as_without() {
        for text in WRONG {
            let plain = serde_json::from_str::<Example<'_>>(text).unwrap_err();
            let reader = || serde_json::Deserializer::from_str(text);
            let erased = read::<Example<'_>, _>(&mut reader()).unwrap_err();
            assert_eq!(erased.to_string(), plain.to_string());
            let reader = &mut reader();
            let plain = serde_path_to_error::deserialize::<_, Example<'_>>(reader).unwrap_err();
            let reader = &mut serde_json::Deserializer::from_str(text);
            let erased = read_tracked::<Example<'_>, _>(reader).unwrap_err();
            assert_eq!(erased.to_string(), plain.to_string());
        }
    }
}
