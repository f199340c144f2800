"""What became of every operation with every library: table.py COLUMNS VERDICTS...

Prints it. With the verdicts of all COLUMNS libraries writes docs/compatibility.md too, and says so
when that changed. Ends with 1 when an operation failed.
"""

import json
import sys

DOCUMENT = "docs/compatibility.md"
WORDS = {"pass": "pass", "fail": "**fail**", "not yet": "not yet", "absent": "–"}
SIGNATURES = {
    "svix.webhook.verify": "the library's own `Webhook`, hmac",
    "standard-webhooks.hmac": "`standardwebhooks` of the language, hmac",
    "standard-webhooks.ed25519": "ed25519 of the language, as the specification says",
}
HEAD = """# Which calls work with which client library

Written by `.ci/run clients`: each library, as its registry gives it, drives a relay through every
operation of [openapi.json](openapi.json) that it has a method for. A check is of what the call
does: what was created comes back in every list, pages lead forward and back (over 250 applications,
endpoints, event types, messages and attempts; fewer of the rest), filters select, what is sent
again reaches a receiver. The checks are in `.ci/clients`.

- **pass**: every check of it passed.
- **not yet**: the library has a method for it, and relay answers 501 or has no such call.
- –: the library has no method for it.

## Operations

"""
SIGNED = """
## Signatures

What relay sends, verified at the receiver: text, UTF-8, control characters, 1 MiB, JSON. Bodies
that are no UTF-8 are not among them: the API takes a body as text.

"""


def documented():
    with open("docs/openapi.json") as file:
        paths = json.load(file)["paths"].values()
    calls = [call for path in paths for call in path.values() if isinstance(call, dict)]
    return [call["operationId"] for call in calls if "operationId" in call]


def rows(names, verdicts, title):
    """A table of `names`, each a pair of what is looked up and what is shown."""
    heads = [f"{each['library']} {each['version']}" for each in verdicts]
    yield "| " + " | ".join([title, *heads]) + " |\n"
    yield "|---" * (len(heads) + 1) + "|\n"
    for name, shown in names:
        found = [WORDS[each["operations"].get(name, "absent")] for each in verdicts]
        yield "| " + " | ".join([shown, *found]) + " |\n"


def main():
    columns, files = int(sys.argv[1]), sys.argv[2:]
    verdicts = [json.load(open(file)) for file in files]
    operations = documented()
    told = {name for each in verdicts for name in each["operations"]}
    later = [name for name in sorted(told) if name.startswith("v1.") and name not in operations]
    names = [(name, f"`{name.removeprefix('v1.')}`") for name in operations + later]
    signers = [each for each in verdicts if "svix.webhook.verify" in each["operations"]]
    table = [*rows(names, verdicts, "operation")]
    signatures = [*rows(SIGNATURES.items(), signers, "verified by")]
    text = HEAD + "".join(table) + SIGNED + "".join(signatures)
    print("".join(table + ["\n"] + signatures))
    if len(verdicts) == columns:
        keep(text)
    else:
        print(f"{DOCUMENT} stays as it is: {columns - len(verdicts)} libraries were not to be had")
    failed = any("fail" in each["operations"].values() for each in verdicts)
    sys.exit(1 if failed else 0)


def keep(text):
    try:
        with open(DOCUMENT) as file:
            before = file.read()
    except FileNotFoundError:
        before = ""
    if text != before:
        with open(DOCUMENT, "w") as file:
            file.write(text)
        print(f"WARNING: {DOCUMENT} has changed: commit it")


main()
