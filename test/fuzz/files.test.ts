// Devices: cpu
// Random files against the readers: whatever they hold, only errors with a code come out.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { goal } from '../support/goal.ts';
import { instrumentLibrary, type Point } from './instrument.ts';
import { type Found, runTarget } from './target.ts';

interface Target {
  name: string;
  /** Files of lib/ whose branches lead the search. */
  measured: string[];
  /** The ways in which inputs end, in order. */
  outcomes: string[];
  /** Branches that no input can reach, as `file: code`, each with the reason. */
  beyond: Record<string, string>;
  /** Inputs a round. */
  executions: number;
}

const targets: Target[] = [
  {
    name: 'reader',
    measured: ['json/scanner', ...['dtypes', 'file', 'header'].map((name) => `safetensors/${name}`)].map(
      (name) => `files/${name}.ts`,
    ),
    outcomes: ['ERR_FORMAT', 'ERR_UNSUPPORTED', 'accepted'],
    beyond: {
      'files/safetensors/file.ts: catch (cause) {': 'no memory for a tensor; test/attacks',
      'files/safetensors/file.ts: catch (error) {': 'a caller that fails with the file open; faults.test.ts',
      'files/safetensors/file.ts: catch (reason) {':
        'no regular file, or another than before; files/open-files.test.ts',
      "files/safetensors/file.ts: fail('file must stay as it is while it is read, got another one');":
        'a file that is opened twice; files/open-files.test.ts',
      'files/safetensors/file.ts: stampOf(known) !== stampOf(stats)':
        'a file that is opened twice; files/open-files.test.ts',
      'files/safetensors/file.ts: [dev, ino, size, mtimeMs].join()':
        'a file that is opened twice; files/open-files.test.ts',
      'files/safetensors/file.ts: (constants.O_NOFOLLOW ?? 0)': 'asked for by its caller; test/transplant',
      'files/safetensors/file.ts: constants.O_NOFOLLOW ?? 0': 'systems without the flag',
      'files/safetensors/file.ts: read(into, dataStart + info.begin + from)': 'parts of tensors; test/transplant',
      'files/safetensors/file.ts: constants.O_NONBLOCK ?? 0': 'systems without the flag',
      "files/safetensors/file.ts: fail('path must be a regular file, got another kind');": 'test/attacks',
      'files/safetensors/file.ts: fail(`file must keep its size while it is read, got its end at byte ${at}`)':
        'a file that shrinks meanwhile; faults.test.ts',
      'files/safetensors/file.ts: return fail(`tensor ${JSON.stringify(name)} must be present, got none`);':
        'asked for by its caller, not by the file',
      'files/json/scanner.ts: goTo(position: number): void {': 'merges of tokenizers; the target tokenizer',
      'files/json/scanner.ts: this.fail(`${this.what} must have at most ${limit} bytes in the string at byte ${start}, got more`);':
        'a limit for long texts, which headers have not; test/files/json.test.ts',
      'files/safetensors/header.ts: scanner.unexpected("\'{\'");': 'file.ts has looked at this byte before',
    },
    executions: 10_000,
  },
  {
    name: 'arrays',
    measured: ['npy/array', 'npy/header', 'npy/dtypes', 'zip/directory', 'zip/member'].map(
      (name) => `files/${name}.ts`,
    ),
    outcomes: ['ERR_FORMAT', 'ERR_UNSUPPORTED', 'accepted'],
    beyond: {
      'files/npy/array.ts: catch (cause) {': 'no memory for an array; test/attacks',
      'files/npy/header.ts: export function writeArrayHeader(descr: string, shape: readonly number[]): Uint8Array {':
        'files that are written; test/arrays',
      'files/npy/header.ts: `${shape[0]},`': 'files that are written; test/arrays',
      "files/npy/header.ts: shape.join(', ')": 'files that are written; test/arrays',
      'files/zip/directory.ts: fail(`file must keep its size while it is read, got its end at byte ${at}`)':
        'a file that shrinks meanwhile; arrays/faults.test.ts',
      'files/zip/member.ts: fail(`file must keep its size while it is read, got its end at byte ${at}`)':
        'a file that shrinks meanwhile; arrays/faults.test.ts',
      'files/zip/member.ts: wrong(`must have ${done + bytes.length} bytes, got ${size}`);':
        'a caller that asks for more than the size; readers of arrays have looked at it',
      'files/zip/member.ts: wrong(`must have ${done} bytes, got ${size}`);':
        'a caller that ends before the size; readers of arrays have looked at it',
      'files/zip/member.ts: wrong(`must have ${size} bytes, got others`);':
        'the same, and more than the size, which zlib refuses before',
      "files/zip/member.ts: not systemCode(error)?.startsWith('Z_')": 'zlib without memory',
      'files/zip/member.ts: inflate.destroy(error)': 'a file that cannot be read further; arrays/faults.test.ts',
      'files/zip/member.ts: throw error;': 'a file that cannot be read further, and aborts; arrays/faults.test.ts',
      'files/zip/member.ts: Promise.reject(error)': 'zlib without memory',
    },
    executions: 10_000,
  },
  {
    name: 'checkpoint',
    measured: ['optimizers/base/checkpoint.ts'],
    outcomes: ['ERR_FORMAT', 'ERR_STATE', 'accepted'],
    beyond: {
      "optimizers/base/checkpoint.ts: throw refusal(op, 'metadata', `not use the names ${ownNames.join(', ')}`, name);":
        'an argument of save',
    },
    executions: 1000,
  },
  {
    name: 'tokenizer',
    measured: ['files/json/reader.ts', ...['model', 'parse', 'traits'].map((name) => `tokenizers/${name}.ts`)],
    outcomes: ['ERR_FORMAT', 'accepted'],
    beyond: {
      'files/json/reader.ts: this.fail(`${this.what} must have at most ${mostMembers} such members as ${quote(key)}, got more`);':
        'files beside the tokenizer have ten such members; the target configuration',
      "files/json/reader.ts: this.kind() === 'object'": 'objects within config.json; the target configuration',
      'files/json/reader.ts: yield* this.members(limit, isWanted)':
        'objects within config.json; the target configuration',
    },
    executions: 2000,
  },
  {
    name: 'configuration',
    measured: ['files/json/edit.ts', 'files/model-folder/shard-index.ts', 'transplant/output/config.ts'],
    outcomes: ['ERR_FORMAT ERR_FORMAT', 'ERR_FORMAT accepted', 'accepted ERR_FORMAT', 'accepted accepted'],
    beyond: {},
    executions: 2000,
  },
];

const growthLimit = 256 << 20; // bytes
const rounds = goal('R13', { ci: 6, deep: 600, unit: 'seconds' });

describe.each(targets)('R13: fuzzing of $name', rounds.tagged, ({ name, measured, outcomes, beyond, executions }) => {
  const corpus = path.join(import.meta.dirname, 'corpus', name);
  // Inside of the house, where node_modules is found.
  const library = path.join(import.meta.dirname, '..', '..', 'build', 'fuzz', name);
  let points: Point[] = [];
  beforeAll(() => {
    points = instrumentLibrary(library, measured);
  });

  const run = async (options: object): Promise<Found> =>
    JSON.parse(await runTarget(`${name}.mjs`, [library, JSON.stringify({ corpus, ...options })], 300_000));

  it('the corpus reaches every branch and every outcome', async () => {
    const found = await run({ seed: 0, executions: 0, long: true });
    expect(Object.keys(found.outcomes).sort()).toEqual(outcomes);
    const reached = new Set(found.reached);
    const missed = points.filter((_, point) => !reached.has(point));
    expect(missed.map(({ file, text }) => `${file}: ${text}`).sort()).toEqual(Object.keys(beyond).sort());
  });

  it(
    'what a seed makes of the corpus is accepted or refused with a code',
    async () => {
      // Inputs that reach something new are kept, to be added to the corpus.
      const keep = path.join(library, 'kept');
      mkdirSync(keep);
      const totals: Record<string, number> = {};
      const count = await rounds.each(async (seed) => {
        const found = await run({ seed, executions, growthLimit, keep });
        for (const [outcome, times] of Object.entries(found.outcomes)) totals[outcome] = (totals[outcome] ?? 0) + times;
        expect(found.growth).toBeGreaterThan(0);
        expect(found.growth).toBeLessThanOrEqual(growthLimit);
      });
      console.log(`R13, ${name}: ${count * executions} inputs beside the corpus; ${JSON.stringify(totals)}`);
      if (count > 1) expect(Object.keys(totals).sort()).toEqual(outcomes);
      else expect(outcomes).toEqual(expect.arrayContaining(Object.keys(totals)));
    },
    rounds.limit(300_000),
  );
});
