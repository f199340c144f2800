"""GitHub, HubSpot, Atlassian, CloudEvents, Standard Webhooks and Svix."""

import json
import time
from datetime import datetime, timezone
from urllib.parse import urlsplit

import atlassian_jwt
import standardwebhooks
import svix.webhooks
from cloudevents.core.bindings.http import to_binary_event
from cloudevents.core.v1.event import CloudEvent
from gidgethub import sansio
from hubspot.utils.signature import Signature

from harness import GENUINE, Case, Sent, case
from payments import HMAC, digest


@case
class GitHub(Case):
    provider, library, signed_by = "github", "gidgethub", HMAC

    def sign(self, key, url, number):
        body = json.dumps({"ref": "refs/heads/main", "note": f"{GENUINE} {number}"}, indent=1)
        headers = {
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": f"72d3162e-cc78-11e3-81ab-4c9367dc09{number:02}",
            "X-Hub-Signature-256": "sha256=" + digest(key, body).hex(),
        }
        return Sent(body.encode(), headers)

    def verify(self, key, seen):
        event = sansio.Event.from_http(seen.headers, seen.body, secret=key)
        return event.event == "push"


class HubSpot(Case):
    library = "hubspot-api-client"
    version, header, headers = "", "x-hubspot-signature", {}

    def sign(self, key, url, number):
        event = {"eventId": number, "subscriptionId": 7, "subscriptionType": "contact.creation"}
        body = json.dumps([{**event, "note": GENUINE}])
        now = str(int(time.time() * 1000))
        signature = Signature.get_signature(key, body, self.version, url, "POST", now)
        headers = {self.header: signature, "x-hubspot-request-timestamp": now}
        return Sent(body.encode(), {**headers, **self.headers})

    def verify(self, key, seen):
        return Signature.is_valid(
            signature=seen.headers[self.header],
            client_secret=key,
            request_body=seen.text,
            http_uri=seen.url,
            signature_version=self.version,
            timestamp=seen.headers["x-hubspot-request-timestamp"],
        )


@case
class HubSpot3(HubSpot):
    provider, version, header = "hubspot", "v3", "x-hubspot-signature-v3"


@case
class HubSpot2(HubSpot):
    provider, version = "hubspot-v2", "v2"
    headers = {"x-hubspot-signature-version": "v2"}


@case
class HubSpot1(HubSpot):
    provider, version = "hubspot-v1", "v1"
    headers = {"x-hubspot-signature-version": "v1"}


@case
class AtlassianConnect(Case):
    provider, library = "atlassian-connect", "atlassian-jwt"
    good, bad = "a shared secret of the proofs, long", "another shared secret of the proofs"
    covers_body = False

    def sign(self, key, url, number):
        # the add-on's base URL ends in front of the path
        token = atlassian_jwt.encode_token("POST", urlsplit(url).path, "client", key)
        body = {"webhookEvent": "jira:issue_created", "note": GENUINE}
        headers = {"Authorization": f"JWT {token}", "X-Atlassian-Webhook-Identifier": f"a{number}"}
        return Sent(json.dumps(body).encode(), headers)

    def verify(self, key, seen):
        class Addon(atlassian_jwt.Authenticator):
            def get_shared_secret(self, client_key):
                return key

        path = urlsplit(seen.url).path
        return Addon().authenticate("POST", path, seen.headers).client_key == "client"


@case
class CloudEvents(Case):
    """Nothing is signed: it is taken, and nobody says that it was verified."""

    provider, library = "cloudevents", "cloudevents"
    verified, covers_body, refuses = False, False, False

    def secret(self, key):
        return None

    def sign(self, key, url, number):
        attributes = {"type": "com.example.made", "source": "/proofs", "id": f"ce{number}",
                      "datacontenttype": "application/json"}
        message = to_binary_event(CloudEvent(attributes, {"note": GENUINE}))
        headers = {name: value for name, value in message.headers.items()
                   if name.lower() != "content-type"}
        return Sent(message.body, headers)

    def verify(self, key, seen):
        return seen.headers["ce-type"] == "com.example.made" and seen.headers["ce-source"] != ""


class Standard(Case):
    good, bad = "whsec_" + "Q" * 32, "whsec_" + "R" * 32
    prefix, signer = "webhook", standardwebhooks.Webhook

    def sign(self, key, url, number):
        body = json.dumps({"type": "user.created", "data": {"note": f"{GENUINE} 🦀"}})
        now, name = datetime.now(timezone.utc), f"msg_{self.library}_{number}"
        headers = {
            f"{self.prefix}-id": name,
            f"{self.prefix}-timestamp": str(int(now.timestamp())),
            f"{self.prefix}-signature": self.signer(key).sign(name, now, body),
        }
        return Sent(body.encode(), headers)

    def verify(self, key, seen):
        return self.signer(key).verify(seen.body, seen.headers)


@case
class StandardWebhooks(Standard):
    provider, library = "standard-webhooks", "standardwebhooks"


@case
class Svix(Standard):
    provider, library, prefix = "svix", "svix", "svix"
    signer = svix.webhooks.Webhook


@case
class SvixStandard(Standard):
    """Svix with the names of Standard Webhooks, as its customers may choose."""

    provider, library = "standard-webhooks", "svix"
    signer = svix.webhooks.Webhook
