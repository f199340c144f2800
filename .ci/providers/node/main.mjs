// Proves a relay with providers' libraries for JavaScript: main.mjs RESULTS. Lies beside the
// node_modules that have them.

import { run } from "./harness.mjs";
import "./payments.mjs";
import "./messaging.mjs";
import "./tools.mjs";
import "./handshakes.mjs";

process.exitCode = (await run(process.argv[2])) ? 0 : 1;
