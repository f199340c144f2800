//! Scripts that mean harm: each ends within its limits, and its neighbours go on.

use std::thread;
use std::time::Duration;

use relay::engine::script::ScriptLimits;

use super::{context, failed, request, run, scripts, sent_body, short};

/// Runs the body of a handler in little time while a neighbour does its own work; the code of how
/// it failed, or `sent`, or `dropped`.
fn outcome(body: &str) -> String {
    outcome_within(short(), body)
}

fn outcome_within(limits: ScriptLimits, body: &str) -> String {
    let scripts = scripts(limits);
    let code = format!("function handler(webhook) {{ {body} }}");
    let ran = thread::scope(|scope| {
        let neighbour = scope.spawn(|| sent_body("function transform(p) { return [p] }", "{}"));
        let ran = scripts.run(&code, &request(r#"{"a": 1}"#), &context());
        assert_eq!(neighbour.join().unwrap(), "[{}]", "{body}");
        ran
    });
    match ran.result {
        Ok(None) => "dropped".to_owned(),
        Ok(Some(_)) => "sent".to_owned(),
        Err(failure) => failure.code().to_owned(),
    }
}

fn check(expected: &str, bodies: &[&str]) {
    check_within(short(), expected, bodies);
}

fn check_within(limits: ScriptLimits, expected: &str, bodies: &[&str]) {
    let other = bodies.iter().map(|body| (*body, outcome_within(limits, body)));
    let other: Vec<_> = other.filter(|(_, outcome)| outcome != expected).collect();
    assert!(other.is_empty(), "not {expected}: {other:#?}");
}

#[test]
fn without_end() {
    check(
        "timed_out",
        &[
            "for (;;) {}",
            "while (true) { try { for (;;) {} } catch { } finally { } }",
            "const f = () => { try { f() } catch { f() } }; for (;;) f()",
            "return new Proxy({}, { get() { for (;;) {} } })",
            "webhook.payload = { get a() { for (;;) {} } }; return webhook",
            "webhook.payload = { toJSON() { for (;;) {} } }; return webhook",
            "throw { toJSON() { for (;;) {} } }",
            "const e = new Error(); Object.defineProperty(e, 'message', \
             { get() { for (;;) {} } }); throw e",
            "console.log({ toJSON() { for (;;) {} } }); return webhook",
            "/^(a+)+$/.test('a'.repeat(40) + 'b')",
            "'x'.replace(/(?:)/g, () => { for (;;) {} })",
            "[3, 1, 2].sort(() => { for (;;) {} })",
            "for (const x of (function* () { for (;;) yield 1 })()) {}",
            "new Array(3).fill().map(() => { for (;;) {} })",
            "const a = [1]; for (const x of a) a[0] = a.length; for (;;) new Date()",
            "for (;;) new WeakRef({})",
            "for (;;) JSON.stringify({ a: 'x'.repeat(1000) })",
        ],
    );
}

/// Functions of QuickJS that look at no clock: the process ends, and the next call has another.
#[test]
fn without_end_in_one_function() {
    check(
        "timed_out",
        &[
            "Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)",
            "Array.prototype.reverse.call({ length: 2 ** 53 - 1 })",
            "const a = []; a.length = 2 ** 32 - 1; a.forEach(() => 1)",
            "const a = []; a.length = 2 ** 32 - 1; new Set(a)",
            "'a'.repeat(8e6).indexOf('a'.repeat(4e6) + 'b')",
        ],
    );
}

/// With its memory used to the last byte the compiler of QuickJS reads where nothing is.
#[test]
fn without_a_process() {
    let full = |step: usize| {
        format!(
            "const a = []; try {{ for (;;) a.push(new Uint8Array({step})) }} catch {{ }}
             for (let i = 0; i < 2000; i++) {{
                 try {{ eval('(function(x) {{ class Q {{ #p = ' + i + '; get p() \
                        {{ return this.#p }} }} return [...arguments, Q] }})') }} catch {{ }}
                 a.length -= 1;
             }}
             return webhook"
        )
    };
    let outcomes: Vec<String> = (50..90).map(|step| outcome(&full(step))).collect();
    let known = ["sent", "crashed", "out_of_memory", "timed_out", "thrown"];
    assert!(outcomes.iter().all(|outcome| known.contains(&&**outcome)), "{outcomes:?}");
}

#[test]
fn without_measure() {
    // As much as a slow machine needs until the memory is used up.
    let limits = ScriptLimits { time: Duration::from_secs(120), ..ScriptLimits::default() };
    check_within(
        limits,
        "out_of_memory",
        &[
            "const a = []; for (;;) a.push(a.length)",
            "const a = []; for (;;) a.push({})",
            "const a = []; for (;;) a.push(new Array(1000).fill(1))",
            "let s = ['x'.repeat(1e6)]; for (;;) s.push(s.join('y') + s.length)",
            "'x'.repeat(2 ** 29)",
            "new Uint8Array(1e9)",
            "new ArrayBuffer(1e9)",
            "Array(1e8).fill(1)",
            "Array.from({ length: 1e8 })",
            "const m = new Map(); for (let i = 0;; i++) m.set(i, { i })",
            "const a = []; for (;;) a.push(Symbol('x'))",
            "const a = []; for (;;) a.push(() => a)",
            "const a = []; for (;;) a.push(/x/)",
            "let a = {}; for (;;) a = { a }",
            "let a = []; for (;;) a = [a]",
            "const o = {}; for (let i = 0;; i++) o['k' + i] = i",
            "const a = []; for (;;) a.push(new Error('x'))",
            "const a = []; for (;;) a.push((function* () {})())",
            "const a = []; for (;;) a.push(Promise.resolve(a))",
            "const a = []; for (;;) a.push(new Proxy({}, {}))",
            "const a = []; for (;;) a.push(eval('(x) => x + ' + a.length))",
            "const a = []; for (let i = 1n;; i = i * 3n) a.push(i)",
            "webhook.payload = Array(1e6).fill(1); webhook.payload = \
             webhook.payload.map(() => 'x'.repeat(1000)); return webhook",
            "const s = 'x'.repeat(1e6); webhook.payload = Array(100).fill(s); return webhook",
            "const r = new FinalizationRegistry(() => 1); for (const a = [];;) \
             { a.push({}); r.register(a.at(-1), a) }",
            "'x'.repeat(7e6).replace(/x/g, '$&$&$&')",
            "'x'.repeat(3e6).split('')",
            "encodeURIComponent('é'.repeat(4e6))",
            "JSON.parse('[' + '{},'.repeat(1e6) + '{}]')",
        ],
    );
}

#[test]
fn too_deep() {
    check(
        "stack_overflow",
        &[
            "const f = () => f() + 1; f()",
            "const f = () => [1].map(f); f()",
            "const o = { get a() { return this.a } }; o.a",
            "const o = { toString() { return '' + this } }; '' + o",
            "const o = { toJSON() { return JSON.stringify(this) } }; JSON.stringify(o)",
            "const p = new Proxy({}, { get: (t, k, r) => r[k] }); p.x",
            "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; \
             webhook.payload = a; return webhook",
            "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; String(a)",
            "JSON.parse('['.repeat(1e5))",
            "eval('('.repeat(1e5))",
            "const g = () => ({ get a() { return g() } }); webhook.payload = g(); return webhook",
            "class A { constructor() { new A() } } new A()",
            "const f = (...a) => f(...a, 1); f()",
            "[1].reduce.call([1, 2], function f() { return [1, 2].reduce(f) })",
        ],
    );
    check("thrown", &["let s = 'x'; for (;;) s += s"]);
    let outcomes = [
        outcome("new RegExp('('.repeat(1e5))"),
        outcome("/(?:(?:a*)*)*b/.test('a'.repeat(1e5))"),
        outcome("let r = 'a'; for (let i = 0; i < 5e3; i++) r = '(' + r + ')'; new RegExp(r)"),
    ];
    assert!(outcomes.iter().all(|end| end != "sent"), "{outcomes:?}");
}

#[test]
fn tricks_with_prototypes() {
    check(
        "sent",
        &[
            "Object.prototype.method = 'PUT'; return webhook",
            "JSON = null; String = null; Object = null; return webhook",
            "JSON.stringify = JSON.parse = () => 'x'; webhook.payload.b = 1; return webhook",
            "Object.freeze(globalThis); Object.freeze(Object.prototype); return webhook",
            "delete globalThis.console; delete globalThis.Promise; return webhook",
            "Function.prototype.call = null; Array.prototype.push = null; return webhook",
            "Object.setPrototypeOf(webhook, null); return webhook",
            "webhook.__proto__ = { cancel: true }; webhook.payload.__proto__ = null; \
             return webhook",
            "return new Proxy(webhook, {})",
            "Error.prepareStackTrace = () => { throw 1 }; return webhook",
        ],
    );
    check(
        "thrown",
        &[
            "return new Proxy(webhook, { get() { throw 1 } })",
            "webhook.payload = new Proxy({}, { ownKeys() { throw 1 } }); return webhook",
            "webhook.payload = { get a() { throw new Error('x') } }; return webhook",
            "webhook.payload = { toJSON() { throw 1 } }; return webhook",
            "Object.prototype.toString = () => { throw 1 }; throw {}",
            "Error.prepareStackTrace = () => { for (;;) throw 1 }; throw new Error('x')",
            "const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { throw e } }); \
             throw e",
            "globalThis.__proto__ = null; undefined.x",
        ],
    );
    let polluted = r#"{"__proto__": {"cancel": true}, "constructor": {"prototype": 1}}"#;
    let code = "function transform(p) { return [p.cancel, ({}).cancel, Object.keys(p)] }";
    assert_eq!(sent_body(code, polluted), r#"[null,null,["__proto__","constructor"]]"#);
}

#[test]
fn what_the_language_has() {
    check("too_large", &["webhook.payload = 'x'.repeat(5e6); return webhook"]);
    check("thrown", &["Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0, 1e9)"]);
    check(
        "bad_result",
        &[
            "return new Promise(() => 1)",
            "Object.prototype.toJSON = function () { return 'x' }; return webhook",
            "return (async () => { for (;;) await 1 })()",
            "return (async function* () {})()",
            "return function* () {}",
            "return import('x')",
            "return Symbol('x')",
            "return 10n ** 5n",
        ],
    );
    check(
        "sent",
        &[
            "Promise.resolve().then(() => { for (;;) {} }); return webhook",
            "queueMicrotask(() => { for (;;) {} }); return webhook",
            "new FinalizationRegistry(() => { for (;;) {} }).register({}, 1); return webhook",
            "new WeakRef({}).deref(); return webhook",
        ],
    );
    let code = "function transform() { return [new Date(0).toISOString(), typeof Date.now(), \
                new Date(2026, 0).getFullYear(), /(?<y>\\d+)/.exec('a7').groups.y, \
                [...new Set([1, 1])], 2n ** 70n + '', 'é'.normalize('NFD').length] }";
    let expected =
        r#"["1970-01-01T00:00:00.000Z","number",2026,"7",[1],"1180591620717411303424",2]"#;
    assert_eq!(sent_body(code, "{}"), expected);
}

#[test]
fn nothing_outside_is_there() {
    for name in ["require", "std", "os", "fetch", "setTimeout", "Deno", "scriptArgs", "print"] {
        let code = format!("function transform() {{ return [typeof {name}] }}");
        assert_eq!(sent_body(&code, "{}"), "[\"undefined\"]", "{name}");
    }
    assert_eq!(failed("function handler() { return import('fs') }", "{}").code(), "bad_result");
}

#[test]
fn calls_share_nothing() {
    let scripts = scripts(ScriptLimits::default());
    let code = "globalThis.seen = (globalThis.seen ?? 0) + 1; Array.prototype.mark ??= []; \
                Array.prototype.mark.push(1); \
                function transform() { return [seen++, [].mark.length] }";
    for _ in 0..3 {
        let ran = scripts.run(code, &request("{}"), &context());
        assert_eq!(ran.result.unwrap().unwrap().body, b"[1,1]");
    }
}

#[test]
fn lines_of_the_console() {
    let code = r#"function handler(webhook) {
        console.log("a", 1, { b: [2] }, undefined, null, new Error("e"), () => 1);
        console.info("i"); console.warn("w"); console.error("e"); console.debug("d");
        console.log("x".repeat(1e5));
        for (let i = 0; i < 200; i++) console.log(i);
        throw 1;
    }"#;
    let ran = run(code, "{}");
    assert_eq!(ran.result.unwrap_err().code(), "thrown");
    let lines: Vec<(&str, &str)> =
        ran.console.iter().map(|line| (line.level.name(), line.text.as_str())).collect();
    assert_eq!(lines[0], ("log", r#"a 1 {"b":[2]} undefined null e function"#));
    assert_eq!(lines[1..5], [("info", "i"), ("warn", "w"), ("error", "e"), ("debug", "d")]);
    let long = lines[5].1;
    let max = ScriptLimits::default().console_bytes;
    assert!(long.len() <= max + 3 && long.ends_with('…'), "{}", long.len());
    assert_eq!((lines.len(), ran.console_left_out), (6, 200));
    let many = run("function transform() { for (let i = 0; i < 150; i++) console.log(i) }", "");
    assert_eq!((many.console.len(), many.console_left_out), (100, 50));
    let late = scripts(short());
    let code = "console.log('before'); for (;;) {}";
    let ran = late.run(code, &request("{}"), &context());
    assert_eq!(ran.result.unwrap_err().code(), "timed_out");
    assert_eq!(ran.console[0].text, "before");
}
