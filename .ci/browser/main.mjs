// The browser suite: every page and what people do there, against a live relay.

import { writeFileSync } from 'node:fs';
import { actions } from './actions.mjs';
import { close, finish, launch } from './harness.mjs';
import { keyboard, pages } from './pages.mjs';
import { seed } from './seed.mjs';
import { speed } from './speed.mjs';

const made = await seed();
await launch();
const storage = await pages(made);
await keyboard(made, storage);
await actions(made, storage);
await speed(made, storage);
await close();
finish();
if (process.argv[2]) writeFileSync(process.argv[2], '');
process.exit();
