// The portal: an application's endpoints, messages and event types, for its customers.

import { deadLetters } from './portal-dead-letters.js';
import { editEndpoint, newEndpoint } from './portal-endpoint-form.js';
import { endpoint } from './portal-endpoint.js';
import { endpoints } from './portal-endpoints.js';
import { eventType, eventTypes } from './portal-event-types.js';
import { message } from './portal-message.js';
import { messages } from './portal-messages.js';
import { start } from './portal-place.js';

start({
  endpoints: { draw: endpoints, section: 'endpoints' },
  endpoint: { draw: endpoint, section: 'endpoints' },
  'new-endpoint': { draw: newEndpoint, section: 'endpoints' },
  'edit-endpoint': { draw: editEndpoint, section: 'endpoints' },
  messages: { draw: messages, section: 'messages' },
  message: { draw: message, section: 'messages' },
  'dead-letters': { draw: deadLetters, section: 'dead-letters' },
  'event-types': { draw: eventTypes, section: 'event-types' },
  'event-type': { draw: eventType, section: 'event-types' },
});
