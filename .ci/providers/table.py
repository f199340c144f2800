"""What was proven with which libraries: table.py LANGUAGES RESULTS...

Prints it. With the results of all LANGUAGES languages writes the part of docs/providers.md that is
marked for it, and says so when that changed.
"""

import json
import sys

DOCUMENT = "docs/providers.md"
BEGIN, END = "<!-- of .ci/run providers -->\n", "<!-- to here -->\n"


def shown(row):
    """A library with its version; one that only verifies is told apart."""
    verifies = " *" if row.get("signed", "library") != "library" else ""
    return f"`{row['library']}` {row['version']}{verifies}"


def rows(results, kind):
    """A table of what is proven, by the `provider` of events or of a `handshake`."""
    yield f"| {kind} | " + " | ".join(each["language"] for each in results) + " |\n"
    yield "|---" * (len(results) + 1) + "|\n"
    providers = sorted({row[kind] for each in results for row in each["proven"] if kind in row})
    for provider in providers:
        cells = []
        for each in results:
            found = [shown(row) for row in each["proven"] if row.get(kind) == provider]
            # one library may prove a provider in several ways
            cells.append(", ".join(dict.fromkeys(found)) or "–")
        yield f"| `{provider}` | " + " | ".join(cells) + " |\n"


def main():
    languages, files = int(sys.argv[1]), sys.argv[2:]
    results = [json.load(open(file)) for file in files]
    table = "".join([*rows(results, "provider"), "\n", *rows(results, "handshake")])
    print(table)
    print(f"{sum(each['checks'] for each in results)} checks")
    if len(results) < languages:
        print(f"{DOCUMENT} stays as it is: not all libraries were to be had")
        return
    with open(DOCUMENT) as file:
        before = file.read()
    head, rest = before.split(BEGIN)
    text = head + BEGIN + table + END + rest.split(END)[1]
    if text != before:
        with open(DOCUMENT, "w") as file:
            file.write(text)
        print(f"WARNING: {DOCUMENT} has changed: commit it")


main()
