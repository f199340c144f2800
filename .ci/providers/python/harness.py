"""What the proofs of providers' libraries for Python stand on: a relay, a receiver, the checks.

A case is a provider and a library of it: `sign` makes a request as the provider sends it, `verify`
asks the library whether that is from the provider. `run` declares a source and an endpoint for each
case in the relay's file, has it read again, and makes the same checks of every case.
"""

import importlib.metadata
import json
import os
import queue
import re
import secrets
import signal
import threading
import time
import traceback
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import standardwebhooks

BOUND_SECONDS = 30
# How the outside reaches the relay: what providers sign.
PUBLIC_URL = "https://hooks.example.com"
# Stands in every body; a body that was changed has the other word there.
GENUINE, CHANGED = "genuine", "altered"
ORIGINAL = "relay-original-"
CASES = []
HANDSHAKES = []


@dataclass
class Sent:
    """A request: what follows the source's URL, and what comes with it."""

    body: bytes
    headers: dict
    query: str = ""
    content_type: str = "application/json"

    def named(self):
        """All headers, with names in lower case."""
        names = {name.lower(): value for name, value in self.headers.items()}
        return {**names, "content-type": self.content_type}


@dataclass
class Seen:
    """What a receiver asks a library about: headers with names in lower case, and bytes."""

    url: str
    headers: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode()


class Case:
    """A provider and a library. `verify` returns a truth or raises."""

    provider = None
    library = None
    # who signed: "library", or what did so for want of it
    signed_by = "library"
    good, bad = "a secret of the proofs", "another secret"
    verified = True
    # a token says nothing of the body
    covers_body = True
    # whether it can be refused at all
    refuses = True
    refusal = 401
    reason = "mismatch"
    # settings of its source
    settings = {}

    def secret(self, key):
        """What the source is told of a key."""
        return key

    def sign(self, key, url, number):
        raise NotImplementedError

    def verify(self, key, seen):
        raise NotImplementedError

    def change(self, body):
        return body.replace(GENUINE.encode(), CHANGED.encode())


def case(made):
    CASES.append(made())
    return made


def handshake(provider, library, **settings):
    """Registers a function of (checks, source) that plays a provider's handshake."""

    def register(check):
        HANDSHAKES.append((provider, library, settings, check))
        return check

    return register


class Checks:
    """Counts what was checked; says what was expected and what came."""

    count = 0

    def same(self, what, found, expected):
        self.count += 1
        assert found == expected, f"{what}: expected {expected!r}, got {found!r}"

    def true(self, what, found):
        self.count += 1
        assert found, f"{what}: expected so, got {found!r}"

    def accepts(self, what, verify):
        self.count += 1
        found = verify()
        assert found is not False, f"{what}: expected the library to accept it, got {found!r}"

    def rejects(self, what, verify):
        """A library says no by returning False or by raising."""
        self.count += 1
        try:
            found = verify()
        except Exception:  # each library has its own
            return
        assert found is False, f"{what}: expected the library to reject it, got {found!r}"


class Receiver:
    """An HTTP server on this machine: a queue for each path."""

    def __init__(self):
        arrivals = self.arrivals = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                arrivals[self.path].put((headers, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, uid):
        self.arrivals[f"/{uid}"] = queue.Queue()
        return f"http://127.0.0.1:{self.server.server_port}/{uid}"


class Source:
    """One that is declared, with an endpoint that sees its messages alone."""

    def __init__(self, relay, uid, fields):
        self.relay, self.uid, self.fields = relay, uid, fields
        self.token = f"{uid}-{secrets.token_hex(16)}"
        self.public_url = f"{PUBLIC_URL}/in/{self.token}"
        self.signs = "whsec_" + secrets.token_hex(16)
        self.endpoint_url = relay.receiver.url(uid)

    def declared(self):
        """Lines of relay.toml; texts of JSON are texts of TOML."""
        source = {"uid": self.uid, "token": self.token, **self.fields}
        endpoint = {"uid": self.uid, "url": self.endpoint_url, "sources": [self.uid],
                    "secret": self.signs}
        for table, fields in ("source", source), ("endpoint", endpoint):
            yield f"[[{table}]]"
            yield from (f"{name} = {json.dumps(value)}" for name, value in fields.items())

    def post(self, sent, method="POST"):
        """Status, headers in lower case, body."""
        address = f"{self.relay.url}/in/{self.token}{sent.query}"
        body = sent.body if method not in ("GET", "HEAD", "OPTIONS") else None
        return self.relay.call(address, body, sent.named(), method)

    def newest(self):
        """The newest request as the API lists it."""
        return self.relay.api(f"/source/{self.uid}/request?limit=1")["data"][0]

    def take(self):
        return self.relay.receiver.arrivals[f"/{self.uid}"].get(timeout=BOUND_SECONDS)

    def is_empty(self):
        return self.relay.receiver.arrivals[f"/{self.uid}"].empty()


class Relay:
    """The relay that is proven."""

    def __init__(self):
        self.url = os.environ["RELAY_SERVER"]
        self.token = os.environ["RELAY_TOKEN"]
        self.receiver = Receiver()

    def call(self, address, body=None, headers=None, method="GET"):
        request = urllib.request.Request(address, body, headers or {}, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=BOUND_SECONDS)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, names, answer.read()

    def api(self, path):
        headers = {"authorization": f"Bearer {self.token}"}
        status, _, body = self.call(f"{self.url}/api/v1{path}", headers=headers)
        assert status == 200, f"GET {path}: expected 200, got {status} {body!r}"
        return json.loads(body)

    def declare(self, sources):
        """Puts them into the relay's file and has it read again."""
        with open(os.environ["RELAY_FILE"], "a") as file:
            file.writelines(f"{line}\n" for source in sources for line in source.declared())
        os.kill(int(os.environ["RELAY_PROCESS"]), signal.SIGHUP)
        wanted = {source.uid for source in sources}

        def applied():
            known = self.api("/source?limit=250")["data"]
            endpoints = self.api("/app/default/endpoint?limit=250")["data"]
            uids = [{one.get("uid") for one in page} for page in (known, endpoints)]
            return all(wanted <= each for each in uids)

        until("the declared sources and endpoints", applied)


def until(what, condition):
    end = time.monotonic() + BOUND_SECONDS
    while time.monotonic() < end:
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"waited {BOUND_SECONDS} s for {what}")


def received(headers):
    """Headers as the provider sent them: those that clash with relay's own were renamed."""
    renamed = {name.removeprefix(ORIGINAL): value for name, value in headers.items()
               if name.startswith(ORIGINAL)}
    return {**headers, **renamed}


def prove(checks, proven, source):
    """Everything that is checked of a case."""
    url = source.public_url
    sent = [proven.sign(proven.good, url, number) for number in (1, 2)]
    delivered(checks, proven, source, sent[0])
    if proven.refuses:
        forged = proven.sign(proven.bad, url, 3)
        asked = Seen(url + forged.query, forged.named(), forged.body)
        checks.accepts("of its own secret", lambda: proven.verify(proven.bad, asked))
        checks.rejects("of another secret", lambda: proven.verify(proven.good, asked))
        refused(checks, proven, source, forged, "another secret")
    if proven.covers_body:
        changed = proven.sign(proven.good, url, 4)
        body = proven.change(changed.body)
        checks.true("the body was changed", body != changed.body)
        changed.body = body
        asked = Seen(url + changed.query, changed.named(), body)
        checks.rejects("of a changed body", lambda: proven.verify(proven.good, asked))
        refused(checks, proven, source, changed, "a changed body")
    # after what was refused: had any of it been passed on, it would stand in front of this
    delivered(checks, proven, source, sent[1])
    status, _, body = source.post(sent[1])
    checks.true(f"sent again: {status} {body!r} is a success", 200 <= status < 300)
    checks.same("the verdict of what is sent again", source.newest()["verdict"], "duplicate")
    checks.true("nothing else came to the receiver", source.is_empty())


def delivered(checks, proven, source, sent):
    asked = Seen(source.public_url + sent.query, sent.named(), sent.body)
    checks.accepts("before it is sent", lambda: proven.verify(proven.good, asked))
    status, _, answer = source.post(sent)
    request = source.newest()
    checks.true(f"{status} {answer!r} is a success; {request}", 200 <= status < 300)
    checks.same(f"the verdict of {request}", request["verdict"], "accepted")
    headers, body = source.take()
    checks.same("the body that arrived", body, sent.body)
    checks.same("its content-type", headers["content-type"], sent.content_type)
    checks.same("relay-source", headers["relay-source"], source.uid)
    checks.same("relay-verified", headers["relay-verified"], str(proven.verified).lower())
    checks.same("the message", headers["webhook-id"], request["msgId"])
    arrived = Seen(source.public_url + sent.query, received(headers), body)
    checks.accepts("after it was delivered", lambda: proven.verify(proven.good, arrived))
    ours = standardwebhooks.Webhook(source.signs)
    checks.accepts("our own signature", lambda: ours.verify(body, headers, json_parse=False))


def refused(checks, proven, source, sent, what):
    status, _, answer = source.post(sent)
    request = source.newest()
    checks.same(f"{what}: {answer!r} {request}: the status", status, proven.refusal)
    checks.same(f"{what}: its verdict", request["verdict"], "refused")
    checks.same(f"{what}: the reason", request["reason"], proven.reason)
    checks.same(f"{what}: the message made of it", request.get("msgId"), None)


def uid_of(text):
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")


@dataclass
class Run:
    """What is proven, and what became of it."""

    relay: Relay
    count: int = 0
    failed: list = field(default_factory=list)
    proven: list = field(default_factory=list)

    def make(self, name, library, check):
        checks = Checks()
        try:
            check(checks)
        except Exception:  # every case is made, whatever became of the one before
            self.failed.append(name)
            print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
        else:
            print(f"{name}: {checks.count} checks", flush=True)
            self.proven.append(library)
        self.count += checks.count


def run(into):
    """Makes every check, and writes what was proven with what."""
    made = Run(Relay())
    sources = []
    for proven in CASES:
        uid = uid_of(f"{proven.library}-{type(proven).__name__}")
        fields = {"provider": proven.provider, **proven.settings}
        secret = proven.secret(proven.good)
        if secret is not None:
            fields["secret"] = secret
        sources.append(Source(made.relay, uid, fields))
    plays = [Source(made.relay, f"handshake-{provider}", {"provider": provider, **fields})
             for provider, _, fields, _ in HANDSHAKES]
    made.relay.declare(sources + plays)
    rows = []
    for proven, source in zip(CASES, sources):
        version = importlib.metadata.version(proven.library)
        name = f"{proven.provider}: {proven.library} {version} ({type(proven).__name__})"
        row = {"provider": proven.provider, "library": proven.library, "version": version,
               "signed": proven.signed_by}
        made.make(name, row, lambda checks: prove(checks, proven, source))
        rows.append(row)
    for (provider, library, _, check), source in zip(HANDSHAKES, plays):
        version = importlib.metadata.version(library)
        row = {"handshake": provider, "library": library, "version": version}
        name = f"handshake of {provider}: {library} {version}"
        made.make(name, row, lambda checks: check(checks, source))
        rows.append(row)
    with open(into, "w") as file:
        json.dump({"language": "Python", "checks": made.count, "proven": made.proven}, file)
    print(f"Python: {made.count} checks, {len(made.failed)} of {len(rows)} failed", flush=True)
    return not made.failed
