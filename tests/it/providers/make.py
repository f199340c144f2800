#!/usr/bin/env python3
"""Writes cases.json: requests as providers sign them, made with Python's own hmac and the package
cryptography from what each provider's documentation says, and vectors that providers published.

    python3 tests/it/providers/make.py > tests/it/providers/cases.json

Every valid case is followed by invalid ones: the body changed, another secret, the signature taken
away, and, where there is a time, a stale one. Keys that are drawn are drawn anew by each run.
"""

import base64
import hashlib
import hmac
import json
import urllib.parse

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

import special

NOW = 1795219200
URL = "https://relay.example.com/in/abc"
BODY = '{"id": "evt_1", "type": "a.b", "text": "Zoë"}\n'
SECRET = "a secret of theirs"
DOCUMENTED = "made from the documentation"

cases = []


def digest(name, content, key, encoding="hex"):
    made = hmac.new(key, content, name).digest()
    return made.hex() if encoding == "hex" else base64.b64encode(made).decode()


def add(provider, signed, headers, secret=SECRET, body=BODY, url=URL, method="POST", now=NOW,
        origin=DOCUMENTED, signature=None, stale=False, covers_body=True, other="another secret",
        later="stale", **fetched):
    """`signed` names the header that is taken away, None when the signature is in the body.
    `fetched` are the documents of URLs and the roots that are trusted. Gives a function that adds
    further cases."""
    case = dict(provider=provider, origin=origin, secret=secret, method=method, url=url,
                headers=headers, body=body, now=now, **fetched)

    def emit(what, expected, **changed):
        cases.append(dict(case, what=what, expected=expected, **changed))

    emit("as it is sent", "verified")
    emit("in twenty years" if stale else "in twenty years, as nothing is said of the time",
         later if stale else "verified", now=now + 20 * 365 * 86_400)
    if covers_body:
        emit("the body changed", "mismatch", body=body.replace("a", "b", 1))
    emit("another secret", "mismatch", secret=other)
    if signed:
        rest = [pair for pair in headers if pair[0].lower() != signed]
        emit("without its signature", "missing", headers=rest)
    emit("an empty secret", "secret", secret="")
    return emit


def over_body(provider, header, name="sha256", encoding="hex", prefix="", secret=SECRET,
              key=None, **more):
    key = secret.encode() if key is None else key
    made = prefix + digest(name, BODY.encode(), key, encoding)
    add(provider, header, [[header, made]], secret=secret, **more)


def timed(provider, header, content, value, encoding="hex", unit="s", time_header=None,
          secret=SECRET, key=None, name="sha256", more=(), **rest):
    key = secret.encode() if key is None else key
    stamp = {"s": str(NOW), "ms": str(NOW * 1000), "rfc3339": "2026-11-21T00:00:00Z"}[unit]
    made = digest(name, content(stamp).encode(), key, encoding)
    headers = [[header, value(stamp, made)]]
    if time_header:
        headers.append([time_header, stamp])
    headers += [list(pair) for pair in more]
    rest.setdefault("stale", True)
    add(provider, header, headers, secret=secret, **rest)


HEX_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WHSEC_KEY = base64.b64decode(WHSEC[6:])
OTHER_WHSEC = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

over_body("adyen-platforms", "hmacsignature", encoding="base64", secret=HEX_KEY,
          key=bytes.fromhex(HEX_KEY), other="00" * 32)
for provider, header, options in [
    ("asana", "x-hook-signature", {}),
    ("bitbucket", "x-hub-signature", {"prefix": "sha256="}),
    ("bitbucket-server", "x-hub-signature", {"prefix": "sha256="}),
    ("coinbase-commerce", "x-cc-webhook-signature", {}),
    ("dropbox", "x-dropbox-signature", {}),
    ("gitea", "x-gitea-signature", {}),
    ("github", "x-hub-signature-256", {"prefix": "sha256="}),
    ("gogs", "x-gogs-signature", {}),
    ("intercom", "x-hub-signature", {"prefix": "sha1=", "name": "sha1"}),
    ("jira", "x-hub-signature", {"prefix": "sha256="}),
    ("line", "x-line-signature", {"encoding": "base64"}),
    ("meta", "x-hub-signature-256", {"prefix": "sha256="}),
    ("notion", "x-notion-signature", {"prefix": "sha256="}),
    ("paystack", "x-paystack-signature", {"name": "sha512"}),
    ("razorpay", "x-razorpay-signature", {}),
    ("sentry", "sentry-hook-signature", {}),
    ("shopify", "x-shopify-hmac-sha256", {"encoding": "base64"}),
    ("typeform", "typeform-signature", {"prefix": "sha256=", "encoding": "base64"}),
    ("vercel", "x-vercel-signature", {"name": "sha1"}),
    ("woocommerce", "x-wc-webhook-signature", {"encoding": "base64"}),
    ("x", "x-twitter-webhooks-signature", {"prefix": "sha256=", "encoding": "base64"}),
    ("xero", "x-xero-signature", {"encoding": "base64"}),
]:
    over_body(provider, header, **options)
over_body("circleci", "circleci-signature", prefix="v1=")
over_body("pagerduty", "x-pagerduty-signature", prefix="v1=" + "0" * 64 + ",v1=")
made = digest("sha256", BODY.encode(), SECRET.encode(), "base64")
wrong = digest("sha256", BODY.encode(), b"the first key", "base64")
add("docusign", None, [["x-docusign-signature-1", wrong], ["x-docusign-signature-2", made]])

timed("calendly", "calendly-webhook-signature", lambda t: f"{t}.{BODY}",
      lambda t, made: f"t={t},v1={made}")
timed("coinbase-cdp", "x-hook0-signature", lambda t: f"{t}.{BODY}",
      lambda t, made: f"t={t},v0={made},h=x-a,v1=00")
timed("mux", "mux-signature", lambda t: f"{t}.{BODY}", lambda t, made: f"t={t},v1={made}")
timed("paddle", "paddle-signature", lambda t: f"{t}:{BODY}",
      lambda t, made: f"ts={t};h1={'0' * 64};h1={made}")
timed("stripe", "stripe-signature", lambda t: f"{t}.{BODY}",
      lambda t, made: f"t={t},v1={'0' * 64},v1={made},v0={'0' * 64}")
timed("slack", "x-slack-signature", lambda t: f"v0:{t}:{BODY}", lambda t, made: f"v0={made}",
      time_header="x-slack-request-timestamp")
timed("zoom", "x-zm-signature", lambda t: f"v0:{t}:{BODY}", lambda t, made: f"v0={made}",
      time_header="x-zm-request-timestamp")
timed("zendesk", "x-zendesk-webhook-signature", lambda t: t + BODY, lambda t, made: made,
      encoding="base64", unit="rfc3339", time_header="x-zendesk-webhook-signature-timestamp",
      secret="dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==")
timed("twitch", "twitch-eventsub-message-signature", lambda t: "m-1" + t + BODY,
      lambda t, made: f"sha256={made}", unit="rfc3339",
      time_header="twitch-eventsub-message-timestamp",
      more=[("twitch-eventsub-message-id", "m-1")])
timed("hubspot", "x-hubspot-signature-v3",
      lambda t: "POST" + "https://relay.example.com/in/abc?a=b:c" + BODY + t,
      lambda t, made: made, encoding="base64", unit="ms",
      time_header="x-hubspot-request-timestamp",
      url="https://relay.example.com/in/abc?a=b%3Ac")
for provider, family in [("standard-webhooks", "webhook"), ("gitlab-signing", "webhook"),
                         ("svix", "svix")]:
    timed(provider, f"{family}-signature", lambda t: f"msg_1.{t}.{BODY}",
          lambda t, made: f"v2,AAAA v1,{made}", encoding="base64",
          time_header=f"{family}-timestamp", secret=WHSEC, key=WHSEC_KEY,
          more=[(f"{family}-id", "msg_1")], other=OTHER_WHSEC)

made = hmac.new(SECRET.encode(), f"{NOW * 1000}.{BODY}".encode(), "sha256").digest()
made = base64.urlsafe_b64encode(made).decode().rstrip("=")
add("sanity", "sanity-webhook-signature",
    [["sanity-webhook-signature", f"t={NOW * 1000},v1={made}"]])

body = json.dumps({"action": "create", "webhookTimestamp": NOW * 1000})
add("linear", "linear-signature",
    [["linear-signature", digest("sha256", body.encode(), SECRET.encode())]], body=body,
    stale=True)
token = "0123456789" * 5
made = digest("sha256", f"{NOW}{token}".encode(), SECRET.encode())
add("mailgun", None, [], covers_body=False, body=json.dumps(
    {"signature": {"timestamp": str(NOW), "token": token, "signature": made}}))

made = digest("sha256", (URL + BODY).encode(), SECRET.encode(), "base64")
add("square", "x-square-hmacsha256-signature", [["x-square-hmacsha256-signature", made]])
made = digest("sha1", (BODY + URL).encode(), SECRET.encode(), "base64")
add("trello", "x-trello-webhook", [["x-trello-webhook", made]])
made = hashlib.sha256((SECRET + BODY).encode()).hexdigest()
add("hubspot-v1", "x-hubspot-signature",
    [["x-hubspot-signature", made], ["x-hubspot-signature-version", "v1"]])
made = hashlib.sha256((SECRET + "POST" + URL + BODY).encode()).hexdigest()
add("hubspot-v2", "x-hubspot-signature",
    [["x-hubspot-signature", made], ["x-hubspot-signature-version", "v2"]])
add("gitlab", "x-gitlab-token", [["x-gitlab-token", SECRET]], covers_body=False)
add("telegram", "x-telegram-bot-api-secret-token",
    [["x-telegram-bot-api-secret-token", SECRET]], covers_body=False)
add("okta", "authorization", [["authorization", SECRET]], covers_body=False)

payload = "PD94bWwgYQ==\n"
made = hmac.new(hashlib.sha1(SECRET.encode()).digest(), payload.encode(), "sha1").hexdigest()
body = urllib.parse.urlencode(
    {"bt_signature": f"other|{'0' * 40}&public|{made}", "bt_payload": payload})
add("braintree", None, [["content-type", "application/x-www-form-urlencoded"]], body=body,
    covers_body=False)

form = "b=2&a=1&a=0&a=1&c=%C3%AB+x"
content = URL + "a0a1b2cë x"
made = digest("sha1", content.encode(), SECRET.encode(), "base64")
add("twilio", "x-twilio-signature", body=form, headers=[
    ["x-twilio-signature", made], ["content-type", "application/x-www-form-urlencoded"]])
url = URL + "?bodySHA256=" + hashlib.sha256(BODY.encode()).hexdigest()
made = digest("sha1", url.replace(".com/", ".com:443/").encode(), SECRET.encode(), "base64")
add("twilio", "x-twilio-signature", url=url, headers=[
    ["x-twilio-signature", made], ["content-type", "application/json"]])

private = ed25519.Ed25519PrivateKey.generate()
raw = private.public_key().public_bytes_raw().hex()
add("discord", "x-signature-ed25519", secret=raw, stale=True, other="00" * 31 + "01", headers=[
    ["x-signature-ed25519", private.sign(f"{NOW}{BODY}".encode()).hex()],
    ["x-signature-timestamp", str(NOW)]])


def spki(key, encoding):
    return key.public_key().public_bytes(
        encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


private, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
der = serialization.Encoding.DER
body = BODY.replace("\n", "\r\n")
made = private.sign(f"{NOW}{body}".encode(), ec.ECDSA(hashes.SHA256()))
add("sendgrid", "x-twilio-email-event-webhook-signature", body=body, stale=True,
    secret=base64.b64encode(spki(private, der)).decode(),
    other=base64.b64encode(spki(other, der)).decode(), headers=[
        ["x-twilio-email-event-webhook-signature", base64.b64encode(made).decode()],
        ["x-twilio-email-event-webhook-timestamp", str(NOW)]])
private, other = (rsa.generate_private_key(65537, 2048) for _ in range(2))
pem = serialization.Encoding.PEM
made = private.sign(BODY.encode(), padding.PKCS1v15(), hashes.SHA256())
add("wise", "x-signature-sha256", secret=spki(private, pem).decode(),
    other=spki(other, pem).decode(),
    headers=[["x-signature-sha256", base64.b64encode(made).decode()]])

# Published.
add("github", "x-hub-signature-256", secret="It's a Secret to Everybody", body="Hello, World!",
    covers_body=False, origin="docs.github.com, Validating webhook deliveries, Testing",
    headers=[["X-Hub-Signature-256",
              "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"]])
add("slack", "x-slack-signature", secret="8f742231b10e8888abcd99yyyzzz85a5", now=1531420618,
    stale=True, origin="docs.slack.dev, Verifying requests from Slack",
    body="token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    "&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    "&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    "%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
    headers=[["X-Slack-Request-Timestamp", "1531420618"], ["X-Slack-Signature",
              "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"]])
add("twilio", "x-twilio-signature", secret="12345", origin="twilio.com/docs, Webhooks security",
    url="https://mycompany.com/myapp.php?foo=1&bar=2",
    body="CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309"
    "&To=%2B18005551212",
    headers=[["X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="],
             ["Content-Type", "application/x-www-form-urlencoded"]])
add("standard-webhooks", "webhook-signature", secret=WHSEC, now=1614265330, stale=True,
    body='{"test": 2432232314}', other=OTHER_WHSEC, covers_body=False,
    origin="test suites of the Standard Webhooks libraries", headers=[
        ["webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"], ["webhook-timestamp", "1614265330"],
        ["webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]])

special.add_all(add, cases)
print(json.dumps(cases, indent=1, ensure_ascii=False))
