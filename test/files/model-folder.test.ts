// Devices: cpu
// A job that makes a model folder out of another one: some tensors anew, the others as they are, at once and whole.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkSumBytes } from '../../lib/files/model-folder/check-sums.ts';
import { Folder as ModelFolder } from '../../lib/files/model-folder/folder.ts';
import { MemoryRecords } from '../../lib/files/model-folder/journal.ts';
import { differenceOf, isRun, statesOf, textOf } from '../../lib/files/model-folder/run-record.ts';
import { Weights } from '../../lib/files/model-folder/weights.ts';
import { Workspace } from '../../lib/files/model-folder/workspace.ts';
import { type NewTensor, writeWeights } from '../../lib/files/model-folder/write-weights.ts';
import { readJson, readModel, tensorOf, writeTensors } from '../transplant/models.ts';
import { Folder } from './folder.ts';

const op = 'merge';
const index = 'model.safetensors.index.json';

/** Three tensors in two files, and what becomes of the second one: two rows more. */
async function modelIn(folder: Folder): Promise<{ model: ModelFolder; weights: Weights }> {
  const a = tensorOf([[1, 2]]);
  writeTensors(folder.path, { a, b: tensorOf([[3, 4, 5]]), c: tensorOf([[6]]) }, 2);
  const model = await ModelFolder.open(op, 'base', folder.path, { followLinks: false });
  return { model, weights: await Weights.open(model) };
}
const larger = tensorOf([
  [7, 8, 9],
  [1, 2, 3],
  [4, 5, 6],
]);
const data = async function* (): AsyncGenerator<Uint8Array, void> {
  yield larger.bytes.subarray(0, 12);
  yield larger.bytes.subarray(12);
};
const replaced: ReadonlyMap<string, NewTensor> = new Map([['b', { shape: [3, 3], data }]]);

it('writes some tensors anew and all others byte for byte, and goes on after what is there', async () => {
  using base = new Folder();
  using outer = new Folder();
  const { weights } = await modelIn(base);
  const before = readModel(base.path).tensors;
  const out = outer.file('out');
  const workspace = await Workspace.at(op, out);
  const run = textOf({ format: 1, options: {}, files: [] });
  expect(await workspace.begin(run, false)).toBe(false);
  const told: [number, number][] = [];
  const sums = new MemoryRecords(checkSumBytes, 2);
  const write = () =>
    writeWeights(workspace, weights, replaced, {
      op,
      signal: undefined,
      onBytes: (done, total) => told.push([done, total]),
      sums,
    });
  await write();
  expect(told.at(-1)).toEqual([8 + 36 + 4, 8 + 36 + 4]);
  expect(await workspace.begin(run, false)).toBe(true);
  told.length = 0;
  await write();
  // Both files were there: nothing is written twice.
  expect(told.map(([done]) => done)).toEqual([12, 48]);
  expect(existsSync(out)).toBe(false);
  await workspace.publish();
  await weights.close();
  const { tensors, files } = readModel(out);
  expect(files).toEqual(readModel(base.path).files);
  expect(tensors).toEqual(new Map([...before, ['b', larger]]));
  expect(readJson(out, index)).toMatchObject({ metadata: { total_size: 48, total_parameters: 1006 } });
  expect(readdirSync(outer.path)).toEqual(['out']);
});

it('an earlier run of other options or files is told apart, in words', async () => {
  using base = new Folder();
  const { model, weights } = await modelIn(base);
  const textFor = async (options: Record<string, unknown>): Promise<string> =>
    textOf({ format: 1, options, files: await statesOf(model, weights.shards) });
  const own = await textFor({ k: 3, seed: 0 });
  expect([isRun(own), isRun('{}'), isRun('no JSON')]).toEqual([true, false, false]);
  expect(await textFor({ k: 3, seed: 0 })).toBe(own);
  expect(differenceOf(await textFor({ k: 2, seed: 0 }), own)).toBe('another run: k 2 for 3');
  expect(differenceOf(undefined, own)).toBe('something else');
  expect(differenceOf(own.replace('"format": 1', '"format": 2'), own)).toBe('the work of another version');
  await weights.close();
  writeFileSync(base.file(weights.shards[0]!), 'longer than nothing');
  expect(differenceOf(own, await textFor({ k: 3, seed: 0 }))).toBe('another run: other files of its inputs');
});

it('leaves the work of another run alone, unless told to begin anew', async () => {
  using outer = new Folder();
  const out = outer.file('out');
  const runs = [1, 2].map((k) => textOf({ format: 1, options: { k }, files: [] }));
  const workspace = await Workspace.at(op, out);
  await workspace.begin(runs[0]!, false);
  writeFileSync(workspace.scratch('rows'), 'some work');
  await expect(workspace.begin(runs[1]!, false)).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringMatching(
      /^merge: .*out\.partial must be of the same inputs and options, .* got another run: k 1 for 2$/,
    ),
  });
  expect(await workspace.begin(runs[1]!, true)).toBe(false);
  expect(existsSync(workspace.scratch('rows'))).toBe(false);
  await workspace.leaveBare();
  expect(outer.names).toEqual([]);
});
