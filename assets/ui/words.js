// What states, verdicts and tasks are called on every page, and a sentence for each.

const DISABLED = {
  by_caller: [
    'disabled',
    'warn',
    'Disabled by a caller of the API: what waits for it stays until it is enabled.',
  ],
  gone: [
    'disabled',
    'bad',
    'Disabled because it answered that it is gone (410). Enable it when the receiver is back.',
  ],
  failing: [
    'disabled',
    'bad',
    'Disabled because it failed for too long. Enable it when the receiver is mended.',
  ],
  left_config: ['disabled', 'warn', 'Disabled because it left relay.toml.'],
};

// How an endpoint stands: word, tone, sentence.
export function endpointState(endpoint) {
  if (!endpoint.disabled) return ['active', 'good', 'It takes messages.'];
  return DISABLED[endpoint.disabledReason] ?? ['disabled', 'warn', 'It takes no messages.'];
}

const STATES = {
  success: 'delivered',
  pending: 'waiting',
  sending: 'sending',
  fail: 'dead',
  canceled: 'cancelled',
};

// The state of a delivery in our word for it.
export const deliveryState = (statusText) => STATES[statusText] ?? statusText;

// The states a list of deliveries can be asked for.
export const DELIVERY_STATES = [
  ['', 'Any state'],
  ['0', 'delivered'],
  ['1', 'waiting'],
  ['3', 'sending'],
  ['2', 'dead'],
  ['4', 'cancelled'],
];

const VERDICTS = {
  accepted: 'It became a message.',
  duplicate: 'Its event had come before.',
  held: 'The source is paused. It becomes a message when the source is active again, or is released.',
  inspected: 'The source only shows what comes: no message was made.',
  handshake: 'The provider asked whether this is an endpoint, and was answered.',
  refused: 'It was not accepted.',
};

export const VERDICT_NAMES = Object.keys(VERDICTS);

// What was made of a request, in a sentence.
export function verdictWords(request) {
  const words = VERDICTS[request.verdict] ?? '';
  return request.detail ? `${words} ${capital(request.detail)}.` : words;
}

const MODES = {
  active: 'What comes becomes messages.',
  paused: 'What comes is verified, answered and held until the source is active again.',
  inspect: 'What comes is shown here; no messages are made.',
};

export const modeWords = (mode) => MODES[mode] ?? '';

const TASKS = {
  'endpoint.recover': 'Resend what failed at an endpoint',
  'endpoint.replay': 'Send an endpoint what it never had',
  'endpoint.bulk-replay': 'Replay messages to an endpoint',
  'application.stats': 'Count messages by application',
  'event-type.aggregate': 'Count messages by event type',
  'application.purge_content': 'Expunge the content of an application',
  'message.broadcast': 'Broadcast a message',
  'sealing-key.rotate': 'Seal secrets with the present key',
  'dead-letter.resend': 'Resend dead letters',
  'dead-letter.purge': 'Give dead letters up',
};

export const TASK_NAMES = Object.entries(TASKS);

export const taskWords = (name) => TASKS[name] ?? name;

const OUTCOMES = {
  sent: ['would be sent', 'good'],
  not_matched: ['not matched', 'calm'],
  dropped: ['dropped', 'warn'],
  failed: ['error', 'bad'],
  unreadable: ['content gone', 'calm'],
};

// What a try-out says of a message: words and tone.
export const outcome = (name) => OUTCOMES[name] ?? [name, 'calm'];

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
