// Payments of Stripe as messages of Discord. The handler is of the form that Svix calls.

// Stripe counts these in whole units, and all others in hundredths.
const WHOLE = ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd",
  "vuv", "xaf", "xof", "xpf"];
const KINDS = {
  "payment_intent.succeeded": { title: "Payment received", color: 0x2ecc71 },
  "payment_intent.payment_failed": { title: "Payment failed", color: 0xe74c3c },
  "charge.refunded": { title: "Payment refunded", color: 0xf1c40f },
};

function money(amount, currency) {
  const whole = WHOLE.includes(currency);
  return `${whole ? amount : (amount / 100).toFixed(2)} ${currency.toUpperCase()}`;
}

function handler(webhook) {
  const { id, type, livemode, data } = webhook.payload;
  const kind = KINDS[type];
  if (!kind) {
    webhook.cancel = true; // Dropped: nothing is sent.
    return webhook;
  }
  const { amount, currency, description, receipt_email: email } = data.object;
  const lines = [`**${money(amount, currency)}**`, description, email && `from ${email}`];
  webhook.payload = {
    embeds: [{
      title: livemode ? kind.title : `${kind.title} (test)`,
      description: lines.filter(Boolean).join("\n"),
      color: kind.color,
      footer: { text: id },
    }],
    allowed_mentions: { parse: [] },
  };
  return webhook;
}
