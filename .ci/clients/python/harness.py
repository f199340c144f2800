"""What the checks of a Svix library for Python stand on: one relay, receivers, waits, a verdict.

A check is a function that `operation` registers; it is given the relay and the library's method.
"""

import inspect
import json
import os
import queue
import threading
import time
import traceback
import typing
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import svix.api
from svix.exceptions import HttpError, HTTPValidationError

BOUND_SECONDS = 30
MANY = 250
CHECKS = []


def operation(name, *methods):
    """Registers a check of operation `name` by the first of `methods` that the library has."""

    def register(check):
        CHECKS.append((name, methods, check))
        return check

    return register


class Method:
    """A method of the library, called with plain values: its own signature names the models."""

    def __init__(self, method):
        self.method = method

    def __call__(self, *arguments, **options):
        parameters = list(inspect.signature(self.method).parameters.values())
        hints = typing.get_type_hints(self.method)
        if len(arguments) > len(parameters):
            raise TypeError(f"{self.method.__qualname__} takes fewer arguments")
        given = [
            made(hints[parameter.name], argument) if isinstance(argument, dict) else argument
            for parameter, argument in zip(parameters, arguments)
        ]
        if options:
            return self.method(*given, options=type(parameters[-1].default)(**options))
        return self.method(*given)


def made(model, fields):
    """A model of the library. Version 1 calls an endpoint's event types `filter_types`."""
    if "event_types" in fields and "filter_types" in model.model_fields:
        fields = {("filter_types" if key == "event_types" else key): fields[key] for key in fields}
    return model(**fields)


class Calls:
    """`svix` with every method wrapped: `calls.message.poller.poll`."""

    def __init__(self, part):
        self.part = part

    def __getattr__(self, name):
        found = getattr(self.part, name)
        return Method(found) if callable(found) else Calls(found)


class Hook:
    """One address of the receiver: what arrived there and how it is answered."""

    def __init__(self, url):
        self.url = url
        self.status = 204
        self.arrivals = queue.Queue()

    def take(self):
        """The next request: its headers in lower case, and its body."""
        return self.arrivals.get(timeout=BOUND_SECONDS)

    def take_bodies(self, count):
        return sorted(self.take()[1] for _ in range(count))


class Receiver:
    """An HTTP server on this machine."""

    def __init__(self):
        hooks = self.hooks = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                hook = hooks[self.path]
                headers = {name.lower(): value for name, value in self.headers.items()}
                hook.arrivals.put((headers, body))
                self.send_response(hook.status)
                self.send_header("content-length", "0" if hook.status == 204 else "6")
                self.end_headers()
                if hook.status != 204:
                    self.wfile.write(b"answer")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def hook(self, status=204):
        path = f"/hook/{len(self.hooks)}"
        hook = Hook(f"http://127.0.0.1:{self.server.server_port}{path}")
        hook.status = status
        self.hooks[path] = hook
        return hook


class Relay:
    """The relay that is driven, and names that no other library uses in it."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.url = os.environ["RELAY_SERVER"]
        self.receiver = Receiver()
        self.calls = self.as_caller(os.environ["RELAY_TOKEN"])
        self.names = 0
        self.kept = {}

    def as_caller(self, token):
        options = svix.api.SvixOptions(server_url=self.url, timeout=BOUND_SECONDS)
        return Calls(svix.api.Svix(token, options))

    def has(self, path):
        return find(self.calls, path) is not None

    def name(self):
        self.names += 1
        return f"{self.prefix}-{self.names}"

    def application(self, **fields):
        uid = self.name()
        return self.calls.application.create({"name": uid, "uid": uid, **fields})

    def endpoint(self, app, hook=None, **fields):
        url = (hook or self.receiver.hook()).url
        return self.calls.endpoint.create(app.id, {"url": url, **fields})

    def event_type(self, **fields):
        name = f"{self.prefix}.t{self.name().rsplit('-', 1)[1]}"
        return self.calls.event_type.create({"name": name, "description": "", **fields})

    def send(self, app, **fields):
        message = {"event_type": "a.b", "payload": {"type": "a.b"}, **fields}
        return self.calls.message.create(app.id, message)

    def settled(self, app, message, count=1):
        """The message's deliveries, once each has ended."""

        def ended():
            states = self.calls.message_attempt.list_attempted_destinations(app.id, message.id).data
            done = all(int(state.status) in (0, 2, 4) for state in states)
            return len(states) == count and done and states

        return until(f"the deliveries of {message.id}", ended)

    def finished(self, task_id):
        """The background task, once it has ended well."""

        def ended():
            task = self.calls.background_task.get(task_id)
            assert task.status != "failed", task
            return task.status == "finished" and task

        return until(task_id, ended)

    def once(self, make):
        """What `make` prepares, prepared once for all checks."""
        if make not in self.kept:
            self.kept[make] = make(self)
        return self.kept[make]


def until(what, condition):
    """What `condition` gives, asked until it is something."""
    end = time.monotonic() + BOUND_SECONDS
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        threading.Event().wait(0.02)
    raise AssertionError(f"waited {BOUND_SECONDS} s for {what}")


def in_parallel(work, items):
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, items))


def refused(status, call, *arguments, **options):
    """The error of the library's own type that says so."""
    try:
        answer = call(*arguments, **options)
    except (HttpError, HTTPValidationError) as error:
        assert error.status_code == status, f"{error.status_code} for {status}: {error}"
        assert isinstance(error, HTTPValidationError) == (status == 422), repr(error)
        if status == 422:
            assert error.detail and error.detail[0].loc and error.detail[0].msg, error
        else:
            assert error.code and error.detail, error
        return error
    raise AssertionError(f"expected {status}, got {answer}")


def same(found, expected):
    assert found == expected, f"{found} is not {expected}"


def walk(page_of, limit, key="id"):
    """All items of a list, read forward; then back again, page by page, from the last."""
    pages = [page_of(limit=limit)]
    while not pages[-1].done:
        assert len(pages) <= 1000, "pages without end"
        assert len(pages[-1].data) == limit, "a page that is not the last is not full"
        pages.append(page_of(limit=limit, iterator=pages[-1].iterator))
    back = [pages[-1]]
    while len(back) < len(pages):
        back.append(page_of(limit=limit, iterator=back[-1].prev_iterator))
    forward = [[getattr(item, key) for item in page.data] for page in pages]
    backward = [[getattr(item, key) for item in page.data] for page in reversed(back)]
    same(backward, forward)
    items = [item for page in forward for item in page]
    same(len(set(items)), len(items))
    return items


def ago(**span):
    return datetime.now(timezone.utc) - timedelta(**span)


def find(calls, path):
    for part in path.split("."):
        try:
            calls = getattr(calls, part)
        except AttributeError:
            return None
    return calls


def not_yet(name, error, documented):
    """Whether the relay says so, or has no such call at all."""
    no_call = name.startswith("v1.") and name not in documented
    return no_call or getattr(error, "status_code", 0) == 501


def run(library, version, documented, into):
    """Makes every check and writes what became of each operation."""
    relay = Relay(f"py{version.split('.')[0]}")
    verdicts, failures = {}, {}
    for name, methods, check in CHECKS:
        found = [find(relay.calls, method) for method in methods]
        call = next((method for method in found if method), None)
        if call is None:
            verdicts.setdefault(name, "absent")
            continue
        try:
            check(relay, call)
            verdicts.setdefault(name, "pass")
        except Exception as error:  # every check is made, whatever became of the one before
            if not_yet(name, error, documented):
                verdicts[name] = "fail" if verdicts.get(name) == "fail" else "not yet"
                continue
            verdicts[name] = "fail"
            failures[f"{name} ({check.__name__})"] = traceback.format_exc()
    for name, trace in failures.items():
        print(f"{library} {version}: {name} failed\n{trace}")
    with open(into, "w") as file:
        json.dump({"library": library, "version": version, "operations": verdicts}, file)
    return not failures
