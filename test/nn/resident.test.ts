// Devices: cpu
// The memory that the process has, not only that of tensors which are alive: what is kept for later counts too.
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { onlyCpu } from '../support/devices.ts';
import { compileLibrary, runScript } from '../support/library.ts';

const code = new Folder();
beforeAll(() => {
  compileLibrary(code.path);
  writeFileSync(
    code.file('train.js'),
    `import { AdamW, Device, Tensor } from './lib/index.js';
    import * as nn from './lib/nn/index.js';
    const device = Device.open('cpu', { threads: 1 });
    const make = nn.init(device, { seed: 1 });
    const model = { up: make.linear(8, 1024), down: make.linear(1024, 8) };
    const optimizer = new AdamW(nn.select(model, '**'));
    const step = nn.valueAndGrad((m, x) => nn.squaredError(nn.linear(m.down, nn.relu(nn.linear(m.up, x))), x));
    const resident = async (rows) => {
      const x = Tensor.zeros(device, [rows, 8]);
      const { value, grads } = step(model, x);
      optimizer.step(grads);
      await value.read();
      x.dispose();
      return process.memoryUsage().rss;
    };
    const { rss: before } = process.memoryUsage();
    const longest = [];
    for (let i = 0; i < 10; i++) longest.push(await resident(2000));
    const held = device.info;
    const others = [];
    for (let i = 0; i < 300; i++) others.push(await resident(20 * (1 + ((37 * i) % 100))));
    console.log(JSON.stringify({ before, longest: Math.max(...longest), others, bytes: held.memory.bytes }));
    await device.close();`,
  );
});
afterAll(() => code[Symbol.dispose]());

/** Bytes of freed blocks that a device keeps however few are alive; beyond them it keeps as many as are alive. */
const leastPool = 64 * 2 ** 20;

describe.each(onlyCpu)('a process that trains on %s', () => {
  it('has no more memory with time, however many lengths there are: what is alive, and a pool that is bounded', () => {
    const { before, longest, others, bytes } = JSON.parse(runScript(code.file('train.js'))) as {
      readonly [name in 'before' | 'longest' | 'bytes']: number;
    } & { readonly others: readonly number[] };
    const own = longest - before;
    // Results of 2000 rows of 1024, a gradient in the place of one: what is measured is not that of an empty process.
    expect(bytes).toBeGreaterThan(8e6);
    expect(own).toBeGreaterThan(0.9 * bytes);
    expect(own).toBeLessThan(bytes + leastPool);
    expect(Math.max(...others) - before).toBeLessThan(2 * 1.5 * own + leastPool);
    expect(Math.max(...others.slice(200))).toBeLessThan(1.1 * Math.max(...others.slice(0, 200)));
  });
});
