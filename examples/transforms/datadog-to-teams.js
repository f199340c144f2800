// Alerts of Datadog, in the payload that its webhooks have by default, as cards of Microsoft Teams
// (a workflow that posts when a webhook request is received). The handler is of the form that
// Convoy calls.

const COLOURS = { error: "Attention", warning: "Warning", success: "Good" };

function transform(payload) {
  const title = payload.title || "Datadog";
  const kind = Object.keys(COLOURS).find((name) => payload.event_type?.includes(name));
  const facts = [
    { title: "Organisation", value: payload.org?.name },
    { title: "Event", value: payload.id },
    { title: "Time", value: payload.date && new Date(Number(payload.date)).toISOString() },
  ];
  return {
    type: "message",
    attachments: [{
      contentType: "application/vnd.microsoft.card.adaptive",
      content: {
        $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
        type: "AdaptiveCard",
        version: "1.4",
        body: [
          { type: "TextBlock", size: "Medium", weight: "Bolder", wrap: true, text: title,
            color: COLOURS[kind] ?? "Default" },
          // Datadog marks in its text what is meant for its own pages.
          { type: "TextBlock", wrap: true,
            text: (payload.body ?? "").replaceAll("%%%", "").trim() },
          { type: "FactSet", facts: facts.filter((fact) => fact.value) },
        ],
      },
    }],
  };
}
