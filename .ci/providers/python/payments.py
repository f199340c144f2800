"""Providers of payments: their events, signed and verified by their libraries."""

import base64
import hashlib
import hmac
import json
import time
import urllib.parse
from types import SimpleNamespace

import Adyen.util
import braintree
import coinbase_commerce.webhook
import razorpay.utility
import stripe
from paddle_billing.Notifications import Secret, Verifier
from square.utils.webhooks_helper import verify_signature

from harness import CHANGED, GENUINE, Case, Sent, case

HMAC = "hmac of Python"


def digest(key, text):
    return hmac.digest(key.encode(), text.encode(), "sha256")


@case
class Stripe(Case):
    provider, library = "stripe", "stripe"
    good, bad = "whsec_of_the_proofs", "whsec_of_another"

    def sign(self, key, url, number):
        event = {"id": f"evt_{number}", "object": "event", "type": "charge.succeeded",
                 "data": {"object": {"id": "ch_1", "description": f"{GENUINE} Zoë"}}}
        body = json.dumps(event, indent=2, ensure_ascii=False)
        header = stripe.WebhookSignature.generate_signature_header(body, key)
        return Sent(body.encode(), {"Stripe-Signature": header})

    def verify(self, key, seen):
        event = stripe.Webhook.construct_event(seen.body, seen.headers["stripe-signature"], key)
        return event.type == "charge.succeeded"


@case
class AdyenPayments(Case):
    provider, library = "adyen", "Adyen"
    good, bad = "44782DEF" * 8, "DFB1EB54" * 8

    def sign(self, key, url, number):
        item = {
            "pspReference": f"psp{number}", "originalReference": "",
            "merchantAccountCode": "TestMerchant", "merchantReference": f"{GENUINE}-1",
            "amount": {"value": 1130, "currency": "EUR"}, "eventCode": "AUTHORISATION",
            "success": "true", "eventDate": "2026-11-21T10:00:00+01:00",
        }
        signature = Adyen.util.generate_notification_sig(item, key).decode()
        item["additionalData"] = {"hmacSignature": signature}
        items = [{"NotificationRequestItem": item}]
        return Sent(json.dumps({"live": "false", "notificationItems": items}).encode(), {})

    def verify(self, key, seen):
        return Adyen.util.is_valid_hmac_notification(json.loads(seen.body), key)


@case
class AdyenPlatforms(Case):
    provider, library = "adyen-platforms", "Adyen"
    good, bad = "44782DEF" * 8, "DFB1EB54" * 8

    def sign(self, key, url, number):
        event = {"eventId": f"e{number}", "type": "balancePlatform.transfer.created",
                 "data": {"description": GENUINE}}
        body = json.dumps(event).encode()
        signature = Adyen.util.generate_payload_sig(body, key).decode()
        return Sent(body, {"HmacSignature": signature, "Protocol": "HmacSHA256"})

    def verify(self, key, seen):
        return Adyen.util.is_valid_hmac_payload(seen.headers["hmacsignature"], key, seen.body)


@case
class Braintree(Case):
    provider, library = "braintree", "braintree"
    good, bad = "a private key of the proofs", "another private key"

    def gateway(self, key):
        return braintree.BraintreeGateway(
            braintree.Configuration(braintree.Environment.Sandbox, "merchant", "public", key)
        )

    def sign(self, key, url, number):
        kind = braintree.WebhookNotification.Kind.SubscriptionWentPastDue
        name = f"{GENUINE}-{number}"
        sample = self.gateway(key).webhook_testing.sample_notification(kind, name)
        body = urllib.parse.urlencode(sample).encode()
        return Sent(body, {}, content_type="application/x-www-form-urlencoded")

    def verify(self, key, seen):
        form = dict(urllib.parse.parse_qsl(seen.text))
        gateway = self.gateway(key).webhook_notification
        notification = gateway.parse(form["bt_signature"], form["bt_payload"])
        return notification.subscription.id.startswith(GENUINE)

    def change(self, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        inside = base64.b64decode(form["bt_payload"]).decode().replace(GENUINE, CHANGED)
        form["bt_payload"] = base64.encodebytes(inside.encode()).decode()
        return urllib.parse.urlencode(form).encode()


@case
class CoinbaseCommerce(Case):
    provider, library = "coinbase-commerce", "coinbase-commerce"
    signed_by = HMAC

    def sign(self, key, url, number):
        event = {"id": str(number), "event": {"id": f"c{number}", "type": "charge:confirmed",
                                              "resource": "event", "note": GENUINE}}
        body = json.dumps(event)
        return Sent(body.encode(), {"X-CC-Webhook-Signature": digest(key, body).hex()})

    def verify(self, key, seen):
        signature = seen.headers["x-cc-webhook-signature"]
        found = coinbase_commerce.webhook.Webhook.construct_event(seen.text, signature, key)
        return found.type == "charge:confirmed"


@case
class Paddle(Case):
    provider, library, signed_by = "paddle", "paddle-python-sdk", HMAC
    good, bad = "pdl_ntfset_of_the_proofs", "pdl_ntfset_of_another"

    def sign(self, key, url, number):
        event = {"event_id": f"evt_{number}", "event_type": "transaction.paid", "note": GENUINE}
        body, now = json.dumps(event), int(time.time())
        signature = f"ts={now};h1={digest(key, f'{now}:{body}').hex()}"
        return Sent(body.encode(), {"Paddle-Signature": signature})

    def verify(self, key, seen):
        headers = {"Paddle-Signature": seen.headers["paddle-signature"]}
        request = SimpleNamespace(headers=headers, body=seen.body)
        # its own default is 5 s, which a busy machine may need
        return Verifier(300).verify(request, Secret(key))


@case
class Razorpay(Case):
    provider, library, signed_by = "razorpay", "razorpay", HMAC

    def sign(self, key, url, number):
        event = {"entity": "event", "event": "payment.captured", "note": f"{GENUINE} {number}"}
        body = json.dumps(event)
        headers = {"X-Razorpay-Signature": digest(key, body).hex(),
                   "X-Razorpay-Event-Id": f"r{number}"}
        return Sent(body.encode(), headers)

    def verify(self, key, seen):
        signature = seen.headers["x-razorpay-signature"]
        return razorpay.utility.Utility().verify_webhook_signature(seen.text, signature, key)


@case
class Square(Case):
    provider, library, signed_by = "square", "squareup", HMAC

    def sign(self, key, url, number):
        event = {"merchant_id": "M1", "type": "payment.updated", "event_id": f"s{number}",
                 "data": {"note": GENUINE}}
        body = json.dumps(event)
        signature = base64.b64encode(
            hmac.new(key.encode(), (url + body).encode(), hashlib.sha256).digest()
        )
        return Sent(body.encode(), {"x-square-hmacsha256-signature": signature.decode()})

    def verify(self, key, seen):
        return verify_signature(
            request_body=seen.text,
            signature_header=seen.headers["x-square-hmacsha256-signature"],
            signature_key=key,
            notification_url=seen.url,
        )
