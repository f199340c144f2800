"""Operational webhooks, a broadcast and pollers through the Svix library for Python."""

import json
import os
import queue
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from svix.api import (
    ApplicationIn,
    EndpointIn,
    EndpointPatch,
    MessageIn,
    OperationalWebhookEndpointHeadersIn,
    OperationalWebhookEndpointIn,
    OperationalWebhookEndpointSecretIn,
    OperationalWebhookEndpointUpsertIn,
    PollingEndpointConsumerSeekIn,
    Svix,
    SvixOptions,
)
from svix.api.message_poller import MessagePollerConsumerPollOptions
from svix.webhooks import Webhook

told = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/told":
            told.put(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(410 if self.path == "/gone" else 204)
        self.end_headers()

    def log_message(self, *_):
        pass


def next_told(secret):
    headers, body = told.get(timeout=10)
    Webhook(secret).verify(body, headers)
    event = json.loads(body)
    return event["type"], event["data"]


def broadcast(body):
    """The library has no call for it."""
    request = urllib.request.Request(
        os.environ["RELAY_URL"] + "/api/v1/msg/broadcast",
        json.dumps(body).encode(),
        {
            "authorization": "Bearer " + os.environ["RELAY_TOKEN"],
            "content-type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def finished(svix, task):
    for _ in range(500):
        shown = svix.background_task.get(task)
        if shown.status == "finished":
            return shown.data
        threading.Event().wait(0.02)
    raise AssertionError(f"{task} is still running")


def operational(svix, url):
    calls = svix.operational_webhook.endpoint
    made = calls.create(OperationalWebhookEndpointIn(url=f"{url}/told", uid="ops"))
    assert [endpoint.id for endpoint in calls.list().data] == [made.id]
    assert calls.get("ops").id == made.id
    changed = OperationalWebhookEndpointUpsertIn(url=f"{url}/told", uid="ops", description="a")
    assert calls.upsert("ops", changed).description == "a"
    calls.set_headers("ops", OperationalWebhookEndpointHeadersIn(headers={"x-a": "1"}))
    assert calls.get_headers("ops").headers == {"x-a": "1"}
    before = calls.get_secret("ops").key
    calls.rotate_secret("ops", OperationalWebhookEndpointSecretIn())
    secret = calls.get_secret("ops").key
    assert secret != before

    app = svix.application.create(ApplicationIn(name="Told of", uid="told-of"))
    endpoint = svix.endpoint.create(app.id, EndpointIn(url=f"{url}/gone", uid="gone"))
    kind, data = next_told(secret)
    assert (kind, data["appUid"], data["endpointId"]) == (
        "endpoint.created",
        "told-of",
        endpoint.id,
    )
    svix.message.create(app.id, MessageIn(event_type="a.b", event_id="1", payload={}))
    events = dict(next_told(secret) for _ in range(2))
    assert set(events) == {"message.attempt.exhausted", "endpoint.disabled"}, events
    exhausted = events["message.attempt.exhausted"]
    assert exhausted["msgEventId"] == "1"
    assert exhausted["lastAttempt"]["responseStatusCode"] == 410
    assert events["endpoint.disabled"]["failSince"]
    svix.endpoint.patch(app.id, "gone", EndpointPatch(description="b"))
    assert next_told(secret)[0] == "endpoint.updated"
    svix.endpoint.delete(app.id, "gone")
    assert next_told(secret)[0] == "endpoint.deleted"
    calls.delete("ops")
    assert calls.list().data == []


def polled(svix):
    app = svix.application.create(ApplicationIn(name="Polled", uid="polled"))
    sink = EndpointIn(url="https://h.example/", uid="sink", disabled=True, event_types=["news.*"])
    svix.endpoint.create(app.id, sink)
    svix.message.create(app.id, MessageIn(event_type="other", payload={}))
    for number in range(3):
        message = MessageIn(event_type="news.own", event_id=f"n{number}", payload={"n": number})
        svix.message.create(app.id, message)
    task = broadcast({"eventType": "news.all", "payload": {"to": "all"}, "eventId": "all"})
    assert task["task"] == "message.broadcast"
    assert finished(svix, task["id"])["done"] == len(svix.application.list().data)

    page = svix.message.poller.poll(app.id, "sink")
    assert [message.event_id for message in page.data] == ["n0", "n1", "n2", "all"]
    assert page.done and page.data[3].payload == {"to": "all"}
    assert page.data[0].headers["content-type"] == "application/json"

    def poll(iterator=None):
        options = MessagePollerConsumerPollOptions(limit=3, iterator=iterator)
        return svix.message.poller.consumer_poll(app.id, "sink", "worker", options)

    first = poll()
    assert [message.event_id for message in first.data] == ["n0", "n1", "n2"] and not first.done
    assert poll() == first
    second = poll(first.iterator)
    assert [message.event_id for message in second.data] == ["all"] and second.done
    assert poll() == second
    back = PollingEndpointConsumerSeekIn(after=first.data[0].timestamp)
    sought = svix.message.poller.consumer_seek(app.id, "sink", "worker", back)
    assert poll().data[-1].event_id == "all" and sought.iterator


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    svix = Svix(os.environ["RELAY_TOKEN"], SvixOptions(server_url=os.environ["RELAY_URL"]))
    operational(svix, f"http://127.0.0.1:{server.server_port}")
    polled(svix)


main()
