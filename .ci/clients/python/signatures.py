"""What the sender signs, verified by the libraries for Standard Webhooks and by plain ed25519."""

import base64
import hmac

import standardwebhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from svix.webhooks import Webhook, WebhookVerificationError

from harness import operation, same

BODIES = {
    "text": ("just words", "text/plain"),
    "UTF-8": ("Zoë, 雪, \U0001f980\r\n", "text/plain; charset=utf-8"),
    "control characters": ("".join(map(chr, range(256))) + "\x00\x7f", "application/octet-stream"),
    "1 MiB": ("0123456789abcdef" * 65536, "text/plain"),
    "JSON": ('{ "b" : 1.00, "a":"\\u00e9" }', "application/json"),
}

# No text in any encoding that the libraries read: what is said of it is checked against the
# specification.
BINARY = (bytes(range(256)) * 2, "application/octet-stream")


def signed_content(headers, arrived):
    return f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + arrived


def delivered(relay, body, content_type, **fields):
    app = relay.application()
    hook = relay.receiver.hook()
    endpoint = relay.endpoint(app, hook, **fields)
    if isinstance(body, bytes):
        raw = {"rawPayloadBase64": base64.b64encode(body).decode()}
    else:
        raw = {"rawPayload": body}
        body = body.encode()
    raw["headers"] = {"content-type": content_type}
    relay.send(app, payload={}, transformations_params=raw)
    headers, arrived = hook.take()
    same((arrived, headers["content-type"]), (body, content_type))
    return relay.calls.endpoint.get_secret(app.id, endpoint.id).key, headers, arrived


@operation("standard-webhooks.hmac", "message.create")
def standard_webhooks_hmac(relay, call):
    for body, content_type in BODIES.values():
        secret, headers, arrived = delivered(relay, body, content_type)
        standardwebhooks.Webhook(secret).verify(arrived, headers, json_parse=False)
        changed = arrived[:-1] + b"?"
        try:
            standardwebhooks.Webhook(secret).verify(changed, headers, json_parse=False)
        except standardwebhooks.WebhookVerificationError:
            continue
        raise AssertionError("a body that was changed is verified")
    secret, headers, arrived = delivered(relay, *BINARY)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, signed_content(headers, arrived), "sha256")
    same(headers["webhook-signature"], "v1," + base64.b64encode(signature).decode())


@operation("standard-webhooks.ed25519", "message.create")
def standard_webhooks_ed25519(relay, call):
    """The library has no ed25519: checked against the specification."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    secret = "whsk_" + base64.b64encode(private.private_bytes_raw() + public).decode()
    for body, content_type in [*BODIES.values(), BINARY]:
        shown, headers, arrived = delivered(relay, body, content_type, secret=secret)
        same(shown, "whpk_" + base64.b64encode(public).decode())
        signed = signed_content(headers, arrived)
        version, signature = headers["webhook-signature"].split(",")
        same(version, "v1a")
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(shown[len("whpk_"):]))
        key.verify(base64.b64decode(signature), signed)


@operation("svix.webhook.verify", "message.create")
def svix_webhook_verify(relay, call):
    secret, headers, arrived = delivered(relay, *BODIES["JSON"])
    Webhook(secret).verify(arrived, headers)
    try:
        Webhook("whsec_" + "C" * 32).verify(arrived, headers)
    except WebhookVerificationError:
        return
    raise AssertionError("verified with another secret")
