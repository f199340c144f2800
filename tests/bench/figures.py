#!/usr/bin/env python3
"""The figures of docs/performance.md, each from a fresh relay on this machine.

    HOOKBENCH=path/to/hookbench python3 tests/bench/figures.py RELAY SCENARIO...

RELAY is a release binary. HOOKBENCH is the load tool: its receiver, its generator and relay share
the machine. Prints a line of JSON a run; asserts nothing. `all` runs every scenario but `hour`."""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

TOOL = os.environ.get("HOOKBENCH", "hookbench")
SINK = "http://127.0.0.1:59000"
SINK_PORTS = 200
BACKLOG = int(os.environ.get("BACKLOG", "1000000"))
# Of the steady load: messages a second, for so long, in windows of so many seconds, over a cap.
RATE = int(os.environ.get("RATE", "6000"))
MINUTES = int(os.environ.get("MINUTES", "60"))
WINDOW = 30
CAP = os.environ.get("CAP", "4 GiB")
TEMPLATE = '{"eventType":"bench.event","payload":{{event}}}'


class Relay:
    """A relay over a folder of its own."""

    def __init__(self, binary, **settings):
        self.binary, self.settings = binary, settings
        self.folder = tempfile.mkdtemp(prefix="relay-figures-")
        self.process = None
        self.ready_after = self.start()

    def start(self):
        environment = dict(os.environ, RELAY__SERVER__LISTEN="127.0.0.1:0", RELAY_LOG="warn")
        environment["RELAY__DATA__DIR"] = self.folder + "/data"
        environment["RELAY__GUARD__ALLOW"] = "127.0.0.0/8"
        environment["RELAY__AUTH__OPERATOR_KEY"] = self.key = "sk_" + "figures0" * 5
        environment.update({name.upper(): value for name, value in self.settings.items()})
        begun = time.perf_counter()
        self.log = open(self.folder + "/log", "ab+")
        self.process = subprocess.Popen(
            [self.binary, "serve"], cwd=self.folder, env=environment,
            stdout=self.log, stderr=self.log)
        self.base = None
        while self.base is None:
            self.base = self.listening()
            if self.process.poll() is not None:
                sys.exit(open(self.folder + "/log").read())
            time.sleep(0.005)
        while not self.is_ready():
            time.sleep(0.005)
        return time.perf_counter() - begun

    def listening(self):
        return self.address_of(self.process.pid)

    @staticmethod
    def address_of(pid):
        try:
            inodes = set()
            for fd in os.listdir(f"/proc/{pid}/fd"):
                try:
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                except OSError:
                    continue
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
            for line in open("/proc/net/tcp").readlines()[1:]:
                parts = line.split()
                if parts[3] == "0A" and parts[9] in inodes:
                    return "http://127.0.0.1:%d" % int(parts[1].split(":")[1], 16)
        except OSError:
            pass
        return None

    def is_ready(self):
        try:
            return urllib.request.urlopen(self.base + "/readyz", timeout=5).status == 200
        except OSError:
            return False

    def api(self, method, path, body=None):
        request = urllib.request.Request(
            self.base + "/api/v1" + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": "Bearer " + self.key, "content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def application(self, uid, urls, **more):
        self.api("POST", "/app", {"name": uid, "uid": uid, **more})
        for url in urls:
            self.api("POST", f"/app/{uid}/endpoint", {"url": url})

    def messages(self, uid):
        return f"{self.base}/api/v1/app/{uid}/msg/?with_content=false"

    def status(self):
        fields = {}
        for line in open(f"/proc/{self.process.pid}/status"):
            name, _, value = line.partition(":")
            if name in ("VmRSS", "VmHWM"):
                fields[name] = round(int(value.split()[0]) / 1024)
            elif name == "Threads":
                fields[name] = int(value)
        return fields

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def disk(self):
        return round(sum(
            os.stat(os.path.join(root, name)).st_blocks * 512
            for root, _, names in os.walk(self.folder) for name in names) / 2**20)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()

    def end(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder)


def load(relay, label, *flags, url=None, run=True, template=TEMPLATE):
    urls = url or [relay.messages("bench")]
    command = [TOOL, "run" if run else "load"]
    if run:
        command += ["--sink-url", SINK, "--pid", f"relay={relay.process.pid}", "--label", label]
    for one in urls:
        command += ["--url", one]
    command += ["--header", "authorization: Bearer " + relay.key]
    command += ["--body-template", template]
    return command + [str(flag) for flag in flags]


def measured(*arguments, **named):
    done = subprocess.run(load(*arguments, **named), capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def middle(*arguments, times=5):
    """Medians of several runs: one differs from the next by more than what is looked for."""
    runs = [measured(*arguments) for _ in range(times)]
    names = runs[0]["latency_ms"]
    latency = {name: statistics.median(run["latency_ms"][name] for run in runs) for name in names}
    return {**runs[-1], "latency_ms": latency}


def show(name, result, relay=None, **more):
    line = {"scenario": name}
    keep = ("ack_ms", "deliveries_per_s", "cpu_ms_per_delivery", "latency_ms", "hung_attempts")
    line.update({key: result[key] for key in keep if key in result})
    procs = result.get("procs", {})
    if "relay" in procs:
        line["relay"] = procs["relay"]
    if relay:
        line.update(relay.status())
    print(json.dumps({**line, **more}), flush=True)


def one(binary):
    relay = Relay(binary)
    relay.application("bench", [SINK + "/e/0"])
    show("one", measured(relay, "one", "--events", 80000, "--concurrency", 64), relay)
    relay.end()


def fan(binary):
    for events in (2000, 2000, 2000, 20000):
        relay = Relay(binary)
        relay.application("bench", [f"http://127.0.0.1:{59000 + i}/e/{i}" for i in range(10)])
        flags = ("--events", events, "--concurrency", 64, "--fanout", 10)
        show(f"fan-out 10, {events} messages", measured(relay, "fan", *flags), relay)
        relay.end()


def steady(binary):
    relay = Relay(binary)
    relay.application("bench", [SINK + "/e/0"])
    flags = ("--events", 8000, "--rate", 400, "--concurrency", 64)
    show("400/s", measured(relay, "steady", *flags), relay)
    relay.end()


def slow(binary):
    relay = Relay(binary)
    relay.application("bench", [SINK + "/slow/100/0"])
    show("slow 100 ms", measured(relay, "slow", "--events", 60000, "--concurrency", 64), relay)
    relay.end()


def hang(binary):
    for rate in (50, 400):
        for hanging in (0, 1):
            relay = Relay(binary)
            urls = [f"http://127.0.0.1:{59000 + i}/e/{i}" for i in range(9)]
            relay.application("bench", urls + ["http://127.0.0.1:59009/hang/9"] * hanging)
            show(f"{rate}/s, {hanging} of ten hangs", measured(
                relay, "hang", "--events", rate * 20, "--rate", rate, "--concurrency", 64,
                "--fanout", 9, "--idle-wait-s", 45), relay)
            relay.end()


def half(binary):
    for hanging in (0, 100):
        relay = Relay(binary)
        uids = [f"app{i}" for i in range(200)]
        for i, uid in enumerate(uids):
            kind = "hang" if i < hanging else "e"
            relay.application(uid, [f"http://127.0.0.1:{59000 + i}/{kind}/{i}"])
        # The healthy ones get 100 messages a second in both runs, the others as many.
        good = [relay.messages(uid) for uid in uids[100:]]
        bad = [relay.messages(uid) for uid in uids[:100]]
        other = None
        if hanging:
            flags = ("--events", 6000, "--rate", 200, "--concurrency", 4)
            other = subprocess.Popen(
                load(relay, "bad", *flags, url=bad, run=False), stdout=subprocess.DEVNULL)
            time.sleep(5)
        flags = ("--events", 4000, "--rate", 200, "--concurrency", 4)
        show(f"{hanging} of 200 hang", measured(relay, "half", *flags, url=good), relay)
        if other:
            other.kill()
        relay.end()


def tenants(binary):
    for backlog in (0, BACKLOG):
        relay = Relay(binary)
        uids = [f"t{i}" for i in range(10)]
        for i, uid in enumerate(uids):
            relay.application(uid, [f"http://127.0.0.1:{59000 + i}/e/{i}"])
        if backlog:
            # Of one tenant, all due at once while the others send.
            due_at_once(relay, "t0", backlog)
        show(f"ten tenants, one with {backlog} waiting", measured(
            relay, "tenants", "--events", 3600, "--rate", 180, "--concurrency", 64, "--fanout", 1,
            url=[relay.messages(uid) for uid in uids[1:]]), relay, delivered=delivered(relay))
        relay.end()


def due_at_once(relay, uid, count):
    """Fills an application with messages and returns when all of them become due."""
    at = time.time() + 15 + count / 15000
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    template = '{"eventType":"bench.event","deliverAt":"%s","payload":{{event}}}' % stamp
    flags = ("--events", count, "--concurrency", 64)
    filled = load(relay, "fill", *flags, url=[relay.messages(uid)], run=False, template=template)
    subprocess.run(filled, stdout=subprocess.DEVNULL, check=True)
    while time.time() < int(at):
        time.sleep(0.01)


def delivered(relay):
    name = b'relay_deliveries_total{outcome="delivered"} '
    for line in urllib.request.urlopen(relay.base + "/metrics", timeout=30).read().splitlines():
        if line.startswith(name):
            return int(float(line[len(name):]))
    return 0


def drain(binary):
    """How fast what waited is delivered, beside how fast what is fresh is."""
    relay = Relay(binary)
    relay.application("bench", [SINK + "/e/0"])
    due_at_once(relay, "bench", BACKLOG)
    begun, before = time.time(), relay.cpu()
    while delivered(relay) < BACKLOG:
        time.sleep(0.2)
    took = time.time() - begun
    each = round((relay.cpu() - before) * 1000 / BACKLOG, 4)
    line = {"scenario": f"{BACKLOG} due at once", "deliveries_per_s": round(BACKLOG / took)}
    print(json.dumps({**line, "cpu_ms_per_delivery": each, **relay.status()}), flush=True)
    relay.end()


def dead(binary):
    relay = Relay(binary)
    relay.application("dead", ["http://127.0.0.1:59999/"])
    relay.application("bench", [SINK + "/e/0"])
    flags = ("--events", 2000, "--rate", 200, "--concurrency", 16)
    show("beside nothing", middle(relay, "before", *flags), relay)
    flags_dead = ("--events", BACKLOG, "--concurrency", 64)
    filled = load(relay, "dead", *flags_dead, url=[relay.messages("dead")], run=False)
    print(subprocess.run(filled, capture_output=True, text=True, check=True).stdout.strip())
    # The first while what was taken in goes on into the index, the second when it is there.
    for when in ("just taken in", "waiting"):
        result = middle(relay, "beside", *flags)
        show(f"beside {BACKLOG} {when}", result, relay, disk=relay.disk())
    relay.stop(signal.SIGKILL)
    ready = relay.start()
    show(f"after a kill, ready in {ready:.2f} s", measured(relay, "again", *flags), relay)
    relay.end()


def many(binary):
    relay = Relay(binary)
    applications, each = 10_000, 10
    begun = time.time()
    for i in range(applications):
        ports = [59000 + (i * each + n) % SINK_PORTS for n in range(each)]
        urls = [f"http://127.0.0.1:{port}/e/{n}" for n, port in enumerate(ports)]
        relay.application(f"m{i}", urls)
    made = round(time.time() - begun)
    urls = [relay.messages(f"m{i}") for i in range(0, applications, 100)]
    flags = ("--events", 6000, "--rate", 300, "--concurrency", 4, "--fanout", each)
    result = measured(relay, "many", *flags, url=urls)
    show(f"{applications * each} endpoints, made in {made} s", result, relay, disk=relay.disk())
    relay.stop()
    ready = relay.start()
    # It listens elsewhere now.
    urls = [relay.messages(f"m{i}") for i in range(0, applications, 100)]
    show(f"after a stop, ready in {ready:.2f} s", measured(relay, "many", *flags, url=urls), relay)
    relay.end()


def slow_steady(binary):
    relay = Relay(binary)
    relay.application("bench", [SINK + "/slow/100/0"])
    flags = ("--events", 80000, "--rate", 4000, "--concurrency", 64)
    show("4,000/s to 100 ms", measured(relay, "slow", *flags), relay)
    relay.end()


def hour(binary):
    """Steady load; a line for each window. `python3 tests/bench/chart.py` draws them."""
    relay = Relay(binary, RELAY__RETENTION__MAX_BYTES=CAP)
    relay.application("bench", [SINK + "/e/0"])
    flags = ("--events", RATE * WINDOW, "--rate", RATE, "--concurrency", 64)
    begun, before = time.time(), relay.cpu()
    for _ in range(MINUTES * 60 // WINDOW):
        result = measured(relay, "hour", *flags)
        now = relay.cpu()
        show("steady", {"latency_ms": result["latency_ms"]}, relay, disk=relay.disk(),
             seconds=round(time.time() - begun), cpu=round(now - before, 1), lost=result["lost"],
             errors=result["ingest"]["errors"], deliveries=result["delivered"])
        before = now
    relay.end()


SCENARIOS = {run.__name__: run for run in (
    one, fan, steady, slow, slow_steady, hang, half, tenants, dead, drain, many, hour)}


def main():
    binary, *names = sys.argv[1:] or sys.exit(__doc__)
    sink = subprocess.Popen([TOOL, "sink", "--port", "59000", "--ports", str(SINK_PORTS)],
                            stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        every = [name for name in SCENARIOS if name != "hour"]
        for name in every if names == ["all"] else names:
            SCENARIOS[name](os.path.abspath(binary))
    finally:
        sink.kill()


main()
