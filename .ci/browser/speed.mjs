// How long a page takes until it shows data, with many messages stored: figures, no verdict.
//
//   RELAY_BROWSER_MESSAGES=1000000 .ci/run browser

import { Agent, request } from 'node:http';
import { PATIENCE, api, open, server, token, until, window } from './harness.mjs';
import { places } from './pages.mjs';
import { enter, views } from './portal.mjs';

const COUNT = Number(process.env.RELAY_BROWSER_MESSAGES ?? 5_000);
const AT_ONCE = 64;
const ROUNDS = 3;

function post(agent, path, body) {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  return new Promise((done, failed) => {
    const call = request(`${server}${path}`, { method: 'POST', agent, headers }, (answer) => {
      answer.resume();
      answer.on('end', () =>
        answer.statusCode === 202 ? done() : failed(new Error(`answered ${answer.statusCode}`)),
      );
    });
    call.on('error', failed);
    call.end(body);
  });
}

let filled = false;

// Stores that many messages, once, and waits until they are delivered: what takes long then is the
// store and not the load.
export async function fill({ strange }) {
  if (filled) return;
  filled = true;
  const app = strange.app.id;
  const from = Date.now();
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  let left = COUNT;
  const types = ['order.placed', 'order.shipped', 'invoice.paid'];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left > 0) {
        left -= 1;
        const body = JSON.stringify({
          eventType: types[left % 3],
          payload: { number: left, note: `something that happened to order ${left}` },
        });
        await post(agent, `/api/v1/app/${app}/msg`, body);
      }
    }),
  );
  agent.destroy();
  const how = `app/${app}/endpoint/${strange.endpoints.good.id}/health`;
  const delivered = async () => {
    const { waiting, inFlight } = await api('GET', how);
    return waiting.count === 0 && inFlight === 0;
  };
  await until('an end of the load', delivered, PATIENCE + COUNT);
  const counted = await api('GET', 'stats/accounting');
  const took = ((Date.now() - from) / 1000).toFixed(1);
  console.log(`${counted.accepted} messages stored and delivered after ${took} s`);
}

const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];

// A tab is a part of its page.
const whole = (list) => list.map(([path]) => path).filter((path) => !path.includes('#'));

// Prints the middle of some rounds: milliseconds from the navigation to the first data on the page.
async function measure(view, path) {
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await open(view, path);
    times.push(await view.page.evaluate(() => performance.getEntriesByName('shown')[0].startTime));
  }
  const name = path.replaceAll(/(app|ep|msg|src|in)_\w+/g, '$1_…');
  console.log(`${String(Math.round(median(times))).padStart(6)} ms  ${name}`);
}

// A table of the dashboard's pages and of the portal's views.
export async function speed(made, storage) {
  await fill(made);
  const { app, endpoints } = made.strange;
  const view = await window({ storage });
  for (const path of whole(places(made))) await measure(view, path);
  await measure(view, '/messages?q=order&hours=24');
  await measure(view, `/messages?app=${app.id}`);
  await measure(view, `/applications/${app.id}/endpoints/${endpoints.good.id}`);
  await view.close();
  const tenant = await enter(made.portal.url);
  for (const path of whole(views(made.acme, made))) await measure(tenant, path);
  await tenant.close();
  const busy = await enter((await api('POST', `auth/app-portal-access/${app.id}`, {})).url);
  await measure(busy, `/portal?view=endpoint&endpoint=${endpoints.good.id}`);
  await measure(busy, '/portal?view=messages');
  await measure(busy, '/portal?view=messages&q=order');
  await busy.close();
}
