"""Endpoints, their headers, secrets, figures and examples."""

from svix.webhooks import Webhook

from harness import MANY, ago, in_parallel, operation, refused, same, walk


def event_types_of(endpoint):
    """Version 1 calls them `filter_types`."""
    return endpoint.filter_types if hasattr(endpoint, "filter_types") else endpoint.event_types


def crowded(relay):
    """An application with endpoints enough for several pages, and the message that all got."""
    app = relay.application()
    hook = relay.receiver.hook()
    made = in_parallel(lambda _: relay.endpoint(app, hook), range(MANY))
    message = relay.send(app)
    return app, {endpoint.id for endpoint in made}, message


@operation("v1.endpoint.list", "endpoint.list")
def endpoint_list(relay, call):
    app, made, _ = relay.once(crowded)
    for order in ("ascending", "descending"):

        def page(**options):
            return call(app.id, order=order, **options)

        walked = walk(page, 60)
        same(set(walked), made)
        same(walked, sorted(walked, reverse=order == "descending"))
    assert "whsec_" not in call(app.id).model_dump_json(), "a secret in a list"


@operation("v1.message-attempt.list-attempted-destinations",
           "message_attempt.list_attempted_destinations")
def message_attempt_list_attempted_destinations(relay, call):
    app, made, message = relay.once(crowded)
    walked = walk(lambda **options: call(app.id, message.id, **options), 60)
    same(set(walked), made)
    hook = relay.receiver.hook(500)
    app = relay.application()
    endpoint = relay.endpoint(app, hook)
    message = relay.send(app)
    [state] = relay.settled(app, message)
    same((state.id, state.status, state.status_text), (endpoint.id, 2, "fail"))


@operation("v1.endpoint.create", "endpoint.create")
def endpoint_create(relay, call):
    app = relay.application()
    url = relay.receiver.hook().url
    fields = {"uid": "books", "event_types": ["a.b"], "channels": ["eu"], "throttle_rate": 7,
              "description": "Books", "metadata": {"a": "b"}, "disabled": False,
              "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "headers": {"X-Team": "books"}}
    made = call(app.id, {"url": url, **fields})
    shown = relay.calls.endpoint.get(app.id, "books")
    same((shown.id, shown.url, shown.description), (made.id, url, "Books"))
    same((event_types_of(shown), shown.channels, shown.throttle_rate), (["a.b"], ["eu"], 7))
    same((shown.metadata, shown.disabled), ({"a": "b"}, False))
    same(relay.calls.endpoint.get_secret(app.id, made.id).key, fields["secret"])
    same(list(relay.calls.endpoint.get_headers(app.id, made.id).headers.values()), ["books"])
    same(list(refused(422, call, app.id, {"url": "nonsense"}).detail[0].loc), ["body", "url"])
    refused(409, call, app.id, {"url": url, "uid": "books"})
    refused(404, call, "nobody", {"url": url})
    refused(422, call, app.id, {"url": url, "metadata": {"a": "b" * 4096}})


@operation("v1.endpoint.create", "endpoint.create")
def endpoint_create_twice_with_one_key(relay, call):
    app = relay.application()
    body = {"url": relay.receiver.hook().url}
    made = call(app.id, body, idempotency_key="once")
    same(call(app.id, body, idempotency_key="once").id, made.id)
    same(len(relay.calls.endpoint.list(app.id).data), 1)


@operation("v1.endpoint.get", "endpoint.get")
def endpoint_get(relay, call):
    app = relay.application()
    endpoint = relay.endpoint(app, uid="books")
    same(call(app.uid, "books"), endpoint)
    same(call(app.id, endpoint.id), endpoint)
    refused(404, call, relay.application().id, endpoint.id)


@operation("v1.endpoint.update", "endpoint.upsert", "endpoint.update")
def endpoint_update(relay, call):
    app = relay.application()
    url = relay.receiver.hook().url
    made = call(app.id, "books", {"url": url, "uid": "books", "event_types": ["a.b"]})
    again = call(app.id, "books", {"url": url, "uid": "books", "description": "B"})
    same((again.id, again.description, event_types_of(again)), (made.id, "B", None))
    same(len(relay.calls.endpoint.list(app.id).data), 1)


@operation("v1.endpoint.patch", "endpoint.patch")
def endpoint_patch(relay, call):
    app = relay.application()
    endpoint = relay.endpoint(app, event_types=["a.b"], channels=["eu"], throttle_rate=5)
    patched = call(app.id, endpoint.id, {"description": "B", "channels": None})
    same((patched.description, patched.channels), ("B", None))
    same((event_types_of(patched), patched.throttle_rate), (["a.b"], 5))
    patched = call(app.id, endpoint.id, {"event_types": None, "disabled": True})
    same((event_types_of(patched), patched.disabled, patched.description), (None, True, "B"))


@operation("v1.endpoint.delete", "endpoint.delete")
def endpoint_delete(relay, call):
    app = relay.application()
    endpoint = relay.endpoint(app)
    call(app.id, endpoint.id)
    refused(404, relay.calls.endpoint.get, app.id, endpoint.id)
    same(relay.calls.endpoint.list(app.id).data, [])


@operation("v1.endpoint.get-secret", "endpoint.get_secret")
def endpoint_get_secret(relay, call):
    app = relay.application()
    hook = relay.receiver.hook()
    endpoint = relay.endpoint(app, hook)
    relay.send(app)
    headers, body = hook.take()
    Webhook(call(app.id, endpoint.id).key).verify(body, headers)


@operation("v1.endpoint.rotate-secret", "endpoint.rotate_secret")
def endpoint_rotate_secret(relay, call):
    app = relay.application()
    hook = relay.receiver.hook()
    endpoint = relay.endpoint(app, hook)
    old = relay.calls.endpoint.get_secret(app.id, endpoint.id).key
    answer = call(app.id, endpoint.id, {})
    new = relay.calls.endpoint.get_secret(app.id, endpoint.id).key
    assert old != new and (answer is None or answer.key == new), answer
    own = "whsec_" + "A" * 32
    call(app.id, endpoint.id, {"key": own})
    same(relay.calls.endpoint.get_secret(app.id, endpoint.id).key, own)
    relay.send(app)
    headers, body = hook.take()
    for secret in (old, new, own):
        Webhook(secret).verify(body, headers)
    refused(422, call, app.id, endpoint.id, {"key": "whsec_short"})


@operation("v1.endpoint.update-headers", "endpoint.set_headers", "endpoint.update_headers")
def endpoint_update_headers(relay, call):
    app = relay.application()
    hook = relay.receiver.hook()
    endpoint = relay.endpoint(app, hook)
    call(app.id, endpoint.id, {"headers": {"X-One": "1", "X-Two": "2"}})
    call(app.id, endpoint.id, {"headers": {"X-Two": "3", "Authorization": "Bearer hush"}})
    relay.send(app)
    headers, _ = hook.take()
    same((headers.get("x-one"), headers["x-two"]), (None, "3"))
    same(headers["authorization"], "Bearer hush")
    refused(422, call, app.id, endpoint.id, {"headers": {"webhook-id": "1"}})


@operation("v1.endpoint.get-headers", "endpoint.get_headers")
def endpoint_get_headers(relay, call):
    app = relay.application()
    endpoint = relay.endpoint(app, headers={"X-Team": "books", "Authorization": "Bearer hush"})
    shown = call(app.id, endpoint.id)
    same({name.lower(): value for name, value in shown.headers.items()}, {"x-team": "books"})
    same([name.lower() for name in shown.sensitive], ["authorization"])


@operation("v1.endpoint.patch-headers", "endpoint.patch_headers")
def endpoint_patch_headers(relay, call):
    app = relay.application()
    endpoint = relay.endpoint(app, headers={"X-One": "1", "X-Two": "2"})
    call(app.id, endpoint.id, {"headers": {"X-Three": "3"}})
    fields = {"headers": {}, "delete_headers": ["X-One"]}
    call(app.id, endpoint.id, fields)
    shown = relay.calls.endpoint.get_headers(app.id, endpoint.id).headers
    same({name.lower(): value for name, value in shown.items()}, {"x-two": "2", "x-three": "3"})


@operation("v1.endpoint.get-stats", "endpoint.get_stats")
def endpoint_get_stats(relay, call):
    app = relay.application()
    endpoint = relay.endpoint(app)
    for _ in range(3):
        relay.settled(app, relay.send(app))
    stats = call(app.id, endpoint.id)
    same((stats.success, stats.pending, stats.sending, stats.fail), (3, 0, 0, 0))
    later = call(app.id, endpoint.id, since=ago(hours=-1), until=ago(hours=-2))
    same(later.success, 0)


@operation("v1.endpoint.get-attempt-stats", "endpoint.get_attempt_stats")
def endpoint_get_attempt_stats(relay, call):
    app = relay.application()
    endpoint = relay.endpoint(app, relay.receiver.hook(500))
    relay.settled(app, relay.send(app))
    stats = call(app.id, endpoint.id)
    same((stats.success, stats.fail, stats.canceled), (0, 2, 0))


@operation("v1.endpoint.send-example", "endpoint.send_example")
def endpoint_send_example(relay, call):
    schema = {"type": "object", "examples": [{"number": 1}, {"number": 2}]}
    event_type = relay.event_type(schemas={"1": schema}).name
    app = relay.application()
    hook = relay.receiver.hook()
    endpoint = relay.endpoint(app, hook, event_types=["something.else"])
    sent = call(app.id, endpoint.id, {"event_type": event_type})
    same(relay.calls.message.get(app.id, sent.id, with_content=True).payload, {"number": 1})
    headers, body = hook.take()
    same((headers["webhook-id"], b'"number"' in body), (sent.id, True))
    loc = refused(422, call, app.id, endpoint.id, {"event_type": "not.there"}).detail[0].loc
    same(list(loc), ["body", "eventType"])
