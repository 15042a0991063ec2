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
const mostLines = 1_000_000;

/** @param {string} message @returns {never} */
function refuse(message) {
  console.error(`runs.mjs: ${message}`);
  process.exit(2);
}

const {
  positionals: [command, id, ...more],
  values,
} = wordsOf();
const root = path.resolve(values.folder);
const { runs: names } = await foldersOf(root).catch(() => refuse(`there are no runs in ${root}`));

/** @type {Record<string, () => Promise<Iterable<string> | AsyncIterable<string>>>} */
const commands = {
  async ls() {
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
  },
  async show() {
    return [`${JSON.stringify(view(await asked()), undefined, 2)}\n`];
  },
  async log() {
    return (await logOf(await asked(), mostLines)).map((line) => `${line}\n`);
  },
  async export() {
    if (!Object.hasOwn(formats, values.format))
      refuse(`--format must be one of ${Object.keys(formats).join(', ')}, got ${values.format}`);
    return formats[/** @type {keyof typeof formats} */ (values.format)](await asked());
  },
};
if (command === undefined || !Object.hasOwn(commands, command) || more.length > 0) refuse(usage);
await pipeline(Readable.from(await commands[command]()), process.stdout).catch((error) => {
  // Whoever reads may leave early.
  if (error.code !== 'EPIPE') throw error;
});

function wordsOf() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        folder: { type: 'string', default: standardFolder },
        json: { type: 'boolean', default: false },
        format: { type: 'string', default: 'csv' },
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
