//! Paths that try to be another one, and targets in the forms that a proxy is sent.

use crate::support::Relay;

#[test]
fn paths_are_taken_as_they_stand() {
    let relay = Relay::start();
    let plain = |target: &str| {
        format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
    };
    let keyed = |target: &str| {
        format!("{}connection: close\r\n\r\n", relay.head("GET", target)).into_bytes()
    };
    relay.check(&[
        ("up and down", plain("/healthz/../api/v1/app"), &[404]),
        ("up in percents", plain("/healthz/%2e%2e/api/v1/app"), &[404]),
        ("out of the API", keyed("/api/v1/../../metrics"), &[404]),
        ("out of the API in percents", keyed("/api/v1/%2e%2e/%2e%2e/metrics"), &[404]),
        ("into the API", plain("/metrics/../api/v1/app"), &[404]),
        ("a point", keyed("/api/v1/./app"), &[404]),
        ("two slashes first", plain("//healthz"), &[404]),
        ("two slashes within", plain("/api//v1/app"), &[404]),
        ("another's authority", plain("//evil.example/healthz"), &[404]),
        ("a slash in percents", plain("/api%2fv1%2fapp"), &[404]),
        ("a slash in an id", keyed("/api/v1/app/app%2fendpoint"), &[404]),
        ("up from an id", keyed("/api/v1/app/app%2f..%2fapp"), &[404]),
        ("a backslash", plain("/healthz\\..\\api"), &[404]),
        ("a NUL in percents", plain("/healthz%00"), &[404]),
        ("a NUL", plain("/healthz\0"), &[400]),
        ("a NUL in an id", keyed("/api/v1/app/app%00"), &[404]),
        ("half a percent", keyed("/api/v1/app/%"), &[404]),
        ("no hexadecimal", keyed("/api/v1/app/%zz"), &[404]),
        ("UTF-8 too long", keyed("/api/v1/app/%c0%ae%c0%ae"), &[404]),
        ("no UTF-8", keyed("/api/v1/app/%ff%fe"), &[404]),
        ("letters over 127", plain("/hälthz"), &[400]),
        ("large letters", plain("/HEALTHZ"), &[404]),
        ("a semicolon", plain("/healthz;x=y"), &[404]),
        ("a file of the machine", plain("/docs/../../../etc/passwd"), &[404]),
        ("the same in percents", plain("/docs/..%2f..%2f..%2fetc%2fpasswd"), &[404]),
        ("a name of Windows", plain("/docs/c:\\windows\\win.ini"), &[404]),
        ("a thousand times up", plain(&"/..".repeat(1_000)), &[404]),
        ("a path of 30 KiB", plain(&format!("/{}", "a".repeat(30 << 10))), &[404]),
        ("a NUL in a query", keyed("/api/v1/app?limit=%00"), &[422]),
        ("a query without UTF-8", keyed("/api/v1/app?iterator=%ff"), &[422]),
        ("a number that is too large", keyed("/api/v1/app?limit=99999999999999999999"), &[422]),
        ("one name twice", keyed("/api/v1/app?limit=1&limit=2"), &[200]),
        ("a thousand of one name", keyed(&format!("/api/v1/app?{}", "a=b&".repeat(1_000))), &[422]),
    ]);
}

#[test]
fn targets_in_other_forms() {
    let relay = Relay::start();
    let get = |target: &str| {
        format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
    };
    relay.check(&[
        ("absolute", get("http://x/healthz"), &[200]),
        ("absolute, of another", get("http://evil.example/healthz"), &[200]),
        ("absolute, with a user", get("http://user:word@x/healthz"), &[200]),
        ("absolute, another scheme", get("ftp://x/healthz"), &[200]),
        ("absolute, no path", get("http://x"), &[200]),
        ("absolute, a port that is none", get("http://x:99999/healthz"), &[200]),
        ("absolute, into the API", get("http://x/api/v1/app"), &[401]),
        ("an asterisk", get("*"), &[404]),
        ("an authority", get("x:80"), &[404]),
        ("a fragment", get("/healthz#a"), &[200]),
        ("no slash", get("healthz"), &[404]),
        ("a script", get("javascript:alert(1)"), &[404]),
        ("brackets", get("/[::1]"), &[404]),
        ("a target in quotes", get("\"/healthz\""), &[400]),
        ("less and greater", get("/<script>"), &[400]),
    ]);
}
