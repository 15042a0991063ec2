// Devices: cpu
// Facts that a merge finds before it reads weights: headers, space and memory of models as large as real ones.
import { afterEach, expect, it } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { mergeModels } from '../../lib/merging/index.ts';
import { restoreCalls } from '../files/failing.ts';
import { Folder } from '../files/folder.ts';
import { allowance, workTime } from '../support/processor.ts';
import { family, writeLarge } from './folders.ts';

afterEach(restoreCalls);

it('plans a merge of four large models by their headers alone', async () => {
  using folder = new Folder();
  const paths = ['base', 'one', 'two', 'three', 'four'].map((name) => folder.file(name));
  for (const model of paths) writeLarge(model);
  const real = calls.read;
  let bytes = 0;
  calls.read = async (file, into, position) => {
    const count = await real(file, into, position);
    bytes += count;
    return count;
  };
  calls.free = async () => 1e15;
  const [base, ...models] = paths as [string, ...string[]];
  const options = { base, models, out: folder.file('out'), method: 'opcm', dryRun: true, memoryLimit: 1e12 } as const;
  const before = workTime();
  const report = await mergeModels(options);
  expect((workTime() - before) / 1000, 'seconds of the processor').toBeLessThan(2 * allowance());
  expect(report.tensors.length).toBe(291);
  expect(report.bytes).toBe(2 * 6_738_415_616);
  expect(bytes).toBeLessThan(2e6);
  const wrong = { ...options, models: [...models.slice(1), family(new Folder()).base] };
  await expect(mergeModels(wrong)).rejects.toMatchObject({ message: expect.stringContaining('of the base alone') });
  expect(folder.names).toEqual(['base', 'four', 'one', 'three', 'two']);
});

it('asks for the bytes of the new files and a twentieth more, in a dry run, too', async () => {
  using folder = new Folder();
  const { base, models, out } = family(folder);
  for (const dryRun of [true, false]) {
    calls.free = async () => Math.ceil(1.05 * 484) - 1;
    await expect(mergeModels({ base, models, out, method: 'average', dryRun })).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining('out must have 509 bytes of free space, got 508'),
    });
  }
  calls.free = async () => 509;
  expect((await mergeModels({ base, models, out, method: 'average' })).bytes).toBe(484);
});

it('finds out in a dry run that a device cannot be had', async () => {
  using folder = new Folder();
  const options = { ...family(folder), method: 'average', device: 'cuda:99', dryRun: true } as const;
  await expect(mergeModels(options)).rejects.toMatchObject({ code: 'ERR_BACKEND' });
  expect(folder.names).toEqual(['base', 'model0', 'model1']);
});
