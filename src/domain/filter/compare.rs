//! Numbers by value, exactly.

use std::cmp::Ordering;

use serde_json::Number;

/// The order of two numbers: `1` and `1.0` are the same, and integers of 64 bits keep every digit,
/// also beside fractions.
pub(super) fn numbers(one: &Number, other: &Number) -> Option<Ordering> {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        (Some(one), None) => mixed(one, other.as_f64()?),
        (None, Some(other)) => mixed(other, one.as_f64()?).map(Ordering::reverse),
        (None, None) => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// An integer of 64 bits beside a float; the cast keeps what is within 128 bits, and beyond them
/// it keeps the order.
fn mixed(integer: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    let whole = float.trunc();
    let rest = || 0.0_f64.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal);
    Some(integer.cmp(&(whole as i128)).then_with(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::from_str;

    #[test]
    fn by_value() {
        use Ordering::{Equal, Greater, Less};
        for (one, other, expected) in [
            ("1", "1.0", Equal),
            ("0", "-0.0", Equal),
            ("1", "1.5", Less),
            ("2", "1.5", Greater),
            ("-1", "-1.5", Greater),
            ("-2", "-1.5", Less),
            ("9007199254740993", "9007199254740992.0", Greater),
            ("9007199254740993", "9007199254740992", Greater),
            ("9007199254740993", "9007199254740994.0", Less),
            ("18446744073709551615", "18446744073709551616.0", Less),
            ("18446744073709551615", "18446744073709551614", Greater),
            ("-9223372036854775808", "-9223372036854775808.0", Equal),
            ("-9223372036854775808", "18446744073709551615", Less),
            ("5", "1e300", Less),
            ("5", "-1e300", Greater),
            ("0.1", "0.10", Equal),
            ("1e300", "1e301", Less),
        ] {
            let (one, other): (Number, Number) = (from_str(one).unwrap(), from_str(other).unwrap());
            assert_eq!(numbers(&one, &other), Some(expected), "{one} {other}");
            assert_eq!(numbers(&other, &one), Some(expected.reverse()), "{other} {one}");
        }
    }
}
