//! Where a request ends: lengths, chunks and line ends that two servers could read in two ways.
//! `tests/it/api_refusals.rs` has more of them.

use crate::support::Relay;

const BODY: &str = r#"{"name":"smuggled"}"#;
/// What would be answered if it were taken for a request of its own.
const BEHIND: &str = "POST /api/v1/app HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";

#[test]
fn lengths_and_codings() {
    let relay = Relay::start();
    let head = relay.head("POST", "/api/v1/app");
    let length = BODY.len();
    let ask = |headers: &str, rest: &str| format!("{head}{headers}\r\n{rest}").into_bytes();
    let chunked = format!("0\r\n\r\n{BEHIND}");
    relay.check(&[
        (
            "chunks before length",
            ask("transfer-encoding: chunked\r\ncontent-length: 4\r\n", &chunked),
            &[400],
        ),
        (
            "length before chunks",
            ask("content-length: 4\r\ntransfer-encoding: chunked\r\n", &chunked),
            &[400],
        ),
        (
            "a length of 0 and chunks",
            ask("content-length: 0\r\ntransfer-encoding: chunked\r\n", &chunked),
            &[400],
        ),
        ("chunked twice in one", ask("transfer-encoding: chunked, chunked\r\n", &chunked), &[400]),
        ("gzip and chunked", ask("transfer-encoding: gzip, chunked\r\n", &chunked), &[400]),
        ("identity", ask("transfer-encoding: identity\r\n", BEHIND), &[400]),
        ("an empty coding", ask("transfer-encoding:\r\n", &chunked), &[400]),
        ("a vertical tab", ask("transfer-encoding: \u{b}chunked\r\n", &chunked), &[400]),
        ("a parameter", ask("transfer-encoding: chunked;q=1\r\n", &chunked), &[400]),
        ("in quotes", ask("transfer-encoding: \"chunked\"\r\n", &chunked), &[400]),
        ("an underscore", ask("transfer_encoding: chunked\r\n", &chunked), &[422, 400]),
        ("a dash too many", ask("transfer--encoding: chunked\r\n", &chunked), &[422, 400]),
        (
            "chunks of HTTP/1.0",
            format!(
                "{}transfer-encoding: chunked\r\n\r\n{chunked}",
                head.replace("HTTP/1.1", "HTTP/1.0")
            )
            .into_bytes(),
            &[400],
        ),
        (
            "two lengths in one",
            ask(&format!("content-length: {length} {length}\r\n"), BODY),
            &[400],
        ),
        ("an exponent", ask("content-length: 1e1\r\n", BODY), &[400]),
        ("a fraction", ask("content-length: 19.0\r\n", BODY), &[400]),
        ("a parameter of a length", ask(&format!("content-length: {length};\r\n"), BODY), &[400]),
        ("an empty length", ask("content-length:\r\n", BODY), &[400]),
        ("minus nothing", ask("content-length: -0\r\n", BEHIND), &[400]),
        ("2 to the 64", ask("content-length: 18446744073709551616\r\n", BODY), &[400]),
        (
            "a thousand digits",
            ask(&format!("content-length: {}\r\n", "9".repeat(1_000)), BODY),
            &[400],
        ),
        ("2 to the 63", ask("content-length: 9223372036854775808\r\n", BODY), &[413]),
        ("digits of another script", ask("content-length: ١٩\r\n", BODY), &[400]),
        ("a length that is folded", ask("content-length:\r\n 19\r\n", BODY), &[400]),
        ("spaces around", ask(&format!("content-length:   {length}  \r\n"), BODY), &[201]),
    ]);
    assert_eq!(relay.applications(), ["app", "smuggled"], "the last one alone");
}

#[test]
fn chunks() {
    let relay = Relay::start();
    let head = relay.head("POST", "/api/v1/app");
    let send = |chunks: &str| {
        format!(
            "{head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"
        )
        .into_bytes()
    };
    let size = format!("{:x}", BODY.len());
    let with = |size: &str| send(&format!("{size}\r\n{BODY}\r\n0\r\n\r\n"));
    let extension = "e".repeat(100_000);
    relay.check(&[
        ("a sign", with(&format!("+{size}")), &[400]),
        ("negative", with(&format!("-{size}")), &[400]),
        ("as C writes it", with(&format!("0x{size}")), &[400]),
        ("an underscore", with("1_3"), &[400]),
        ("no size", with(""), &[400]),
        ("2 to the 64", with("10000000000000000"), &[400]),
        ("2 to the 64 less 1", with("ffffffffffffffff"), &[400]),
        ("thirty digits", with(&"f".repeat(30)), &[400]),
        ("more than is sent", with("fff"), &[400]),
        ("less than is sent", with("3"), &[400]),
        ("a line feed alone", send(&format!("{size}\n{BODY}\n0\n\n")), &[400]),
        ("a carriage return alone", send(&format!("{size}\r{BODY}\r0\r\r")), &[400]),
        ("nothing behind the data", send(&format!("{size}\r\n{BODY}0\r\n\r\n")), &[400]),
        ("a line feed in an extension", with(&format!("{size};a\nb")), &[400]),
        ("never the last one", send(&format!("{size}\r\n{BODY}\r\n")), &[400]),
        ("a NUL", with(&format!("{size}\0")), &[400]),
        (
            "a length in a trailer",
            send(&format!("{size}\r\n{}\r\n0\r\ncontent-length: 5\r\n\r\n", BODY)),
            &[201],
        ),
        ("a large extension", with(&format!("{size};{extension}")), &[201]),
        ("an extension", with(&format!("{size};a=\"b\"")), &[201]),
    ]);
    let names = relay.applications();
    assert_eq!(names.iter().filter(|name| *name == "smuggled").count(), 3, "{names:?}");
}

/// A line feed alone ends a line of a head (RFC 9112, 2.2), one of a chunk it does not.
#[test]
fn line_ends_and_odd_bytes() {
    let relay = Relay::start();
    let good = relay.post("/api/v1/app", BODY);
    let (head, body) = good.split_once("\r\n\r\n").unwrap();
    let line = |line: &str| format!("{head}\r\n{line}\r\n\r\n{body}").into_bytes();
    let mut raw = line("x-a: ?");
    let at = raw.iter().position(|byte| *byte == b'?').unwrap();
    raw[at] = 0xff;
    relay.check(&[
        ("line feeds alone", good.replace("\r\n", "\n").into_bytes(), &[201]),
        ("carriage returns alone", good.replace("\r\n", "\r").into_bytes(), &[400]),
        ("one line feed alone", good.replacen("\r\nhost", "\nhost", 1).into_bytes(), &[201]),
        ("a head that ends in line feeds", format!("{head}\n\n{body}").into_bytes(), &[201]),
        ("a carriage return in a value", line("x-a: b\rx-c: d"), &[400]),
        ("a line feed in a value", line("x-a: b\nx-c: d"), &[201]),
        ("a NUL in a name", line("x\0a: b"), &[400]),
        ("a space in a name", line("x a: b"), &[400]),
        ("a tab before the colon", line("x-a\t: b"), &[400]),
        ("no name", line(": b"), &[400]),
        ("no colon", line("x-a"), &[400]),
        ("a name in UTF-8", line("x-ä: b"), &[400]),
        ("a name in brackets", line("x(a): b"), &[400]),
        ("a backspace in a value", line("x-a: \u{8}"), &[400]),
        ("a DEL in a value", line("x-a: \u{7f}"), &[400]),
        ("a fold to begin with", good.replacen("\r\nhost", "\r\n host", 1).into_bytes(), &[400]),
        ("a fold by a tab", line("x-a: b\r\n\tc"), &[400]),
        ("a byte over 127 in a value", raw, &[201]),
        ("an empty line first", format!("\r\n{good}").into_bytes(), &[201]),
    ]);
}
