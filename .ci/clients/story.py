"""The core path through the unmodified Svix library for Python, received with its own Webhook."""

import os
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from svix.api import (
    ApplicationIn,
    EndpointHeadersIn,
    EndpointIn,
    EndpointPatch,
    EndpointSecretRotateIn,
    EventTypeIn,
    MessageIn,
    Svix,
    SvixOptions,
)
from svix.exceptions import HttpError, HTTPValidationError
from svix.webhooks import Webhook

received = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.put(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def refused(status, call, *arguments):
    try:
        call(*arguments)
    except (HttpError, HTTPValidationError) as error:
        assert error.status_code == status, error
        return
    raise AssertionError(f"expected {status}")


def settled(svix, app, msg):
    """The delivery's state, asked until it is no longer pending."""
    for _ in range(500):
        states = svix.message_attempt.list_attempted_destinations(app, msg).data
        if states and all(int(state.status) in (0, 2) for state in states):
            return states
        threading.Event().wait(0.02)
    raise AssertionError(f"{msg} is still pending")


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hook"
    svix = Svix(os.environ["RELAY_TOKEN"], SvixOptions(server_url=os.environ["RELAY_URL"]))
    svix.health.get()

    app = svix.application.create(ApplicationIn(name="Python", uid="python"))
    assert svix.application.get("python").id == app.id
    assert svix.application.get_or_create(ApplicationIn(name="Python", uid="python")).id == app.id
    refused(409, svix.application.create, ApplicationIn(name="Twin", uid="python"))
    assert "python" in [each.uid for each in svix.application.list().data]
    refused(404, svix.application.get, "nobody")

    svix.event_type.create(EventTypeIn(name="py.invoice.paid", description="An invoice was paid"))
    assert svix.event_type.get("py.invoice.paid").description == "An invoice was paid"

    endpoint = svix.endpoint.create(
        app.id, EndpointIn(url=url, uid="books", event_types=["py.invoice.paid"])
    )
    assert svix.endpoint.get("python", "books").id == endpoint.id
    refused(422, svix.endpoint.create, app.id, EndpointIn(url="nonsense"))
    svix.endpoint.set_headers(app.id, endpoint.id, EndpointHeadersIn(headers={"X-Team": "books"}))
    assert list(svix.endpoint.get_headers(app.id, endpoint.id).headers.values()) == ["books"]
    patched = svix.endpoint.patch(app.id, endpoint.id, EndpointPatch(description="Books"))
    assert patched.description == "Books"
    old = svix.endpoint.get_secret(app.id, endpoint.id).key
    svix.endpoint.rotate_secret(app.id, endpoint.id, EndpointSecretRotateIn())
    new = svix.endpoint.get_secret(app.id, endpoint.id).key
    assert old != new

    payload = {"type": "py.invoice.paid", "data": {"invoice": 1042, "to": "Zoë"}}
    message = MessageIn(event_type="py.invoice.paid", event_id="py-1042", payload=payload)
    sent = svix.message.create("python", message)
    refused(409, svix.message.create, "python", message)
    headers, body = received.get(timeout=30)
    for secret in (old, new):
        Webhook(secret).verify(body, headers)
    assert headers["webhook-id"] == sent.id and headers["x-team"] == "books", headers

    [state] = settled(svix, app.id, sent.id)
    assert int(state.status) == 0, state
    [attempt] = svix.message_attempt.list_by_endpoint(app.id, "books").data
    assert (attempt.msg_id, attempt.response_status_code) == (sent.id, 204)
    assert svix.message_attempt.get(app.id, sent.id, attempt.id).id == attempt.id
    assert svix.message.get(app.id, "py-1042").id == sent.id
    assert [each.id for each in svix.message.list(app.id).data] == [sent.id]
    svix.message_attempt.resend(app.id, sent.id, endpoint.id)
    again, _ = received.get(timeout=30)
    assert again["webhook-id"] == sent.id

    svix.endpoint.delete(app.id, endpoint.id)
    svix.application.delete("python")
    refused(404, svix.application.get, "python")


main()
