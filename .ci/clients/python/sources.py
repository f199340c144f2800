"""Sources, by the calls that the library has for ingesting."""

import urllib.error
import urllib.request

from harness import operation, refused, same, walk

# What both know, with what each asks for.
CONFIGS = {
    "generic-webhook": {},
    "docusign": {"secret": "a secret"},
    "github": {"secret": "a secret"},
    "hubspot": {"secret": "a secret"},
    "meta": {"secret": "a secret", "verify_token": "a token"},
    "shopify": {"secret": "a secret"},
    "slack": {"secret": "a secret"},
    "stripe": {"secret": "whsec_a_secret"},
    "svix": {"secret": "whsec_" + "S" * 32},
    "zoom": {"secret": "a secret"},
}


def source(relay, kind="github", **fields):
    uid = relay.name()
    config = CONFIGS[kind]
    return relay.calls.ingest.source.create(
        {"name": uid, "uid": uid, "type": kind, "config": config, **fields}
    )


def status_of(url):
    """What a provider is answered that posts there."""
    request = urllib.request.Request(url, b"{}", {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@operation("v1.source.list", "ingest.source.list")
def source_list(relay, call):
    made = [source(relay, kind) for kind in CONFIGS]
    for order in ("ascending", "descending"):

        def page(**options):
            return call(order=order, **options)

        walked = walk(page, 3)
        assert {each.id for each in made} <= set(walked), "what was created does not come back"
        same(walked, sorted(walked, reverse=order == "descending"))
    listed = {each.id: each for each in call(limit=250).data}
    same([listed[each.id] for each in made], made)


@operation("v1.source.create", "ingest.source.create")
def source_create(relay, call):
    for kind, config in CONFIGS.items():
        uid = relay.name()
        fields = {"name": "Zoë", "uid": uid, "type": kind, "metadata": {"team": "a"}}
        made = call({**fields, "config": config})
        same((made.name, made.uid, made.type, made.metadata), ("Zoë", uid, kind, {"team": "a"}))
        assert "secret" not in made.model_dump_json(), f"the secret of {kind} is shown"
        # what verifies nothing takes it; the others want a signature
        same((kind, status_of(made.ingest_url)), (kind, 200 if config == {} else 401))
        error = refused(409, call, {**fields, "config": config})
        same(error.code, "conflict")


@operation("v1.source.create", "ingest.source.create")
def source_create_twice_with_one_key(relay, call):
    key = relay.name()
    fields = {"name": key, "type": "generic-webhook", "config": {}}
    made = call(dict(fields), idempotency_key=key)
    same(call(dict(fields), idempotency_key=key).id, made.id)


@operation("v1.source.get", "ingest.source.get")
def source_get(relay, call):
    for kind in CONFIGS:
        made = source(relay, kind)
        same(call(made.id), made)
        same(call(made.uid), made)
    same(refused(404, call, "nobody").code, "not_found")


@operation("v1.source.update", "ingest.source.upsert", "ingest.source.update")
def source_update(relay, call):
    made = source(relay, metadata={"a": "b"})
    fields = {"name": "Changed", "uid": made.uid, "type": "stripe", "metadata": {}}
    changed = call(made.id, {**fields, "config": CONFIGS["stripe"]})
    same((changed.id, changed.name, changed.type), (made.id, "Changed", "stripe"))
    same((changed.metadata, changed.ingest_url), ({}, made.ingest_url))
    same(relay.calls.ingest.source.get(made.uid), changed)


@operation("v1.source.delete", "ingest.source.delete")
def source_delete(relay, call):
    made = source(relay, "generic-webhook")
    same(status_of(made.ingest_url), 200)
    call(made.uid)
    refused(404, relay.calls.ingest.source.get, made.id)
    same(status_of(made.ingest_url), 404)
    refused(404, call, made.id)


@operation("v1.source.rotate-token", "ingest.source.rotate_token")
def source_rotate_token(relay, call):
    made = source(relay, "generic-webhook")
    rotated = call(made.id).ingest_url
    assert rotated != made.ingest_url, "the URL is the old one"
    same(relay.calls.ingest.source.get(made.id).ingest_url, rotated)
    # the old one counts for a while
    same([status_of(url) for url in (made.ingest_url, rotated)], [200, 200])
