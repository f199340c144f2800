"""Drives a relay with the Svix library for Python: main.py VERDICTS."""

import importlib.metadata
import json
import sys

# importing them registers their checks
import applications  # noqa: F401
import endpoints  # noqa: F401
import event_types  # noqa: F401
import filters  # noqa: F401
import messages  # noqa: F401
import operational  # noqa: F401
import operator_calls  # noqa: F401
import replays  # noqa: F401
import signatures  # noqa: F401
import sources  # noqa: F401
from harness import run


def documented():
    """The operations of docs/openapi.json."""
    with open("docs/openapi.json") as file:
        paths = json.load(file)["paths"].values()
    methods = [method for path in paths for method in path.values() if isinstance(method, dict)]
    return {method["operationId"] for method in methods if "operationId" in method}


passed = run("Python", importlib.metadata.version("svix"), documented(), sys.argv[1])
sys.exit(0 if passed else 1)
