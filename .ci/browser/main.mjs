// The browser suite: every page and what people do there, against a live relay.
//
//   RELAY_BROWSER_ROOMS="endpoint portal" .ci/run browser

import { writeFileSync } from 'node:fs';
import { actions } from './actions.mjs';
import { application } from './application.mjs';
import { allDialogs } from './dialogs.mjs';
import { declared } from './declared.mjs';
import { endpoint } from './endpoint.mjs';
import { eventTypes } from './event-types.mjs';
import { close, finish, launch, signedIn } from './harness.mjs';
import { keyboard, pages } from './pages.mjs';
import { people } from './people.mjs';
import { portalEndpoint } from './portal-endpoint.mjs';
import { portalMessages } from './portal-messages.mjs';
import { portal } from './portal.mjs';
import { seed } from './seed.mjs';
import { settings } from './settings.mjs';
import { sources } from './sources.mjs';
import { speed } from './speed.mjs';
import { transform } from './transform.mjs';

const ROOMS = {
  pages,
  keyboard,
  actions,
  application,
  endpoint,
  transform,
  sources,
  'event-types': eventTypes,
  people,
  declared,
  portal,
  'portal-endpoint': portalEndpoint,
  'portal-messages': portalMessages,
  dialogs: allDialogs,
  settings,
  speed,
};

const chosen = process.env.RELAY_BROWSER_ROOMS?.split(/\s+/).filter(Boolean);
for (const name of chosen ?? []) if (!ROOMS[name]) throw new Error(`there is no room ${name}`);
const made = await seed();
await launch();
const storage = await signedIn();
for (const [name, room] of Object.entries(ROOMS)) {
  const from = Date.now();
  if (chosen && !chosen.includes(name)) continue;
  await room(made, storage);
  console.log(`${name}: ${((Date.now() - from) / 1000).toFixed(1)} s`);
}
await close();
finish();
if (process.argv[2]) writeFileSync(process.argv[2], '');
process.exit();
