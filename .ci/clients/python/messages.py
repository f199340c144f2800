"""Messages: made, kept, found and taken away."""

from harness import MANY, ago, in_parallel, operation, refused, same, walk


def busy(relay):
    """An application whose endpoint got messages enough for several pages."""
    app = relay.application()
    endpoint = relay.endpoint(app)
    sent = in_parallel(lambda number: relay.send(app, payload={"n": number}), range(MANY))
    for message in sent:
        relay.settled(app, message)
    return app, endpoint, {message.id for message in sent}


@operation("v1.message.list", "message.list")
def message_list(relay, call):
    app, _, sent = relay.once(busy)
    walked = walk(lambda **options: call(app.id, **options), 60)
    same(set(walked), sent)
    same(walked, sorted(walked, reverse=True))


@operation("v1.message-attempt.list-by-endpoint", "message_attempt.list_by_endpoint")
def message_attempt_list_by_endpoint(relay, call):
    app, endpoint, sent = relay.once(busy)
    same(len(walk(lambda **options: call(app.id, endpoint.id, **options), 60)), len(sent))
    of = walk(lambda **options: call(app.id, endpoint.id, **options), 60, "msg_id")
    same(set(of), sent)


@operation("v1.message-attempt.list-attempted-messages",
           "message_attempt.list_attempted_messages")
def message_attempt_list_attempted_messages(relay, call):
    app, endpoint, sent = relay.once(busy)
    walked = walk(lambda **options: call(app.id, endpoint.id, **options), 60)
    same(set(walked), sent)


@operation("v1.message.create", "message.create")
def message_create(relay, call):
    app = relay.application()
    hook = relay.receiver.hook()
    relay.endpoint(app, hook)
    payload = {"type": "a.b", "data": {"to": "Zoë", "big": 2**53}}
    fields = {"event_id": "e1", "channels": ["eu"], "tags": ["t"]}
    sent = call(app.uid, {"event_type": "a.b", "payload": payload, **fields}, with_content=True)
    same((sent.payload, sent.event_id, sent.tags), (payload, "e1", ["t"]))
    headers, body = hook.take()
    same((headers["webhook-id"], headers["content-type"]), (sent.id, "application/json"))
    assert "Zoë".encode() in body, body
    same(refused(409, call, app.id, {"event_type": "a.b", "payload": {}, "event_id": "e1"}).code,
         "conflict")
    loc = refused(422, call, app.id, {"event_type": "a b", "payload": {}}).detail[0].loc
    same(list(loc), ["body", "eventType"])
    bare = call(app.id, {"event_type": "a.b", "payload": payload}, with_content=False)
    same(bare.payload, {})


@operation("v1.message.create", "message.create")
def message_create_twice_with_one_key(relay, call):
    app = relay.application()
    hook = relay.receiver.hook()
    relay.endpoint(app, hook)
    body = {"event_type": "a.b", "payload": {"n": 1}}
    answers = in_parallel(lambda _: call(app.id, body, idempotency_key="once"), range(4))
    same(len({answer.id for answer in answers}), 1)
    last = relay.send(app)
    same([hook.take()[0]["webhook-id"] for _ in range(2)].count(last.id), 1)
    same(len(relay.calls.message.list(app.id).data), 2)


@operation("v1.message.create", "message.create")
def message_create_with_its_application(relay, call):
    uid = relay.name()
    body = {"event_type": "a.b", "payload": {}}
    refused(404, call, uid, body)
    call(uid, {**body, "application": {"name": "On the fly", "uid": uid}})
    same(relay.calls.application.get(uid).name, "On the fly")


@operation("v1.message.create", "message.create")
def message_create_kept_too_long(relay, call):
    """The relay of this run keeps messages 30 days."""
    app = relay.application()
    body = {"event_type": "a.b", "payload": {}}
    call(app.id, {**body, "payload_retention_period": 30})
    error = refused(422, call, app.id, {**body, "payload_retention_period": 31})
    same(list(error.detail[0].loc), ["body", "payloadRetentionPeriod"])
    refused(422, call, app.id, {**body, "payload_retention_hours": 24 * 31})


@operation("v1.message.create", "message.create")
def message_create_to_subscribers_only(relay, call):
    app = relay.application()
    for name, fields in {
        "exact": {"event_types": ["a.b"]}, "other": {"event_types": ["c.d"]},
        "eu": {"channels": ["eu"]}, "all": {}, "off": {"disabled": True},
    }.items():
        relay.endpoint(app, uid=name, **fields)
    sent = call(app.id, {"event_type": "a.b", "payload": {}})
    states = relay.settled(app, sent, 2)
    same({state.uid for state in states}, {"exact", "all"})
    sent = call(app.id, {"event_type": "c.d", "payload": {}, "channels": ["eu"]})
    states = relay.settled(app, sent, 3)
    same({state.uid for state in states}, {"other", "eu", "all"})


@operation("v1.message.get", "message.get")
def message_get(relay, call):
    app = relay.application()
    sent = relay.send(app, event_id="e1", payload={"n": 1})
    shown = call(app.uid, "e1", with_content=True)
    same((shown.id, shown.payload, shown.event_type), (sent.id, {"n": 1}, "a.b"))
    same(call(app.id, sent.id, with_content=False).payload, {})
    refused(404, call, relay.application().id, sent.id)


@operation("v1.message.precheck", "message.precheck")
def message_precheck(relay, call):
    app = relay.application()
    relay.endpoint(app, event_types=["a.b"])
    same(call(app.id, {"event_type": "a.b"}).active, True)
    same(call(app.id, {"event_type": "c.d"}).active, False)


def expunged(relay, app, *messages):
    return all(
        relay.calls.message.get(app.id, message.id, with_content=True).payload == {"expired": True}
        for message in messages
    )


@operation("v1.message.expunge-content", "message.expunge_content")
def message_expunge_content(relay, call):
    app = relay.application()
    sent, other = relay.send(app), relay.send(app)
    call(app.id, sent.id)
    assert expunged(relay, app, sent) and not expunged(relay, app, other)
    refused(404, call, app.id, "msg_nothing")


@operation("v1.message.bulk-expunge", "message.bulk_expunge_content")
def message_bulk_expunge(relay, call):
    app = relay.application()
    sent = [relay.send(app) for _ in range(3)]
    results = call(app.id, {"ids": [message.id for message in sent[:2]]}).results
    same(set(results), {message.id for message in sent[:2]})
    assert expunged(relay, app, *sent[:2]) and not expunged(relay, app, sent[2])


@operation("v1.message.expunge-all-contents", "message.expunge_all_contents")
def message_expunge_all_contents(relay, call):
    app = relay.application()
    sent = [relay.send(app) for _ in range(3)]
    relay.finished(call(app.id).id)
    assert expunged(relay, app, *sent)


@operation("v1.message-attempt.get", "message_attempt.get")
def message_attempt_get(relay, call):
    app = relay.application()
    endpoint = relay.endpoint(app, relay.receiver.hook(503))
    sent = relay.send(app)
    relay.settled(app, sent)
    attempts = relay.calls.message_attempt.list_by_msg(app.id, sent.id, with_content=True).data
    same(len(attempts), 2)
    shown = call(app.id, sent.id, attempts[0].id)
    same((shown.msg_id, shown.endpoint_id, shown.url), (sent.id, endpoint.id, endpoint.url))
    same((shown.response_status_code, shown.response, shown.status), (503, "answer", 2))
    same((int(shown.trigger_type), shown.timestamp > ago(minutes=5)), (0, True))
    refused(404, call, app.id, sent.id, "atmpt_nothing")


@operation("v1.message-attempt.expunge-content", "message_attempt.expunge_content")
def message_attempt_expunge_content(relay, call):
    app = relay.application()
    relay.endpoint(app, relay.receiver.hook(500))
    sent = relay.send(app)
    relay.settled(app, sent)
    first, second = relay.calls.message_attempt.list_by_msg(app.id, sent.id).data
    call(app.id, sent.id, first.id)
    get = relay.calls.message_attempt.get
    assert get(app.id, sent.id, first.id).response != "answer"
    same(get(app.id, sent.id, second.id).response, "answer")


@operation("v1.message-attempt.get-headers", "message_attempt.get_headers")
def message_attempt_get_headers(relay, call):
    app = relay.application()
    relay.endpoint(app, headers={"X-Team": "books", "Authorization": "Bearer hush"})
    sent = relay.send(app)
    relay.settled(app, sent)
    [attempt] = relay.calls.message_attempt.list_by_msg(app.id, sent.id).data
    shown = call(app.id, sent.id, attempt.id)
    same(shown.sent_headers["webhook-id"], sent.id)
    assert "hush" not in str(shown), shown
