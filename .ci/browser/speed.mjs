// How long a page takes until it shows data, with many messages stored: figures, no verdict.
//
//   RELAY_BROWSER_MESSAGES=1000000 .ci/run browser

import { Agent, request } from 'node:http';
import { api, open, server, token, window } from './harness.mjs';
import { places } from './pages.mjs';

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

async function fill(app) {
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
}

const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];

// Prints a table: milliseconds from the navigation to the first data on the page.
export async function speed(made, storage) {
  const from = Date.now();
  await fill(made.strange.app.id);
  const counted = await api('GET', 'stats/accounting');
  console.log(
    `${counted.accepted} messages stored after ${((Date.now() - from) / 1000).toFixed(1)} s`,
  );
  const more = [
    ['/messages?q=order&hours=24', ''],
    [`/messages?app=${made.strange.app.id}`, ''],
    [`/applications/${made.strange.app.id}/endpoints/${made.strange.endpoints.good.id}`, ''],
  ];
  const view = await window({ storage });
  for (const [path] of [...places(made), ...more]) {
    const times = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await open(view, path);
      times.push(
        await view.page.evaluate(() => performance.getEntriesByName('shown')[0].startTime),
      );
    }
    console.log(
      `${String(Math.round(median(times))).padStart(6)} ms  ${path.replaceAll(/(app|ep|msg|src)_\w+/g, '$1_…')}`,
    );
  }
  await view.close();
}
