// Drives a relay with the Svix library for JavaScript under $CLIENTS: main.mjs VERDICTS.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

import { run } from "./harness.mjs";
import "./applications.mjs";
import "./endpoints.mjs";
import "./event_types.mjs";
import "./filters.mjs";
import "./messages.mjs";
import "./operational.mjs";
import "./operator_calls.mjs";
import "./replays.mjs";
import "./signatures.mjs";
import "./sources.mjs";

// The operations of docs/openapi.json.
const { paths } = JSON.parse(readFileSync("docs/openapi.json", "utf8"));
const documented = new Set(
  Object.values(paths).flatMap((path) => Object.values(path).map((call) => call?.operationId)),
);
const folder = `${process.env.CLIENTS}/node_modules/svix`;
const { version, main } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
const library = await import(pathToFileURL(`${folder}/${main}`));
process.exitCode = (await run(library, version, documented, process.argv[2])) ? 0 : 1;
