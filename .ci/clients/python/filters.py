"""Every filter of every list of messages and attempts."""

from datetime import timedelta

from harness import operation, same


class Mixed:
    """Three messages unlike each other, to an endpoint that takes them and one that fails."""

    def __init__(self, relay):
        self.app = relay.application()
        self.good = relay.endpoint(self.app, uid="good")
        self.bad = relay.endpoint(self.app, relay.receiver.hook(500), uid="bad")
        one = {"event_type": "a.one", "channels": ["eu"], "tags": ["x"], "payload": {"n": 1}}
        two = {"event_type": "a.two", "channels": ["us"], "tags": ["y"], "payload": {"n": 2}}
        self.sent = []
        for fields in (one, two, {"event_type": "a.three", "payload": {"n": 3}}):
            message = relay.send(self.app, **fields)
            # one after the other, so that times tell them apart
            relay.settled(self.app, message, 2)
            self.sent.append(message)
        self.ids = [message.id for message in self.sent]


def check_common(mixed, numbers):
    """What all of the lists know; `numbers` gives which of the messages a list has."""
    same(numbers(), [0, 1, 2])
    same(numbers(channel="eu"), [0])
    same(numbers(channel="nowhere"), [])
    same(numbers(tag="y"), [1])
    same(numbers(event_types=["a.one", "a.three"]), [0, 2])
    same(numbers(event_types=["none"]), [])
    last = mixed.sent[2].timestamp
    same(numbers(after=last - timedelta(milliseconds=1)), [2])
    same(numbers(before=last), [0, 1])
    same(numbers(tag="x", event_types=["a.two"]), [])


def numbering(mixed, key, call, *path):
    """Which of the messages a list has, each once."""

    def numbers(**options):
        found = {getattr(item, key) for item in call(mixed.app.id, *path, **options).data}
        return sorted(mixed.ids.index(message) for message in found)

    return numbers


@operation("v1.message.list", "message.list")
def message_list_filters(relay, call):
    mixed = relay.once(Mixed)
    check_common(mixed, numbering(mixed, "id", call))
    full = call(mixed.app.id, with_content=True).data
    same([message.payload for message in full], [{"n": 3}, {"n": 2}, {"n": 1}])
    bare = call(mixed.app.id, with_content=False).data
    same([message.payload for message in bare], [{}, {}, {}])


@operation("v1.message-attempt.list-by-endpoint", "message_attempt.list_by_endpoint")
def list_by_endpoint_filters(relay, call):
    mixed = relay.once(Mixed)
    check_common(mixed, numbering(mixed, "msg_id", call, "good"))
    bad = numbering(mixed, "msg_id", call, "bad")
    same(bad(status=2), [0, 1, 2])
    same(bad(status=0), [])
    same(bad(status_code_class=500), [0, 1, 2])
    same(bad(status_code_class=200), [])
    same(len(call(mixed.app.id, "bad").data), 6)
    with_message = call(mixed.app.id, "good", with_msg=True).data
    same([attempt.msg.id for attempt in with_message], mixed.ids[::-1])
    assert all(attempt.msg is None for attempt in call(mixed.app.id, "good", with_msg=False).data)
    responses = {attempt.response for attempt in call(mixed.app.id, "bad", with_content=True).data}
    same(responses, {"answer"})
    responses = {attempt.response for attempt in call(mixed.app.id, "bad", with_content=False).data}
    same(responses, {""})


@operation("v1.message-attempt.list-by-msg", "message_attempt.list_by_msg")
def list_by_msg_filters(relay, call):
    mixed = relay.once(Mixed)
    first = mixed.sent[0]

    def endpoints(**options):
        return sorted(each.endpoint_id for each in call(mixed.app.id, first.id, **options).data)

    good, bad = [mixed.good.id], [mixed.bad.id] * 2
    same(endpoints(), sorted(good + bad))
    same(endpoints(endpoint_id=mixed.good.id), good)
    same(endpoints(endpoint_id="bad"), bad)
    same(endpoints(status=0), good)
    same(endpoints(status=2), bad)
    same(endpoints(status_code_class=500), bad)
    same(endpoints(channel="eu", tag="x", event_types=["a.one"]), sorted(good + bad))
    same(endpoints(channel="us"), [])
    same(endpoints(tag="y"), [])
    same(endpoints(event_types=["a.two"]), [])
    same(endpoints(after=mixed.sent[2].timestamp), [])
    same(endpoints(before=first.timestamp), [])


@operation("v1.message-attempt.list-by-msg", "message_attempt.list_by_msg")
def list_by_msg_pages(relay, call):
    mixed = relay.once(Mixed)
    page = call(mixed.app.id, mixed.ids[0], limit=2)
    same((len(page.data), page.done), (2, False))
    rest = call(mixed.app.id, mixed.ids[0], limit=2, iterator=page.iterator)
    same((len(rest.data), rest.done), (1, True))
    back = call(mixed.app.id, mixed.ids[0], limit=2, iterator=rest.prev_iterator)
    same([attempt.id for attempt in back.data], [attempt.id for attempt in page.data])


@operation("v1.message-attempt.list-attempted-messages",
           "message_attempt.list_attempted_messages")
def list_attempted_messages_filters(relay, call):
    mixed = relay.once(Mixed)
    check_common(mixed, numbering(mixed, "id", call, "good"))
    same(numbering(mixed, "id", call, "bad")(status=2), [0, 1, 2])
    same(numbering(mixed, "id", call, "bad")(status=0), [])
