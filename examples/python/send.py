"""Sends a message through relay, safely: run it twice and it is still delivered once.

    RELAY_SERVER=http://127.0.0.1:8080 RELAY_TOKEN=sk_... python3 send.py 1042
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request


def send(relay, token, key, message):
    """Posts the message; tries again while relay can't be reached or answers 5xx, and only then."""
    request = urllib.request.Request(
        f"{relay}/api/v1/app/default/msg",
        data=json.dumps(message).encode(),
        headers={
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "idempotency-key": key,
        },
    )
    for pause in (0.1, 0.5, 2.5, None):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code < 500 or pause is None:
                sys.exit(f"{error.code}: {error.read().decode(errors='replace')}")
        except OSError as error:
            if pause is None:
                sys.exit(f"{relay}: {error}")
        time.sleep(pause)


def main():
    relay = os.environ.get("RELAY_SERVER", "http://127.0.0.1:8080")
    token = os.environ.get("RELAY_TOKEN") or sys.exit("set RELAY_TOKEN to a key of your relay")
    invoice = int(sys.argv[1]) if len(sys.argv) > 1 else 1042
    message = {
        "eventType": "invoice.paid",
        "payload": {"type": "invoice.paid", "data": {"invoice": invoice}},
    }
    # Made from what happened, not from chance: a second try after a crash has the same key, and
    # relay answers it as it answered the first.
    answer = send(relay, token, f"invoice-{invoice}-paid", message)
    print("accepted", answer["id"])


if __name__ == "__main__":
    main()
