// Lists, shows and exports the runs of a training server's folder, whether a server works in it or not, and changes nothing.
// usage: node examples/training-server/runs.mjs ls [--json] | show <id> | log <id> | export <id> [--format csv|jsonl] [--folder folder]
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { csvOf, jsonlOf } from './http/curves.mjs';
import { view } from './http/view.mjs';
import { log } from './log.mjs';
import { foldersOf, standardFolder } from './runs/folder.mjs';
import { logOf } from './runs/log.mjs';
import { Run } from './runs/run.mjs';

const usage = 'usage: runs.mjs ls [--json] | show <id> | log <id> | export <id> [--format csv|jsonl] [--folder folder]';
const formats = { csv: csvOf, jsonl: jsonlOf };

/** @param {string} message @returns {never} */
function refuse(message) {
  console.error(`runs.mjs: ${message}`);
  process.exit(2);
}

const {
  positionals: [command, id, ...more],
  values,
} = wordsOf();
if (command === undefined || !['ls', 'show', 'log', 'export'].includes(command) || more.length > 0) refuse(usage);
if (values.json && command !== 'ls') refuse('--json is for ls');
if (values.format !== undefined && command !== 'export') refuse('--format is for export');
const root = path.resolve(values.folder);
const { runs: names } = await foldersOf(root).catch((error) =>
  refuse(error.code === 'ENOENT' ? `there are no runs in ${root}` : error.message),
);
const text = command === 'ls' ? await listed() : partOf(command, await asked());
await pipeline(Readable.from(text), process.stdout).catch((error) => {
  // Whoever reads may leave early.
  if (error.code === 'EPIPE') return;
  if (id === undefined) throw error;
  refuse(`the run ${id} cannot be read: ${error.message}`);
});

/** All runs that can be read. */
async function listed() {
  if (id !== undefined) refuse(usage);
  const found = [];
  for (const name of names) {
    try {
      found.push(view(await Run.open(root, name)));
    } catch (error) {
      log('a run cannot be read', { run: name, error: String(error) });
    }
  }
  return values.json ? [`${JSON.stringify(found)}\n`] : tableOf(found);
}

/** @param {string} word @param {Run} run @returns {AsyncGenerator<string>} */
async function* partOf(word, run) {
  if (word === 'show') yield `${JSON.stringify(view(run), undefined, 2)}\n`;
  else if (word === 'export') yield* formatOf()(run);
  else for (const line of await logOf(run, Number.POSITIVE_INFINITY)) yield `${line}\n`;
}

function formatOf() {
  const { format = 'csv' } = values;
  if (!Object.hasOwn(formats, format))
    refuse(`--format must be one of ${Object.keys(formats).join(', ')}, got ${format}`);
  return formats[/** @type {keyof typeof formats} */ (format)];
}

function wordsOf() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        folder: { type: 'string', default: standardFolder },
        json: { type: 'boolean', default: false },
        format: { type: 'string' },
      },
    });
  } catch (error) {
    return refuse(/** @type {Error} */ (error).message);
  }
}

/** The run that is asked for by its id, or by a beginning that no other has. */
async function asked() {
  if (id === undefined) refuse(usage);
  const found = names.filter((name) => name.startsWith(id));
  const [name] = found;
  if (name === undefined) refuse(`there is no run ${id} in ${root}`);
  if (found.length > 1) refuse(`${found.length} runs begin with ${id}: ${found.join(', ')}`);
  return Run.open(root, name).catch((error) => refuse(`the run ${name} cannot be read: ${error.message}`));
}

/** @param {ReturnType<typeof view>[]} runs */
function tableOf(runs) {
  const rows = runs.map(({ id, kind, state, step, steps, last, updated }) => [
    id,
    kind,
    state,
    steps === undefined ? '' : `${step}/${steps}`,
    `${last?.loss ?? ''}`,
    updated,
  ]);
  const all = [['id', 'kind', 'state', 'step', 'loss', 'updated'], ...rows];
  const widths = all[0].map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const lineOf = (/** @type {string[]} */ row) => row.map((word, i) => word.padEnd(widths[i])).join('  ');
  return all.map((row) => `${lineOf(row).trimEnd()}\n`);
}
