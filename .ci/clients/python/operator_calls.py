"""Tokens, figures and the environment: what the operator alone may call."""

import urllib.request

from harness import ago, operation, refused, same


def portal_token(relay, app, **fields):
    return relay.calls.authentication.app_portal_access(app.id, fields).token


@operation("v1.authentication.app-portal-access", "authentication.app_portal_access")
def authentication_app_portal_access(relay, call):
    app, other = relay.application(), relay.application()
    access = call(app.id, {"expiry": 3600})
    with urllib.request.urlopen(access.url, timeout=10) as page:
        same(page.status, 200)
    scoped = relay.as_caller(access.token)
    same(scoped.application.get(app.id).id, app.id)
    scoped.endpoint.create(app.id, {"url": relay.receiver.hook().url})
    for foreign in (scoped.application.get, scoped.endpoint.list):
        try:
            foreign(other.id)
        except Exception as error:
            assert error.status_code in (403, 404), error
        else:
            raise AssertionError("a token reaches another application")
    refused(403, scoped.application.create, {"name": "Mine"})
    viewer = relay.as_caller(portal_token(relay, app, capabilities=["ViewBase"]))
    viewer.endpoint.list(app.id)
    refused(403, viewer.endpoint.create, app.id, {"url": relay.receiver.hook().url})


@operation("v1.authentication.logout", "authentication.logout")
def authentication_logout(relay, call):
    app = relay.application()
    token = portal_token(relay, app)
    scoped = relay.as_caller(token)
    scoped.endpoint.list(app.id)
    scoped.authentication.logout()
    refused(401, scoped.endpoint.list, app.id)


@operation("v1.authentication.expire-all", "authentication.expire_all")
def authentication_expire_all(relay, call):
    app = relay.application()
    tokens = [portal_token(relay, app) for _ in range(2)]
    call(app.id, {"expiry": 0})
    for token in tokens:
        refused(401, relay.as_caller(token).endpoint.list, app.id)
    relay.as_caller(portal_token(relay, app)).endpoint.list(app.id)


@operation("v1.authentication.whoami", "authentication.whoami")
def authentication_whoami(relay, call):
    assert call(), "nobody"


@operation("v1.statistics.aggregate-app-stats", "statistics.aggregate_app_stats")
def statistics_aggregate_app_stats(relay, call):
    app = relay.application()
    for _ in range(3):
        relay.send(app)
    window = {"since": ago(hours=1), "until": ago(hours=-1), "app_ids": [app.uid, "nobody"]}
    begun = call(window)
    same(begun.unresolved_app_ids, ["nobody"])
    same(relay.finished(begun.id).data["counts"], {app.id: 3})


@operation("v1.statistics.aggregate-event-types", "statistics.aggregate_event_types")
def statistics_aggregate_event_types(relay, call):
    event_type = f"{relay.prefix}.counted"
    for _ in range(2):
        relay.send(relay.application(), event_type=event_type)
    same(relay.finished(call().id).data["counts"][event_type], 2)


@operation("v1.environment.export", "environment.export")
def environment_export(relay, call):
    event_type = relay.event_type(description="Exported", schemas={"1": {"type": "object"}})
    document = call()
    [found] = [each for each in document.event_types if each.name == event_type.name]
    same((found.description, found.schemas), ("Exported", {"1": {"type": "object"}}))
    assert "whsec_" not in document.model_dump_json(), "a secret in the document"


@operation("v1.environment.import", "environment.import_")
def environment_import(relay, call):
    name = f"{relay.prefix}.from.elsewhere"
    call({"event_types": [{"name": name, "description": "Imported"}]})
    same(relay.calls.event_type.get(name).description, "Imported")
    call({"event_types": [{"name": name, "description": "Again"}]})
    same(relay.calls.event_type.get(name).description, "Again")
    refused(422, call, {"event_types": [{"name": "not a name", "description": ""}]})
