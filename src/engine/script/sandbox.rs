//! One runtime for one call: its limits, its globals, and what it threw.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rquickjs::context::EvalOptions;
use rquickjs::function::Rest;
use rquickjs::{Ctx, Error, FromJs, Function, Object, Runtime, Type, Value};

use super::console::{Console, line};
use super::shape::{Input, Shape};
use super::{ScriptLimits, console};
use crate::domain::transform::{ConsoleLevel, Context, Failure, Outgoing, Part};

/// What the code is called in stack traces.
const FILE: &str = "transform.js";
/// Characters of a thrown message at most.
const MESSAGE_MAX: usize = 500;

/// Keeps what `addHandler` is given, where the script can't reach it.
const HANDLERS: &str = r#"(() => {
    let held;
    return {
        add(event, handler) {
            if (event !== "transform" || typeof handler !== "function") {
                throw new TypeError('write addHandler("transform", (request, context) => request)');
            }
            held = handler;
        },
        held: () => held,
    };
})()"#;

/// Where the lines of a call go; whoever gave up waiting for it can still read them.
pub type Lines = Arc<Mutex<Console>>;

/// Calls the script's handler; `None` when it dropped the delivery.
pub fn run(
    code: &str,
    limits: &ScriptLimits,
    lines: &Lines,
    (outgoing, context): (&Outgoing, &Context),
) -> Result<Option<Outgoing>, Failure> {
    within(code, limits, lines, |sandbox| {
        let (shape, handler) = sandbox.load(code)?;
        let input = Input::new(sandbox, shape, outgoing, context)?;
        let returned = sandbox.caught(handler.call(input.arguments()))?;
        input.output(sandbox, &returned, outgoing)
    })
}

/// Says which handler the script has.
pub fn check(code: &str, limits: &ScriptLimits, lines: &Lines) -> Result<Shape, Failure> {
    within(code, limits, lines, |sandbox| Ok(sandbox.load(code)?.0))
}

/// A runtime in which a call is made.
pub struct Sandbox<'js> {
    /// Where values live.
    pub ctx: Ctx<'js>,
    overdue: Rc<Cell<bool>>,
}

/// Makes a runtime, calls, and takes the runtime away.
fn within<T>(
    code: &str,
    limits: &ScriptLimits,
    lines: &Lines,
    call: impl FnOnce(&Sandbox<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if code.len() > limits.code_bytes {
        return Err(Failure::TooLarge { what: Part::Code, limit: limits.code_bytes });
    }
    let unavailable = |_| Failure::Unavailable("no runtime could be made".to_owned());
    let overdue = Rc::new(Cell::new(false));
    let runtime = Runtime::new().map_err(unavailable)?;
    runtime.set_max_stack_size(limits.stack_bytes);
    runtime.set_interrupt_handler(Some({
        let (overdue, start, time) = (Rc::clone(&overdue), Instant::now(), limits.time);
        Box::new(move || {
            overdue.set(start.elapsed() >= time);
            overdue.get()
        })
    }));
    let context = rquickjs::Context::full(&runtime).map_err(unavailable)?;
    context.with(|ctx| set_console(&ctx, lines)).map_err(unavailable)?;
    // After what is ours, which does not expect to be refused.
    runtime.set_memory_limit(limits.memory_bytes);
    context.with(|ctx| {
        let sandbox = Sandbox { ctx, overdue: Rc::clone(&overdue) };
        let result = call(&sandbox);
        if overdue.get() { Err(Failure::TimedOut) } else { result }
    })
}

fn set_console(ctx: &Ctx<'_>, lines: &Lines) -> rquickjs::Result<()> {
    let functions = Object::new(ctx.clone())?;
    for level in ConsoleLevel::ALL {
        let write = writer(level, Arc::clone(lines));
        functions.set(level.name(), Function::new(ctx.clone(), write)?)?;
    }
    ctx.globals().set("console", functions)
}

/// The function of `console` that writes lines of this level.
fn writer(
    level: ConsoleLevel,
    lines: Lines,
) -> impl for<'js> Fn(Ctx<'js>, Rest<Value<'js>>) -> rquickjs::Result<()> {
    move |ctx, arguments| {
        let lock = || lines.lock().unwrap_or_else(PoisonError::into_inner);
        let room = lock().room();
        if let Some(room) = room {
            let text = line(&ctx, &arguments, room)?;
            lock().push(level, text);
        }
        Ok(())
    }
}

impl<'js> Sandbox<'js> {
    /// Runs the code and finds the handler that it has.
    fn load(&self, code: &str) -> Result<(Shape, Function<'js>), Failure> {
        let handlers: Object<'js> = self.caught(self.ctx.eval(HANDLERS))?;
        let add: Value<'js> = self.caught(handlers.get("add"))?;
        self.caught(self.ctx.globals().set("addHandler", add))?;
        let mut options = EvalOptions::default();
        options.strict = false;
        options.filename = Some(FILE.to_owned());
        self.caught(self.ctx.eval_with_options::<(), _>(code, options))?;
        let held: Function<'js> = self.caught(handlers.get("held"))?;
        for shape in Shape::ALL {
            let found: Value<'js> = match shape {
                Shape::AddHandler => self.caught(held.call(()))?,
                shape => self.caught(self.ctx.eval(shape.find()))?,
            };
            if let Some(function) = found.into_function() {
                return Ok((shape, function));
            }
        }
        Err(Failure::NoHandler)
    }

    /// What a value is in JSON; `None` for functions, symbols and `undefined`.
    pub fn json(&self, value: &Value<'js>) -> Result<Option<String>, Failure> {
        let json = self.caught(self.ctx.json_stringify(value.clone()))?;
        json.map(|json| self.caught(json.to_string())).transpose()
    }

    /// A member of an object, by way of its getters.
    pub fn member<V: FromJs<'js>>(&self, object: &Object<'js>, name: &str) -> Result<V, Failure> {
        self.caught(object.get(name))
    }

    /// Turns what QuickJS or its binding says into a failure.
    pub fn caught<T>(&self, result: rquickjs::Result<T>) -> Result<T, Failure> {
        result.map_err(|error| match error {
            _ if self.overdue.get() => Failure::TimedOut,
            Error::Exception => self.thrown(&self.ctx.catch()),
            Error::Allocation | Error::Unknown => Failure::OutOfMemory,
            Error::Utf8(_) => {
                Failure::BadResult("text with half a surrogate pair is no Unicode".to_owned())
            }
            Error::InvalidString(_) => {
                Failure::Syntax { message: "a NUL character".to_owned(), line: None }
            }
            other => Failure::BadResult(other.to_string()),
        })
    }

    fn thrown(&self, thrown: &Value<'js>) -> Failure {
        if thrown.is_null() || thrown.type_of() == Type::Uninitialized {
            // What QuickJS throws when there is no room for an error; hardly anybody else does.
            return Failure::OutOfMemory;
        }
        let Some(error) = thrown.as_exception() else {
            return Failure::Thrown { message: self.words(thrown), line: None };
        };
        let member = |name| error.as_object().get::<_, Value<'js>>(name).ok();
        let read = |name| member(name).and_then(|value| text(&value)).unwrap_or_default();
        let (name, message, stack) = (read("name"), read("message"), read("stack"));
        // A getter may have thrown, or used up the time.
        self.ctx.catch();
        let line = line_of(&stack);
        match (name.as_str(), message.as_str()) {
            _ if self.overdue.get() => Failure::TimedOut,
            ("InternalError", "out of memory" | "") => Failure::OutOfMemory,
            ("RangeError", "Maximum call stack size exceeded") => Failure::StackOverflow,
            // Thrown by a function, as by `JSON.parse`, it would name that.
            ("SyntaxError", _) if !stack.contains('(') => {
                Failure::Syntax { message: cut(message), line }
            }
            _ => Failure::Thrown { message: cut(format!("{name}: {message}")), line },
        }
    }

    /// Something thrown that is no error.
    fn words(&self, thrown: &Value<'js>) -> String {
        let words = console::line(&self.ctx, std::slice::from_ref(thrown), 0);
        self.ctx.catch();
        cut(words.unwrap_or_else(|_| thrown.type_name().to_owned()))
    }
}

/// The text of a string; `None` when it is none, or no Unicode.
pub fn text(value: &Value<'_>) -> Option<String> {
    value.as_string()?.to_string().ok()
}

/// The first line of the script that a stack trace names.
fn line_of(stack: &str) -> Option<u32> {
    let after = stack.split_once(FILE)?.1.strip_prefix(':')?;
    let digits = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}

fn cut(message: String) -> String {
    match message.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}
