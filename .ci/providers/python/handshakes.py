"""What providers ask before they send, answered by relay as their libraries answer it."""

import json
import time

import braintree
import discord_interactions
from slack_bolt import App, BoltRequest
from slack_sdk.signature import SignatureVerifier

from harness import Seen, Sent, handshake
from messaging import Discord


def shaken(checks, source):
    """The newest request is a handshake, of which nothing was made."""
    request = source.newest()
    checks.same(f"the verdict of {request}", request["verdict"], "handshake")
    checks.same("the message made of it", request.get("msgId"), None)
    checks.true("nothing came to the receiver", source.is_empty())


def bolt(secret):
    return App(signing_secret=secret, authorize=lambda: None, token_verification_enabled=False)


@handshake("slack", "slack_bolt", secret="the signing secret")
def slack(checks, source):
    """Bolt and relay are asked the same: both give the challenge, or neither."""
    for secret, expected in ("the signing secret", 200), ("another", 401):
        body = json.dumps({"type": "url_verification", "token": "t", "challenge": "3eZbrw1a"})
        now = str(int(time.time()))
        signature = SignatureVerifier(secret).generate_signature(timestamp=now, body=body)
        headers = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": signature}
        sent = Sent(body.encode(), headers)
        theirs = bolt("the signing secret").dispatch(BoltRequest(body=body, headers=sent.named()))
        checks.same("the library's status", theirs.status, expected)
        status, _, answer = source.post(sent)
        checks.same(f"relay's status, with {answer!r}", status, expected)
        if expected == 200:
            # Slack takes the challenge as text or as a field of JSON
            checks.same("relay's answer", answer.decode(), json.loads(theirs.body)["challenge"])
            shaken(checks, source)


@handshake("braintree", "braintree", secret="the private key", public_key="public")
def braintree_challenge(checks, source):
    sandbox = braintree.Environment.Sandbox
    settings = braintree.Configuration(sandbox, "merchant", "public", "the private key")
    gateway = braintree.BraintreeGateway(settings)
    challenge = "20f9f8ed05f77439fe955c977e4c8a53"
    sent = Sent(b"", {}, f"?bt_challenge={challenge}")
    status, _, answer = source.post(sent, "GET")
    checks.same("the status", status, 200)
    checks.same("the answer", answer.decode(), gateway.webhook_notification.verify(challenge))
    shaken(checks, source)
    # what the library does not answer either
    for refused in ("20f9f8ed05f77439fe955c977e4c8a5!", "20f9"):
        checks.rejects("of what is no challenge",
                       lambda: gateway.webhook_notification.verify(refused))
        status, _, answer = source.post(Sent(b"", {}, f"?bt_challenge={refused}"), "GET")
        checks.true(f"{refused}: {status} {answer!r} is a refusal", 400 <= status < 500)


@handshake("discord", "discord-interactions", secret=Discord().secret(Discord.good))
def discord(checks, source):
    """Discord sends pings with a wrong signature too, and drops who answers those."""
    ping = discord_interactions.InteractionType.PING
    pong = {"type": discord_interactions.InteractionResponseType.PONG}
    for key, expected in (Discord.good, 200), (Discord.bad, 401):
        sent = Discord().sign(key, source.public_url, 1)
        sent.body = json.dumps({"id": "d1", "type": ping}).encode()
        now = sent.headers["X-Signature-Timestamp"]
        sent.headers["X-Signature-Ed25519"] = key.sign(now.encode() + sent.body).hex()
        seen = Seen(source.public_url, sent.named(), sent.body)
        checks.same("the library", Discord().verify(Discord.good, seen), expected == 200)
        status, _, answer = source.post(sent)
        checks.same(f"the status, with {answer!r}", status, expected)
        if expected == 200:
            checks.same("the answer", json.loads(answer), pong)
            shaken(checks, source)
