"""Applications, and errors as the library's own types."""

from harness import MANY, in_parallel, operation, refused, same, walk


def many(relay):
    """Applications enough for several pages."""
    return in_parallel(lambda _: relay.application(), range(MANY))


@operation("v1.health.get", "health.get")
def health_get(relay, call):
    call()


@operation("v1.application.list", "application.list")
def application_list(relay, call):
    made = {app.id for app in many(relay)}
    for order in ("ascending", "descending"):

        def page(**options):
            return call(order=order, **options)

        walked = walk(page, 100)
        assert made <= set(walked), "what was created does not come back"
        same(walked, sorted(walked, reverse=order == "descending"))
    refused(422, call, limit=251)


@operation("v1.application.create", "application.create")
def application_create(relay, call):
    fields = {"throttle_rate": 50, "metadata": {"plan": "pro"}}
    uid = relay.name()
    made = call({"name": "Zoë", "uid": uid, **fields})
    shown = relay.calls.application.get(uid)
    same((shown.id, shown.name), (made.id, "Zoë"))
    same((shown.throttle_rate, shown.metadata), (50, {"plan": "pro"}))
    error = refused(409, call, {"name": "Twin", "uid": uid})
    same(error.code, "conflict")
    loc = refused(422, call, {"name": ""}).detail[0].loc
    same(list(loc), ["body", "name"])
    call({"name": "Full", "metadata": {"a": "b" * 4095}})
    refused(422, call, {"name": "Over", "metadata": {"a": "b" * 4096}})


@operation("v1.application.create", "application.create")
def application_create_twice_with_one_key(relay, call):
    key = relay.name()
    made = call({"name": key}, idempotency_key=key)
    same(call({"name": key}, idempotency_key=key).id, made.id)
    refused(409, call, {"name": "another"}, idempotency_key=key)


@operation("v1.application.create", "application.get_or_create")
def application_get_or_create(relay, call):
    uid = relay.name()
    made = call({"name": "One", "uid": uid})
    again = call({"name": "Two", "uid": uid})
    same((again.id, again.name), (made.id, "One"))


@operation("v1.application.get", "application.get")
def application_get(relay, call):
    app = relay.application()
    same(call(app.id), app)
    same(call(app.uid), app)
    same(refused(404, call, "nobody").code, "not_found")
    stranger = relay.as_caller("not a token")
    same(refused(401, stranger.application.get, app.id).code, "authentication_failed")


@operation("v1.application.update", "application.upsert", "application.update")
def application_update(relay, call):
    uid = relay.name()
    made = call(uid, {"name": "Made", "uid": uid, "metadata": {"a": "b"}})
    again = call(uid, {"name": "Changed", "uid": uid})
    same((again.id, again.name, again.metadata), (made.id, "Changed", {}))


@operation("v1.application.patch", "application.patch")
def application_patch(relay, call):
    app = relay.application(throttle_rate=9, metadata={"a": "b"})
    patched = call(app.id, {"name": "New"})
    same((patched.name, patched.throttle_rate, patched.uid), ("New", 9, app.uid))
    same(patched.metadata, {"a": "b"})
    patched = call(app.id, {"throttle_rate": None})
    same((patched.name, patched.throttle_rate, patched.uid), ("New", None, app.uid))
    same(call(app.id, {"uid": None}).uid, None)
    refused(404, relay.calls.application.get, app.uid)


@operation("v1.application.delete", "application.delete")
def application_delete(relay, call):
    app = relay.application()
    message = relay.send(app)
    call(app.uid)
    refused(404, relay.calls.application.get, app.id)
    refused(404, relay.calls.message.get, app.id, message.id)
    refused(404, call, app.id)
