"""Providers of messages: Slack, Twilio, SendGrid, LINE, Discord."""

import base64
import hashlib
import json
import time
import urllib.parse

import discord_interactions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from linebot.v3.webhook import SignatureValidator
from sendgrid.helpers.eventwebhook import EventWebhook
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

from harness import GENUINE, Case, Sent, case
from payments import HMAC, digest

FORM = "application/x-www-form-urlencoded"


@case
class SlackEvents(Case):
    provider, library = "slack", "slack_sdk"

    def body(self, number):
        event = {"token": "t", "team_id": "T1", "type": "event_callback", "event_id": f"Ev{number}",
                 "event": {"type": "app_mention", "text": f"{GENUINE} 雪"}}
        return json.dumps(event, ensure_ascii=False), "application/json"

    def sign(self, key, url, number):
        body, content_type = self.body(number)
        now = str(int(time.time()))
        signature = SignatureVerifier(key).generate_signature(timestamp=now, body=body)
        headers = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": signature}
        return Sent(body.encode(), headers, content_type=content_type)

    def verify(self, key, seen):
        return SignatureVerifier(key).is_valid_request(seen.body, seen.headers)


@case
class SlackCommand(SlackEvents):
    """A command comes as a form."""

    def body(self, number):
        return f"command=%2Fdeploy&text={GENUINE}+{number}&team_id=T1", FORM


@case
class TwilioForm(Case):
    provider, library = "twilio", "twilio"
    # with the port that is left out, as some of its systems sign
    port = ""

    def sign(self, key, url, number):
        form = {"MessageSid": f"SM{number}", "From": "+15551230001", "Body": f"{GENUINE} Zoë & co",
                "MediaUrl": "", "NumMedia": "0"}
        signed = url.replace(".example.com/", f".example.com{self.port}/")
        signature = RequestValidator(key).compute_signature(signed, form)
        headers = {"X-Twilio-Signature": signature, "I-Twilio-Idempotency-Token": f"i{number}"}
        return Sent(urllib.parse.urlencode(form).encode(), headers, content_type=FORM)

    def verify(self, key, seen):
        form = dict(urllib.parse.parse_qsl(seen.text, keep_blank_values=True))
        signature = seen.headers["x-twilio-signature"]
        return RequestValidator(key).validate(seen.url, form, signature)


@case
class TwilioFormWithPort(TwilioForm):
    port = ":443"


@case
class TwilioFormWithQuery(TwilioForm):
    """What the operator put behind the URL is signed as it was written."""

    query = "?team=a%20b&x=%C3%A9+1&y"

    def sign(self, key, url, number):
        sent = super().sign(key, url + self.query, number)
        sent.query = self.query
        return sent


class Repeated(dict):
    """A form as web frameworks have it, of which the library asks for all values of a name."""

    def getall(self, name):
        return self[name]


@case
class TwilioRepeated(TwilioForm):
    """Names that stand twice, with the same value and with others."""

    pairs = [("To", "b"), ("To", "a"), ("To", "b"), ("Body", GENUINE), ("a", "+1 2"), ("B", "")]

    def form(self, pairs):
        return Repeated({name: [value for key, value in pairs if key == name] for name, _ in pairs})

    def sign(self, key, url, number):
        pairs = [*self.pairs, ("MessageSid", f"SM{number}")]
        signature = RequestValidator(key).compute_signature(url, self.form(pairs))
        headers = {"X-Twilio-Signature": signature, "I-Twilio-Idempotency-Token": f"r{number}"}
        return Sent(urllib.parse.urlencode(pairs).encode(), headers, content_type=FORM)

    def verify(self, key, seen):
        form = self.form(urllib.parse.parse_qsl(seen.text, keep_blank_values=True))
        return RequestValidator(key).validate(seen.url, form, seen.headers["x-twilio-signature"])


@case
class TwilioJson(Case):
    provider, library = "twilio", "twilio"

    def sign(self, key, url, number):
        body = json.dumps([{"specversion": "1.0", "id": f"EZ{number}", "data": GENUINE}])
        query = "?bodySHA256=" + RequestValidator(key).compute_hash(body)
        signature = RequestValidator(key).compute_signature(url + query, {})
        return Sent(body.encode(), {"X-Twilio-Signature": signature}, query)

    def verify(self, key, seen):
        signature = seen.headers["x-twilio-signature"]
        return RequestValidator(key).validate(seen.url, seen.text, signature)


@case
class SendGrid(Case):
    provider, library, signed_by = "sendgrid", "sendgrid", "ECDSA of cryptography"
    good, bad = (ec.derive_private_key(number, ec.SECP256R1()) for number in (1234567, 7654321))

    def secret(self, key):
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def sign(self, key, url, number):
        events = [{"sg_event_id": f"g{number}-{each}", "event": "delivered", "note": GENUINE}
                  for each in range(3)]
        body, now = json.dumps(events).encode() + b"\r\n", str(int(time.time()))
        signature = key.sign(now.encode() + body, ec.ECDSA(hashes.SHA256()))
        headers = {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": now,
        }
        return Sent(body, headers)

    def verify(self, key, seen):
        return EventWebhook(self.secret(key)).verify_signature(
            seen.text,
            seen.headers["x-twilio-email-event-webhook-signature"],
            seen.headers["x-twilio-email-event-webhook-timestamp"],
        )


@case
class Line(Case):
    provider, library, signed_by = "line", "line-bot-sdk", HMAC

    def sign(self, key, url, number):
        event = {"type": "message", "webhookEventId": f"L{number}", "message": {"text": GENUINE}}
        body = json.dumps({"destination": "U1", "events": [event]})
        signature = base64.b64encode(digest(key, body)).decode()
        return Sent(body.encode(), {"X-Line-Signature": signature})

    def verify(self, key, seen):
        return SignatureValidator(key).validate(seen.text, seen.headers["x-line-signature"])


@case
class Discord(Case):
    provider, library, signed_by = "discord", "discord-interactions", "Ed25519 of cryptography"
    good, bad = (Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
                 for seed in (b"one", b"another"))

    def secret(self, key):
        return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def sign(self, key, url, number):
        body = json.dumps({"id": f"d{number}", "type": 2, "data": {"name": GENUINE}}).encode()
        now = str(int(time.time()))
        headers = {"X-Signature-Ed25519": key.sign(now.encode() + body).hex(),
                   "X-Signature-Timestamp": now}
        return Sent(body, headers)

    def verify(self, key, seen):
        return discord_interactions.verify_key(
            seen.body,
            seen.headers["x-signature-ed25519"],
            seen.headers["x-signature-timestamp"],
            self.secret(key),
        )
