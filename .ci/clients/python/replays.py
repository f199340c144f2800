"""Resend, recover and replay reach a real receiver; background tasks are awaited."""

from harness import ago, operation, refused, same, until


def failed(relay, count):
    """An application whose endpoint failed `count` messages, and the hook, which now takes them."""
    app = relay.application()
    hook = relay.receiver.hook(500)
    endpoint = relay.endpoint(app, hook)
    sent = [relay.send(app, event_id=f"e{number}") for number in range(count)]
    for message in sent:
        relay.settled(app, message)
    for _ in range(2 * count):
        hook.take()
    hook.status = 204
    return app, endpoint, hook, sent


@operation("v1.message-attempt.resend", "message_attempt.resend")
def message_attempt_resend(relay, call):
    app, endpoint, hook, [sent] = failed(relay, 1)
    call(app.id, sent.id, endpoint.id)
    headers, _ = hook.take()
    same(headers["webhook-id"], sent.id)

    def delivered():
        attempts = relay.calls.message_attempt.list_by_msg(app.id, sent.id, status=0).data
        return attempts and attempts[0]

    same(int(until("the attempt in the list", delivered).trigger_type), 1)
    refused(404, call, app.id, sent.id, "ep_nothing")


@operation("v1.endpoint.recover", "endpoint.recover")
def endpoint_recover(relay, call):
    app, endpoint, hook, sent = failed(relay, 3)
    begun = call(app.id, endpoint.id, {"since": ago(hours=1)}, idempotency_key="once")
    same((begun.task, begun.id[:6]), ("endpoint.recover", "qtask_"))
    relay.finished(begun.id)
    same({hook.take()[0]["webhook-id"] for _ in sent}, {message.id for message in sent})
    for message in sent:
        same(int(relay.settled(app, message)[0].status), 0)
    stats = relay.calls.endpoint.get_stats(app.id, endpoint.id)
    same((stats.success, stats.fail), (3, 0))
    same(relay.finished(call(app.id, endpoint.id, {"since": ago(hours=1)}).id).data["done"], 0)
    refused(422, call, app.id, endpoint.id, {"since": ago(days=15)})


@operation("v1.endpoint.replay-missing", "endpoint.replay_missing")
def endpoint_replay_missing(relay, call):
    app = relay.application()
    sent = {relay.send(app).id for _ in range(3)}
    hook = relay.receiver.hook()
    endpoint = relay.endpoint(app, hook)
    relay.finished(call(app.id, endpoint.id, {"since": ago(hours=1)}).id)
    same({hook.take()[0]["webhook-id"] for _ in sent}, sent)
    relay.finished(call(app.id, endpoint.id, {"since": ago(hours=1)}).id)
    last = relay.send(app)
    same(hook.take()[0]["webhook-id"], last.id)


@operation("v1.endpoint.bulk-replay", "endpoint.bulk_replay")
def endpoint_bulk_replay(relay, call):
    app = relay.application()
    hook = relay.receiver.hook()
    endpoint = relay.endpoint(app, hook)
    sent = []
    for event_type, tag, channel in (("a.one", "x", "eu"), ("a.two", "y", "us")):
        fields = {"event_type": event_type, "tags": [tag], "channels": [channel]}
        sent.append(relay.send(app, **fields).id)
        hook.take()

    def replayed(**filters):
        task = relay.finished(call(app.id, endpoint.id, {"since": ago(hours=1), **filters}).id)
        return {hook.take()[0]["webhook-id"] for _ in range(task.data["done"])}

    same(replayed(), set(sent))
    same(replayed(event_types=["a.one"]), {sent[0]})
    same(replayed(tag="y"), {sent[1]})
    same(replayed(channel="eu"), {sent[0]})
    same(replayed(event_types=["none"]), set())


@operation("v1.background-task.get", "background_task.get")
def background_task_get(relay, call):
    app, endpoint, _, _ = failed(relay, 1)
    begun = relay.calls.endpoint.recover(app.id, endpoint.id, {"since": ago(hours=1)})
    ended = relay.finished(begun.id)
    shown = call(begun.id)
    same((shown.id, shown.status, shown.task), (begun.id, "finished", "endpoint.recover"))
    same((shown.data["done"], ended.id), (1, begun.id))
    refused(404, call, "qtask_nothing")


@operation("v1.background-task.list", "background_task.list")
def background_task_list(relay, call):
    app = relay.application()
    endpoint = relay.endpoint(app)
    made = []
    for _ in range(5):
        made.append(relay.calls.endpoint.recover(app.id, endpoint.id, {"since": ago(hours=1)}).id)
        relay.finished(made[-1])
    options = {"task": "endpoint.recover", "order": "descending"}
    same([task.id for task in call(limit=5, **options).data], made[::-1])
    page = call(limit=2, **options)
    rest = call(limit=3, iterator=page.iterator, **options)
    same([task.id for task in page.data + rest.data], made[::-1])
    back = call(limit=2, iterator=rest.prev_iterator, **options)
    same([task.id for task in back.data], made[:2:-1])
    running = {task.id for task in call(status="running").data}
    same(running & set(made), set())
