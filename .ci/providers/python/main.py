"""Proves a relay with providers' libraries for Python: main.py RESULTS."""

import sys

# importing them registers their cases
import payments  # noqa: F401
import messaging  # noqa: F401
import tools  # noqa: F401
import handshakes  # noqa: F401
from harness import run

sys.exit(0 if run(sys.argv[1]) else 1)
