// Devices: cpu
// A checkpoint that does not fit changes nothing.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, combine, Device, Lion, Muon, SGD, saveTensors, type Tensor } from '../../lib/index.ts';
import { fileBytes } from '../files/bytes.ts';
import { Folder } from '../files/folder.ts';
import { content, edited } from './checkpoints.ts';
import { type AnyOptimizer, tensor, weightsOf } from './classes.ts';
import { code } from './each-class.ts';
import { keptOptimizer, shapes } from './kept-optimizer.ts';

const device = Device.open('cpu', { threads: 2 });
const kept = await keptOptimizer(device);
const { folder, file, weights, optimizer } = kept;
afterAll(async () => {
  folder[Symbol.dispose]();
  await device.close();
});

it('a combination with steps of its own is refused: ERR_STATE', async () => {
  using folder = new Folder();
  const optimizer = combine([{ optimizer: AdamW, params: [tensor(device, [3], 1)] }]);
  await optimizer.save(folder.file('x'));
  const changed = edited(folder.file('x'), ({ __metadata__: own }) => {
    own['content'] = own['content']?.replace('"steps":0', '"steps":7') ?? '';
  });
  writeFileSync(folder.file('x'), changed);
  await expect(optimizer.load(folder.file('x'))).rejects.toThrow(code('ERR_STATE'));
});

describe('a file that does not fit', () => {
  it('is of another optimizer: ERR_STATE', async () => {
    const own = (): Tensor[] => weightsOf(device, shapes);
    const group = (name: string, params: Tensor[]) => ({ name, params });
    const [first, second] = [own().slice(0, 1), own().slice(1)];
    const named = [group('a', first), group('b', second)];
    const others: Pick<AnyOptimizer, 'save'>[] = [
      new Lion(named),
      new AdamW(own()),
      new AdamW([group('a', first), group('c', second)]),
      new AdamW([group('b', first), group('a', second)]),
      new AdamW([group('a, b', own())]),
      new AdamW([...named, group('c', own())]),
      new AdamW([group('a', [first[0]!.reshape([5, 4])]), group('b', second)]),
      new AdamW([group('a', [...first, ...second]), group('b', [])]),
      new AdamW(
        weightsOf(device, shapes, 'bf16').map((w, i) => group('ab'[i]!, [w])),
        { masterWeights: 'fp32' },
      ),
    ];
    for (const [i, other] of others.entries()) {
      await other.save(folder.file('bad'));
      await expect(optimizer.load(folder.file('bad')), `${i}`).rejects.toThrow(code('ERR_STATE'));
    }
    await kept.unchanged();
  });

  it('has groups whose names join to the same text: ERR_STATE', async () => {
    const one = new AdamW([{ name: 'a, b', params: weightsOf(device, [[4, 5]]) }]);
    await expect(one.load(file)).rejects.toThrow(code('ERR_STATE'));
    await one.save(folder.file('bad'));
    await expect(optimizer.load(folder.file('bad'))).rejects.toThrow(code('ERR_STATE'));
    await kept.unchanged();
  });

  it('is cut off, longer, or no file of tensors: ERR_FORMAT', async () => {
    const bytes = readFileSync(file);
    for (const length of [0, 7, 8, 9, 100, bytes.length - 8, bytes.length - 1])
      await expect(kept.loading(bytes.subarray(0, length)), `${length}`).rejects.toThrow(code('ERR_FORMAT'));
    await expect(kept.loading(Buffer.concat([bytes, Buffer.alloc(1)]))).rejects.toThrow(code('ERR_FORMAT'));
    await expect(kept.loading(Buffer.from('PK\u0003\u0004 a zip file, which is none'))).rejects.toThrow(
      code('ERR_FORMAT'),
    );
    const hostile = fileBytes('{}', 0, 2n ** 64n - 1n);
    await expect(kept.loading(hostile)).rejects.toThrow(code('ERR_FORMAT'));
    await expect(optimizer.load(folder.path)).rejects.toThrow(code('ERR_FORMAT'));
    await kept.unchanged();
  });

  it('is one of plain tensors: ERR_STATE', async () => {
    await saveTensors(folder.file('bad'), { 'a.0.momenta': weights[0]! }, { metadata: { format: 'pt' } });
    await expect(optimizer.load(folder.file('bad'))).rejects.toThrow(code('ERR_STATE'));
    await kept.unchanged();
  });

  it('is not there, or not a path: ERR_IO, ERR_ARGUMENT', async () => {
    await expect(optimizer.load(folder.file('none'))).rejects.toMatchObject({
      code: 'ERR_IO',
      cause: { code: 'ENOENT' },
    });
    await expect(optimizer.save(folder.file('none/x'))).rejects.toMatchObject({
      code: 'ERR_IO',
      cause: { code: 'ENOENT' },
    });
    for (const path of ['', 5, null, 'a\0b']) {
      await expect(optimizer.load(path as string)).rejects.toThrow(code('ERR_ARGUMENT'));
      await expect(optimizer.save(path as string)).rejects.toThrow(code('ERR_ARGUMENT'));
    }
    for (const options of [null, 5, { format: 1 }, { signal: 5 }]) {
      await expect(optimizer.load(file, options as never)).rejects.toThrow(code('ERR_ARGUMENT'));
      await expect(optimizer.save(folder.file('x'), options as never)).rejects.toThrow(code('ERR_ARGUMENT'));
    }
    for (const metadata of ['text', 5, [], { format: 'x' }, { version: '1' }, { content: '' }, { a: 1 }])
      await expect(optimizer.save(folder.file('x'), { metadata } as never)).rejects.toThrow(code('ERR_ARGUMENT'));
    expect(folder.names).not.toContain('x');
    await kept.unchanged();
  });

  it('has options that do not go together: ERR_STATE', async () => {
    const own = weightsOf(device, [[3, 3]]);
    const sgd = new SGD(own, { momentum: 0.9 });
    await sgd.save(folder.file('sgd'));
    const put = (options: object): Buffer =>
      edited(folder.file('sgd'), (h) => content(h, (p) => void Object.assign(p[0].groups[0].options, options)));
    writeFileSync(folder.file('bad'), put({ nesterov: true, dampening: 0.5 }));
    await expect(sgd.load(folder.file('bad'))).rejects.toThrow(code('ERR_STATE'));
    const plain = new SGD(own);
    await plain.save(folder.file('sgd'));
    writeFileSync(folder.file('bad'), put({ momentum: 0.5 }));
    await expect(plain.load(folder.file('bad'))).rejects.toThrow(code('ERR_STATE'));
    const muon = new Muon(own);
    await muon.save(folder.file('sgd'));
    for (const options of [
      { nsMethod: 'polar', nsSteps: 5 },
      { nsRestarts: [7] },
      { nsDtype: 'bf16' },
      { coefficients: [[1, 2]] },
    ]) {
      writeFileSync(folder.file('bad'), put(options));
      await expect(muon.load(folder.file('bad')), JSON.stringify(options)).rejects.toThrow(code('ERR_STATE'));
    }
    expect(muon.groups[0]).toMatchObject({
      nsMethod: 'auto',
      nsDtype: undefined,
      coefficients: 'polar-express',
    });
  });
});
