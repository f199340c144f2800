"""Operational webhooks, pollers and transformations."""

import json

from svix.webhooks import Webhook

from harness import ago, operation, refused, same


def operational_endpoint(relay, hook=None, **fields):
    url = (hook or relay.receiver.hook()).url
    fields = {"url": url, "uid": relay.name(), **fields}
    return relay.calls.operational_webhook.endpoint.create(fields)


@operation("v1.operational-webhook-endpoint.create", "operational_webhook.endpoint.create")
def operational_webhook_endpoint_create(relay, call):
    """What is told arrives, signed, of the kinds that were asked for."""
    hook = relay.receiver.hook()
    fields = {"event_types": ["endpoint.created", "endpoint.deleted"]}
    endpoint = call({"url": hook.url, "uid": relay.name(), **fields})
    secret = relay.calls.operational_webhook.endpoint.get_secret(endpoint.id).key
    app = relay.application()
    made = relay.endpoint(app, uid="books")
    relay.calls.endpoint.patch(app.id, made.id, {"description": "B"})
    relay.calls.endpoint.delete(app.id, made.id)
    for kind in ("endpoint.created", "endpoint.deleted"):
        headers, body = hook.take()
        Webhook(secret).verify(body, headers)
        told = json.loads(body)
        same((told["type"], told["data"]["endpointId"]), (kind, made.id))
        same((told["data"]["appId"], told["data"]["appUid"]), (app.id, app.uid))
    relay.calls.operational_webhook.endpoint.delete(endpoint.id)


@operation("v1.operational-webhook-endpoint.create", "operational_webhook.endpoint.create")
def operational_webhook_endpoint_create_tells_of_deliveries(relay, call):
    """An endpoint that is gone: its delivery is given up, and it is disabled."""
    hook = relay.receiver.hook()
    kinds = ["message.attempt.exhausted", "endpoint.disabled", "endpoint.updated"]
    told_to = operational_endpoint(relay, hook, event_types=kinds)
    app = relay.application()
    gone = relay.endpoint(app, relay.receiver.hook(410))
    sent = relay.send(app, event_id="e1")
    relay.calls.endpoint.patch(app.id, gone.id, {"description": "B"})
    told = [json.loads(hook.take()[1]) for _ in kinds]
    by_kind = {each["type"]: each["data"] for each in told}
    same(set(by_kind), set(kinds))
    exhausted = by_kind["message.attempt.exhausted"]
    same((exhausted["msgId"], exhausted["msgEventId"]), (sent.id, "e1"))
    same(exhausted["lastAttempt"]["responseStatusCode"], 410)
    assert by_kind["endpoint.disabled"]["failSince"], by_kind
    same(relay.calls.endpoint.get(app.id, gone.id).disabled, True)
    relay.calls.operational_webhook.endpoint.delete(told_to.id)


@operation("v1.operational-webhook-endpoint.list", "operational_webhook.endpoint.list")
def operational_webhook_endpoint_list(relay, call):
    made = {operational_endpoint(relay, disabled=True).id for _ in range(3)}
    listed = [endpoint.id for endpoint in call().data]
    assert made <= set(listed), listed
    page = call(limit=1, order="ascending")
    assert call(limit=1, iterator=page.iterator, order="ascending").data[0].id > page.data[0].id
    for endpoint in made:
        relay.calls.operational_webhook.endpoint.delete(endpoint)


@operation("v1.operational-webhook-endpoint.get", "operational_webhook.endpoint.get")
def operational_webhook_endpoint_get(relay, call):
    made = operational_endpoint(relay, disabled=True)
    same(call(made.id), made)
    same(call(made.uid), made)
    refused(404, call, "nobody")


@operation("v1.operational-webhook-endpoint.update",
           "operational_webhook.endpoint.upsert", "operational_webhook.endpoint.update")
def operational_webhook_endpoint_update(relay, call):
    made = operational_endpoint(relay, disabled=True)
    fields = {"url": made.url, "uid": made.uid, "description": "B", "disabled": True}
    changed = call(made.id, fields)
    same((changed.id, changed.description), (made.id, "B"))


@operation("v1.operational-webhook-endpoint.delete", "operational_webhook.endpoint.delete")
def operational_webhook_endpoint_delete(relay, call):
    made = operational_endpoint(relay)
    call(made.id)
    refused(404, relay.calls.operational_webhook.endpoint.get, made.id)


@operation("v1.operational-webhook-endpoint.get-secret",
           "operational_webhook.endpoint.get_secret")
def operational_webhook_endpoint_get_secret(relay, call):
    secret = "whsec_" + "B" * 32
    same(call(operational_endpoint(relay, disabled=True, secret=secret).id).key, secret)


@operation("v1.operational-webhook-endpoint.rotate-secret",
           "operational_webhook.endpoint.rotate_secret")
def operational_webhook_endpoint_rotate_secret(relay, call):
    hook = relay.receiver.hook()
    made = operational_endpoint(relay, hook)
    get = relay.calls.operational_webhook.endpoint.get_secret
    old = get(made.id).key
    call(made.id, {})
    new = get(made.id).key
    assert old != new
    relay.endpoint(relay.application())
    headers, body = hook.take()
    for secret in (old, new):
        Webhook(secret).verify(body, headers)
    relay.calls.operational_webhook.endpoint.delete(made.id)


@operation("v1.operational-webhook-endpoint.get-headers",
           "operational_webhook.endpoint.get_headers")
@operation("v1.operational-webhook-endpoint.update-headers",
           "operational_webhook.endpoint.set_headers",
           "operational_webhook.endpoint.update_headers")
def operational_webhook_endpoint_headers(relay, call):
    made = operational_endpoint(relay, disabled=True)
    endpoint = relay.calls.operational_webhook.endpoint
    named = "set_headers" if hasattr(endpoint.part, "set_headers") else "update_headers"
    getattr(endpoint, named)(made.id, {"headers": {"X-Team": "ops", "Authorization": "hush"}})
    shown = endpoint.get_headers(made.id)
    same({name.lower(): value for name, value in shown.headers.items()}, {"x-team": "ops"})
    same([name.lower() for name in shown.sensitive], ["authorization"])


def polled(relay):
    """An application with a sink that sees some of its messages."""
    app = relay.application()
    relay.endpoint(app, uid="sink", disabled=True, event_types=["news.*"])
    relay.send(app, event_type="other")
    for number in range(4):
        relay.send(app, event_type="news.own", event_id=f"n{number}", payload={"n": number})
    return app


def event_ids(page):
    return [message.event_id for message in page.data]


@operation("v1.message-poller.poll", "message.poller.poll")
def message_poller_poll(relay, call):
    app = relay.once(polled)
    page = call(app.id, "sink", limit=3)
    same((event_ids(page), page.done), (["n0", "n1", "n2"], False))
    same(page.data[1].payload, {"n": 1})
    rest = call(app.id, "sink", iterator=page.iterator)
    same((event_ids(rest), rest.done), (["n3"], True))
    same(event_ids(call(app.id, "sink", event_type="news.other")), [])


@operation("v1.message-poller.consumer-poll", "message.poller.consumer_poll")
def message_poller_consumer_poll(relay, call):
    app = relay.once(polled)
    first = call(app.id, "sink", "worker", limit=3)
    same((event_ids(first), first.done), (["n0", "n1", "n2"], False))
    same(event_ids(call(app.id, "sink", "worker", limit=3)), ["n0", "n1", "n2"])
    rest = call(app.id, "sink", "worker", limit=3, iterator=first.iterator)
    same((event_ids(rest), rest.done), (["n3"], True))


@operation("v1.message-poller.consumer-seek", "message.poller.consumer_seek")
def message_poller_consumer_seek(relay, call):
    app = relay.once(polled)
    poll = relay.calls.message.poller.consumer_poll
    first = poll(app.id, "sink", "seeker", limit=4)
    poll(app.id, "sink", "seeker", limit=4, iterator=first.iterator)
    call(app.id, "sink", "seeker", {"after": ago(hours=1)})
    same(event_ids(poll(app.id, "sink", "seeker", limit=4)), ["n0", "n1", "n2", "n3"])


@operation("v1.endpoint.transformation-get",
           "endpoint.transformation.get", "endpoint.transformation_get")
def endpoint_transformation_get(relay, call):
    app = relay.application()
    shown = call(app.id, relay.endpoint(app).id)
    same((shown.enabled or False, shown.code or None), (False, None))


@operation("v1.endpoint.patch-transformation",
           "endpoint.transformation.patch", "endpoint.patch_transformation")
def endpoint_patch_transformation(relay, call):
    app = relay.application()
    call(app.id, relay.endpoint(app).id, {"code": "function handler(w) { return w }"})
