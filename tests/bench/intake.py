#!/usr/bin/env python3
"""How long a provider waits for its answer, in an open loop: signed events of GitHub at a steady
rate, each timed from when it was due.

    python3 tests/bench/intake.py URL SECRET [RATE [SECONDS]]     500 a second for 20 s

URL is what `relay source add` printed for a source of GitHub's. Asserts nothing."""

import asyncio
import hashlib
import hmac
import sys
import time
from urllib.parse import urlsplit

CONNECTIONS = 32
BODY = b'{"ref":"refs/heads/main","fill":"' + b"x" * 480 + b'"}'


async def sender(address, path, signature, queue, waited, refused):
    reader, writer = await asyncio.open_connection(*address)
    while (item := await queue.get()) is not None:
        due, number = item
        head = (
            f"POST {path} HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\n"
            f"x-github-event: push\r\nx-github-delivery: {time.time_ns()}-{number}\r\n"
            f"x-hub-signature-256: sha256={signature}\r\ncontent-length: {len(BODY)}\r\n\r\n"
        )
        writer.write(head.encode() + BODY)
        answer = await reader.readuntil(b"\r\n\r\n")
        lines = answer.lower().split(b"\r\n")
        lengths = [line for line in lines if line.startswith(b"content-length:")]
        if lengths:
            await reader.readexactly(int(lengths[0].split(b":")[1]))
        waited.append(time.perf_counter() - due)
        if lines[0].split(b" ")[1] != b"200":
            refused.append(lines[0])


async def main(url, secret, rate="500", seconds="20"):
    rate, seconds = int(rate), int(seconds)
    parts = urlsplit(url)
    signature = hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
    queue, waited, refused = asyncio.Queue(), [], []
    address = (parts.hostname, parts.port or 80)
    senders = [
        asyncio.create_task(sender(address, parts.path, signature, queue, waited, refused))
        for _ in range(CONNECTIONS)
    ]
    begun = time.perf_counter()
    for number in range(rate * seconds):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        queue.put_nowait((due, number))
    for _ in senders:
        queue.put_nowait(None)
    await asyncio.gather(*senders)
    waited.sort()
    at = {f"p{share * 100:g}": waited[int(len(waited) * share) - 1] for share in (0.5, 0.9, 0.99)}
    told = ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in at.items())
    print(f"{len(waited)} events, {len(refused)} not taken: {told}, max {waited[-1] * 1000:.1f} ms")


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
