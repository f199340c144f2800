"""Receives what relay delivers: verifies each request and handles each message once.

    RELAY_SECRET=whsec_... PORT=3000 python3 receive.py
"""

import base64
import hashlib
import hmac
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_SECONDS = 300
BODY_LIMIT = 2 * 1024 * 1024

# Ids of the messages handled, the newest 10,000. In an application this is a table with a unique
# column, written in the same transaction as the work, so that both happen or neither.
handled = {}
lock = threading.Lock()


def verify(secret, headers, body, now):
    """Returns why the request is not relay's, or None. `body` is bytes, exactly as they came."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not message_id or "." in message_id:
        return "no webhook-id"
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return "no webhook-timestamp"
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return "webhook-timestamp is too far from the clock"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode("latin-1") + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # one signature for each secret while secrets are rotated: any that matches will do
    for item in headers.get("webhook-signature", "").split(" "):
        version, _, candidate = item.partition(",")
        if version == "v1" and hmac.compare_digest(candidate.encode("latin-1"), expected):
            return None
    return "no signature matches"


class Receiver(BaseHTTPRequestHandler):
    """Answers 2xx only when the message is handled; anything else, and relay tries again."""

    timeout = 30

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_LIMIT:
            return self.answer(413)
        body = self.rfile.read(int(length))
        problem = verify(os.environ["RELAY_SECRET"], self.headers, body, int(time.time()))
        if problem:
            print("refused:", problem, flush=True)
            return self.answer(401)
        message_id = self.headers["webhook-id"]
        with lock:
            # Delivery is at least once: an answer that got lost makes relay send the id again.
            if message_id in handled:
                print("duplicate", message_id, flush=True)
                return self.answer(204)
            text = body.decode(errors="replace")
            print("received", message_id, text, flush=True)  # your work goes here
            handled[message_id] = True
            if len(handled) > 10_000:
                del handled[next(iter(handled))]
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    os.environ.get("RELAY_SECRET") or sys.exit("set RELAY_SECRET to the endpoint's whsec_...")
    address = ("127.0.0.1", int(os.environ.get("PORT", "3000")))
    server = ThreadingHTTPServer(address, Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
