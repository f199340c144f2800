"""Event types, and their import from an OpenAPI document."""

import json

from harness import MANY, in_parallel, operation, refused, same, walk

DOCUMENT = """
openapi: 3.1.0
info: {title: Pets, version: "1"}
webhooks:
  NAME:
    post:
      description: A pet is new
      requestBody: {content: {application/json: {schema: {type: object, title: Pet}}}}
      responses: {"204": {description: Taken}}
"""


def names(page):
    return [event_type.name for event_type in page.data]


@operation("v1.event-type.list", "event_type.list")
def event_type_list(relay, call):
    made = in_parallel(lambda _: relay.event_type(), range(MANY))
    for order in ("ascending", "descending"):

        def page(**options):
            return call(order=order, **options)

        walked = walk(page, 100, "name")
        assert {event_type.name for event_type in made} <= set(walked)
        same(walked, sorted(walked, reverse=order == "descending"))


@operation("v1.event-type.list", "event_type.list")
def event_type_list_with_content_and_archived(relay, call):
    schema = {"1": {"type": "object", "title": "Invoice"}}
    name = relay.event_type(schemas=schema).name
    archived = relay.event_type(archived=True).name

    def shown(wanted, **options):
        found, iterator = [], None
        while True:
            page = call(limit=250, iterator=iterator, **options)
            found += [event_type for event_type in page.data if event_type.name == wanted]
            if page.done:
                return found
            iterator = page.iterator

    same(shown(name, with_content=True)[0].schemas, schema)
    assert not shown(name, with_content=False)[0].schemas
    same(shown(archived), [])
    same(len(shown(archived, include_archived=True)), 1)


@operation("v1.event-type.create", "event_type.create")
def event_type_create(relay, call):
    name = f"{relay.prefix}.created"
    fields = {"schemas": {"1": {"type": "object"}}, "group_name": "billing", "deprecated": True}
    call({"name": name, "description": "D", **fields})
    shown = relay.calls.event_type.get(name)
    same((shown.description, shown.group_name, shown.deprecated), ("D", "billing", True))
    same(shown.schemas, fields["schemas"])
    refused(409, call, {"name": name, "description": "Twin"})
    refused(422, call, {"name": "not a name", "description": ""})


@operation("v1.event-type.get", "event_type.get")
def event_type_get(relay, call):
    event_type = relay.event_type(description="D")
    same(call(event_type.name), event_type)
    refused(404, call, "not.there")


@operation("v1.event-type.update", "event_type.upsert", "event_type.update")
def event_type_update(relay, call):
    name = f"{relay.prefix}.upserted"
    call(name, {"description": "Made", "group_name": "g"})
    changed = call(name, {"description": "Changed"})
    same((changed.name, changed.description), (name, "Changed"))
    assert not changed.group_name, changed


@operation("v1.event-type.patch", "event_type.patch")
def event_type_patch(relay, call):
    event_type = relay.event_type(description="D", group_name="g", schemas={"1": {}})
    patched = call(event_type.name, {"archived": True})
    same((patched.archived, patched.description, patched.group_name), (True, "D", "g"))
    same(patched.schemas, {"1": {}})
    same(call(event_type.name, {"group_name": None}).group_name, None)


@operation("v1.event-type.delete", "event_type.delete")
def event_type_delete(relay, call):
    name = relay.event_type().name
    call(name)
    same(relay.calls.event_type.get(name).archived, True)
    call(name, expunge=True)
    refused(404, relay.calls.event_type.get, name)


@operation("v1.event-type.import-openapi", "event_type.import_openapi")
def event_type_import_openapi(relay, call):
    name = f"{relay.prefix}.imported"
    raw = DOCUMENT.replace("NAME", name)
    tried = call({"spec_raw": raw, "dry_run": True}).data
    same([event_type.name for event_type in tried.to_modify], [name])
    refused(404, relay.calls.event_type.get, name)
    same(call({"spec_raw": raw}).data.modified, [name])
    shown = relay.calls.event_type.get(name)
    same((shown.description, shown.schemas["1"]["title"]), ("A pet is new", "Pet"))
    second = f"{relay.prefix}.imported.too"
    content = {"application/json": {"schema": {"type": "object"}}}
    post = {"requestBody": {"content": content}, "responses": {}}
    spec = {"openapi": "3.1.0", "info": {"title": "P", "version": "1"},
            "webhooks": {second: {"post": post}}}
    same(call({"spec": json.loads(json.dumps(spec))}).data.modified, [second])
    relay.calls.event_type.get(second)
    refused(422, call, {"spec_raw": "- not: a document"})
