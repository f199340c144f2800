//! Event types out of OpenAPI documents.

use relay::config::SchemaCheck;
use serde_json::{Value, json};

use crate::support::server::{Answer, Relay};

/// As the documentation of the Svix API has it, and a little more.
const DOCUMENT: &str = r##"
# Both YAML and JSON are supported
openapi: 3.1.0
info: { title: Webhook Example, version: 1.0 }
x-common: &answers
  200: { description: ok }
webhooks:
  "pet.new":
    post:
      x-svix-group-name: pets
      requestBody:
        description: Information about a new pet
        content:
          application/json:
            schema: { $ref: "#/components/schemas/Pet" }
            example: { id: 1, name: no }
      responses: *answers
  "pet.gone":
    post: { deprecated: true, description: A pet is gone }
components:
  schemas:
    Pet:
      type: object
      required: [id, name]
      properties:
        id: { type: integer, format: int64 }
        name: { type: string }
        parent: { $ref: "#/components/schemas/Pet" }
"##;

fn import(relay: &Relay, body: Value) -> Answer {
    relay.post("/event-type/import/openapi", body)
}

#[test]
fn webhooks_become_event_types() {
    let relay = Relay::with(|config| config.intake.schemas = SchemaCheck::Reject);
    let old = json!({"name": "pet.old", "description": "left", "schemas": {"1": {}}});
    relay.post("/event-type", old).expect(201);
    let dry = json!({"specRaw": DOCUMENT, "dryRun": true, "replaceAll": true});
    let dry = import(&relay, dry).expect(200);
    assert_eq!(dry.json["data"]["modified"], json!([]));
    let found = &dry.json["data"]["to_modify"];
    assert_eq!((&found[0]["name"], &found[0]["deprecated"]), (&json!("pet.gone"), &json!(true)));
    assert_eq!(found[1]["groupName"], "pets");
    assert_eq!(found[1]["schemas"]["1"]["required"], json!(["id", "name"]));
    relay.get("/event-type/pet.new").expect(404);

    let done = import(&relay, json!({"specRaw": DOCUMENT})).expect(200);
    let expected = json!({"data": {"modified": ["pet.gone", "pet.new"], "to_modify": null}});
    assert_eq!(done.json, expected);
    let new = relay.get("/event-type/pet.new").expect(200);
    assert_eq!(new.text("description"), "Information about a new pet");
    let examples = &new.json["schemas"]["1"]["examples"];
    assert_eq!(*examples, json!([{"id": 1, "name": "no"}]), "no is a word and no boolean");
    assert_eq!(relay.get("/event-type/pet.old").json["archived"], false);
    import(&relay, json!({"specRaw": DOCUMENT})).expect(200);
    assert_eq!(relay.get("/event-type/pet.new").text("updatedAt"), new.text("updatedAt"));

    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let send = |payload: Value| {
        relay.post("/app/acme/msg", json!({"eventType": "pet.new", "payload": payload}))
    };
    send(json!({"id": 1, "name": "a", "parent": {"id": 2, "name": "b"}})).expect(202);
    let deep = json!({"id": 1, "name": "a", "parent": {"id": 2, "name": "b", "parent": {}}});
    assert_eq!(send(deep).problem(), "body.payload.parent.parent");

    relay.delete("/event-type/pet.gone").expect(204);
    import(&relay, json!({"specRaw": DOCUMENT, "replaceAll": true})).expect(200);
    assert_eq!(relay.get("/event-type/pet.old").json["archived"], true);
    assert_eq!(relay.get("/event-type/pet.gone").json["archived"], false);
}

#[test]
fn documents_that_are_refused_change_nothing() {
    let relay = Relay::start();
    let spec = json!({"openapi": "3.1.0", "webhooks": {"a.b": {"post": {}}}});
    import(&relay, json!({})).expect(400);
    import(&relay, json!({"spec": spec, "specRaw": DOCUMENT})).expect(400);
    let place = |body: Value| import(&relay, body).problem();
    assert_eq!(place(json!({"specRaw": "webhooks: ["})), "body.specRaw");
    assert_eq!(place(json!({"specRaw": "{"})), "body.specRaw");
    assert_eq!(place(json!({"spec": {"openapi": "3.1.0"}})), "body.spec");
    let named = json!({"spec": {"webhooks": {"a.b": {}, "a b": {}}}});
    assert_eq!(place(named), "body.spec.webhooks.a b");
    let schema = json!({"type": "strin"});
    let body = json!({"content": {"application/json": {"schema": schema}}});
    let wrong = json!({"webhooks": {"a.b": {}, "c": {"post": {"requestBody": body}}}});
    assert_eq!(place(json!({"spec": wrong})), "body.c.schemas.1.type");
    let bomb = (0..30).fold("a0: &a0 x\n".to_owned(), |text, number| {
        let last = format!("*a{number}");
        format!("{text}a{next}: &a{next} [{last}, {last}]\n", next = number + 1)
    });
    assert_eq!(place(json!({"specRaw": bomb})), "body.specRaw");
    let deep = format!("a: {}1{}", "[".repeat(3_000), "]".repeat(3_000));
    assert_eq!(place(json!({"specRaw": deep})), "body.specRaw");
    assert_eq!(relay.get("/event-type").json["data"], json!([]));
    import(&relay, json!({"spec": spec})).expect(200);
}
