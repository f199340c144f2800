#!/usr/bin/env python3
"""Writes handshakes.json: how providers ask whether an endpoint is one, and what has to be
answered, made with Python's own hmac from what each provider's documentation says.

    python3 tests/it/providers/handshakes.py > tests/it/providers/handshakes.json
"""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives.asymmetric import ed25519

import special

NOW = 1795219200
URL = "https://relay.example.com/in/0123456789abcdef"
SECRET = "a secret of theirs"
TEXT = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}
JSON = {"content-type": "application/json", "x-content-type-options": "nosniff"}
DOCUMENTED = "made from the documentation"

cases = []


def case(provider, what, expected, method="POST", query="", headers=(), body="", secrets=(SECRET,),
         origin=DOCUMENTED, url=URL, **setup):
    if isinstance(body, dict):
        body = json.dumps(body)
    cases.append(dict(
        provider=provider, what=what, origin=origin, now=NOW,
        setup=dict(dict(secrets=secrets, verify_token=None, public_key=None, set_up_mode=False),
                   **setup),
        method=method, url=url + query, headers=[list(pair) for pair in headers], body=body,
        expected=expected))


def answer(body="", headers=None, status=200):
    if isinstance(body, dict):
        body, headers = json.dumps(body, separators=(",", ":")), headers or JSON
    elif body and headers is None:
        headers = TEXT
    return dict(kind="answer", status=status, headers=headers or {}, body=body)


def adopt(secret, headers=None):
    return dict(answer("", headers), kind="adopt", secret=secret)


def refuse(reason, status=401):
    return dict(kind="refuse", status=status, reason=reason)


EVENT = dict(kind="none")


def mac(content, name="sha256", key=SECRET.encode()):
    return hmac.new(key, content.encode(), name)


# Slack
def slack(body, secret=SECRET, stamp=NOW):
    made = mac(f"v0:{stamp}:{json.dumps(body)}", key=secret.encode()).hexdigest()
    return [["x-slack-signature", f"v0={made}"], ["x-slack-request-timestamp", str(stamp)]]


body = {"token": "Jhj5", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
        "type": "url_verification"}
case("slack", "signed", answer(body["challenge"]), headers=slack(body), body=body)
case("slack", "not signed", refuse("missing"), body=body)
case("slack", "signed by another", refuse("mismatch"), headers=slack(body, "another"), body=body)
case("slack", "signed long ago", refuse("stale"), headers=slack(body, stamp=NOW - 999), body=body)
case("slack", "not signed, while it is set up", answer(body["challenge"]), body=body, secrets=(),
     set_up_mode=True)
page = dict(body, challenge="<script>alert(1)</script>")
case("slack", "a page, as text that no browser guesses about", answer(page["challenge"]),
     body=page, set_up_mode=True)
case("slack", "a line end", refuse("malformed"), body=dict(body, challenge="a\r\nb"),
     set_up_mode=True)
case("slack", "too long a one", refuse("malformed"), body=dict(body, challenge="a" * 4097),
     set_up_mode=True)
case("slack", "an event", EVENT, body={"type": "event_callback", "challenge": "a"})
case("slack", "no challenge", EVENT, body={"type": "url_verification"})
case("slack", "two types", EVENT,
     body='{"type":"event_callback","type":"url_verification","challenge":"a"}')


# Zoom
def zoom(body, stamp=NOW):
    made = mac(f"v0:{stamp}:{json.dumps(body)}").hexdigest()
    return [["x-zm-signature", f"v0={made}"], ["x-zm-request-timestamp", str(stamp)]]


def zoom_body(token):
    return {"payload": {"plainToken": token}, "event_ts": NOW * 1000,
            "event": "endpoint.url_validation"}


token = "qgg8vlvZRS6UYooatFL8Aw"
body = zoom_body(token)
made = {"encryptedToken": mac(token).hexdigest(), "plainToken": token}
case("zoom", "signed", answer(made), headers=zoom(body), body=body)
case("zoom", "not signed", refuse("missing"), body=body)
case("zoom", "not signed, while it is set up", answer(made), body=body, set_up_mode=True)
case("zoom", "no secret yet", refuse("secret"), body=body, secrets=(), set_up_mode=True)
case("zoom", "what events are signed as", refuse("malformed"),
     body=zoom_body(f'v0:{NOW}:{{"event":"meeting.ended"}}'), set_up_mode=True)
case("zoom", "the same, signed", refuse("malformed"), headers=zoom(zoom_body("v0:1:{}")),
     body=zoom_body("v0:1:{}"))
case("zoom", "an event", EVENT, body={"event": "meeting.ended"})

# Discord
private = ed25519.Ed25519PrivateKey.generate()
public = private.public_key().public_bytes_raw().hex()


def discord(body):
    return [["x-signature-ed25519", private.sign(f"{NOW}{json.dumps(body)}".encode()).hex()],
            ["x-signature-timestamp", str(NOW)]]


interaction = {"application_id": "1", "id": "2", "token": "t", "type": 1, "version": 1}
event = {"version": 1, "application_id": "1", "type": 0}
case("discord", "interaction", answer({"type": 1}), headers=discord(interaction),
     body=interaction, secrets=(public,))
case("discord", "webhook event", answer(status=204), headers=discord(event), body=event,
     secrets=(public,))
case("discord", "not signed as Discord tests it", refuse("missing"), body=interaction,
     secrets=(public,), set_up_mode=True)
case("discord", "of another key", refuse("mismatch"), headers=discord(interaction),
     body=interaction, secrets=("00" * 31 + "01",))
case("discord", "an event, whose type is 1 too", EVENT,
     body={"version": 1, "type": 1, "event": {"type": "ENTITLEMENT_CREATE"}})
case("discord", "an interaction", EVENT, body={"type": 2, "id": "1"})

# Echoes
case("dropbox", "asked", answer("abc-1"), method="GET", query="?challenge=abc-1")
case("dropbox", "a page", answer("<b>"), method="GET", query="?challenge=%3Cb%3E")
case("dropbox", "twice", EVENT, method="GET", query="?challenge=a&challenge=b")
case("dropbox", "an event", EVENT, query="?challenge=abc-1", body="{}")
case("okta", "asked", answer({"verification": "c-1"}), method="GET",
     headers=[["X-Okta-Verification-Challenge", "c-1"]])
case("okta", "a string that ends", answer({"verification": 'a","b":"'}), method="GET",
     headers=[["X-Okta-Verification-Challenge", 'a","b":"']])
case("okta", "twice", refuse("ambiguous"), method="GET",
     headers=[["X-Okta-Verification-Challenge", "a"], ["X-Okta-Verification-Challenge", "b"]])
case("okta", "an event", EVENT, body="{}", headers=[["X-Okta-Verification-Challenge", "c-1"]])
case("trello", "HEAD", answer(), method="HEAD")
case("trello", "an event", EVENT, body="{}")
case("intercom", "HEAD", answer(), method="HEAD")
body = {"type": "notification_event", "topic": "ping"}
signature = [["x-hub-signature", "sha1=" + mac(json.dumps(body), "sha1").hexdigest()]]
case("intercom", "ping", answer(), headers=signature, body=body)
case("intercom", "ping, not signed", refuse("missing"), body=body)

# Meta
meta = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
case("meta", "the token", answer("1158201444"), method="GET", query=meta + "meatyhamhock",
     verify_token="meatyhamhock", origin="developers.facebook.com, Webhooks, Getting started")
case("meta", "another token", refuse("mismatch", 403), method="GET", query=meta + "x",
     verify_token="meatyhamhock")
case("meta", "the app's secret", refuse("mismatch", 403), method="GET",
     query=meta + "a%20secret%20of%20theirs", verify_token="meatyhamhock")
case("meta", "no token agreed on", refuse("secret", 403), method="GET", query=meta)
case("meta", "an empty one agreed on", refuse("secret", 403), method="GET", query=meta,
     verify_token="")
case("meta", "no token sent", EVENT, method="GET",
     query="?hub.mode=subscribe&hub.challenge=1", verify_token="meatyhamhock")
case("meta", "two tokens sent", EVENT, method="GET",
     query=meta + "x&hub.verify_token=meatyhamhock", verify_token="meatyhamhock")

# X
made = base64.b64encode(mac("M2RkODJkZmMtYjlkYg").digest()).decode()
case("x", "asked", answer({"response_token": f"sha256={made}"}), method="GET",
     query="?crc_token=M2RkODJkZmMtYjlkYg&nonce=MTc2OTUxODI5MjkxNA")
for event in ["%7B%7D", "%7B%22a%22%3A1%7D", "a%26b", "%22a%22", "", "a" * 129, "%5B1%5D", "12345",
              "true", "a%3Db"]:
    case("x", f"an event's body: {event[:16]}", refuse("malformed"), method="GET",
         query=f"?crc_token={event}")
case("x", "no secret", refuse("secret"), method="GET", query="?crc_token=abc", secrets=())
case("x", "an event", EVENT, query="?crc_token=abc", body="{}")

# Braintree
challenge = "20f9f8ed05f77439fe955c977e4c8a53"
case("braintree", "asked", answer(
    "integration_public_key|d9b899556c966b3f06945ec21311865d35df3ce4"), method="GET",
     query=f"?bt_challenge={challenge}", secrets=("integration_private_key",),
     public_key="integration_public_key", origin="test suites of Braintree's libraries")
for payload in ["PD94bWwgYQ%3D%3D%0A", "20F9F8ED05F77439FE955C977E4C8A53", "20f9", "a" * 41, ""]:
    case("braintree", f"an event's payload: {payload[:16]}", refuse("malformed"), method="GET",
         query=f"?bt_challenge={payload}", public_key="public")
case("braintree", "no public key", refuse("secret"), method="GET",
     query=f"?bt_challenge={challenge}")

# Secrets that are handed out
case("asana", "the first", adopt("s3cret", {"x-hook-secret": "s3cret"}), secrets=(),
     headers=[["X-Hook-Secret", "s3cret"]])
case("asana", "a second, while it is set up", adopt("s3cret", {"x-hook-secret": "s3cret"}),
     headers=[["X-Hook-Secret", "s3cret"]], set_up_mode=True)
case("asana", "a second from anybody", refuse("settled"), headers=[["X-Hook-Secret", "theirs"]])
case("asana", "beside a signature", EVENT, body="{}", secrets=(),
     headers=[["X-Hook-Secret", "theirs"], ["X-Hook-Signature", "00"]])
case("asana", "two of them", refuse("ambiguous"), secrets=(),
     headers=[["X-Hook-Secret", "a"], ["X-Hook-Secret", "b"]])
case("asana", "an empty one", refuse("malformed"), secrets=(), headers=[["X-Hook-Secret", ""]])
token = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"
case("notion", "the first", adopt(token), secrets=(), body={"verification_token": token})
case("notion", "a second from anybody", refuse("settled"), body={"verification_token": token})
case("notion", "an event", EVENT, body={"id": "1"})


# Twitch
def twitch(body, kind="webhook_callback_verification"):
    made = mac("m-12026-11-21T00:00:00Z" + json.dumps(body)).hexdigest()
    return [["twitch-eventsub-message-id", "m-1"],
            ["twitch-eventsub-message-timestamp", "2026-11-21T00:00:00Z"],
            ["twitch-eventsub-message-signature", f"sha256={made}"],
            ["twitch-eventsub-message-type", kind]]


body = {"challenge": "pogchamp-kappa-360noscope-vohiyo", "subscription": {"id": "f1"}}
case("twitch", "signed", answer(body["challenge"]), headers=twitch(body), body=body)
case("twitch", "not signed, while it is set up", refuse("missing"), body=body,
     headers=[["twitch-eventsub-message-type", "webhook_callback_verification"]],
     set_up_mode=True)
case("twitch", "an event", EVENT, headers=twitch(body, "notification"), body=body)
# eBay
made = hashlib.sha256(f"c-1agreed{URL}".encode()).hexdigest()
case("ebay", "asked", answer({"challengeResponse": made}), method="GET",
     query="?challenge_code=c-1", verify_token="agreed")
case("ebay", "no token agreed on", refuse("secret", 412), method="GET",
     query="?challenge_code=c-1")
case("ebay", "a line end", refuse("malformed", 412), method="GET",
     query="?challenge_code=a%0Ab", verify_token="agreed")
case("ebay", "twice", EVENT, method="GET", query="?challenge_code=a&challenge_code=b",
     verify_token="agreed")
case("ebay", "an event", EVENT, body="{}", query="?challenge_code=c-1")

# Microsoft Graph
token = "Validation: Testing client application reachability for subscription Request-Id: 7"
case("microsoft-graph", "asked", answer(token), query="?validationToken=" + token.replace(" ", "+"))
case("microsoft-graph", "a page", answer("<script>alert(1)</script>"),
     query="?validationToken=%3Cscript%3Ealert(1)%3C%2Fscript%3E")
case("microsoft-graph", "a line end", refuse("malformed"), query="?validationToken=a%0d%0ab")
case("microsoft-graph", "an event", EVENT, body='{"value": []}')

# monday.com
body = {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}
case("monday", "asked", answer(body), body=body)
case("monday", "an event", EVENT, body={"challenge": "a", "event": {"type": "create_pulse"}})

# CloudEvents
granted = {"webhook-allowed-origin": "eventgrid.azure.net", "webhook-allowed-rate": "*",
           "allow": "OPTIONS, POST"}
for provider in ["cloudevents", "cloudevents-bearer"]:
    case(provider, "asked", answer("", granted), method="OPTIONS",
         headers=[["WebHook-Request-Origin", "eventgrid.azure.net"],
                  ["WebHook-Request-Rate", "120"]])
    case(provider, "two origins", refuse("ambiguous"), method="OPTIONS",
         headers=[["WebHook-Request-Origin", "a"], ["WebHook-Request-Origin", "b"]])
    case(provider, "a browser", EVENT, method="OPTIONS", headers=[["Origin", "https://a"]])
    case(provider, "an event", EVENT, body="{}", headers=[["WebHook-Request-Origin", "a"]])

case("github", "asked as CloudEvents do, where that is on", answer("", granted), method="OPTIONS",
     headers=[["WebHook-Request-Origin", "eventgrid.azure.net"]], cloud_events=True)
case("github", "asked as CloudEvents do, where it is off", EVENT, method="OPTIONS",
     headers=[["WebHook-Request-Origin", "eventgrid.azure.net"]])

# AWS SNS
sns = []
special.sns(special.recorder(sns))
for made in sns:
    if "a confirmation" in made["what"] or "passed off as a confirmation" in made["what"]:
        url = json.loads(made["body"])["SubscribeURL"]
        expected = refuse(made["expected"])
        if made["expected"] == "verified":
            expected = dict(answer(), kind="confirm", url=url)
        if url == "https://evil.example/" and made["expected"] == "verified":
            expected = refuse("key-url")
        case("aws-sns", made["what"], expected, headers=made["headers"], body=made["body"],
             secrets=[made["secret"]], documents=made["documents"])
        if made["what"] == "a confirmation":
            case("aws-sns", "before its certificate is fetched", refuse("key-wanted"),
                 body=made["body"], secrets=[made["secret"]])
    if made["what"] == "without a subject":
        case("aws-sns", "a notification", EVENT, body=made["body"], secrets=[made["secret"]])

case("github", "a ping is an event", EVENT, headers=[["x-github-event", "ping"]], body="{}")

print(json.dumps(cases, indent=1, ensure_ascii=False))
