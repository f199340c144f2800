"""Keeps what schemathesis makes on this machine."""

import os

import schemathesis

RECEIVER = os.environ["RECEIVER_URL"]


@schemathesis.hook
def map_body(context, body):
    """An endpoint anywhere else would be sent messages: it becomes one here."""
    if isinstance(body, dict):
        for part in [body, *listed(body.get("endpoint"))]:
            if leads_somewhere(part.get("url")):
                part["url"] = RECEIVER
    return body


def leads_somewhere(url):
    """Whether the relay could take it; what is too long is left for it to refuse."""
    return isinstance(url, str) and len(url) <= 2048 and url.lower().startswith(("http:", "https:"))


def listed(value):
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
