// Devices: cpu, cuda
// Training goes on in a new process to the same bits: 100 steps are 50, a new process, and 50.
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { devices, kind } from '../support/devices.ts';
import { compileLibrary, runScript } from '../support/library.ts';

const code = new Folder();
beforeAll(() => {
  compileLibrary(code.path);
  writeFileSync(
    code.file('train.js'),
    `import { readFileSync, writeFileSync } from 'node:fs';
    import { AdamW, Device, loadTensors, saveTensors, Tensor } from './lib/index.js';
    import * as nn from './lib/nn/index.js';
    const [task, folder, threads] = process.argv.slice(2);
    const device = Device.open('${kind}', ${kind === 'cpu' ? '{ threads: Number(threads) }' : '{}'});
    const hex = async (tensor) => Buffer.from((await tensor.read()).buffer).toString('hex');
    const at = (name) => folder + '/' + name;
    const count = 57;
    const data = nn.init(device, { seed: 9 }).normal([count, 6], 1);
    const samples = await data.read();

    async function save(model, optimizer, place) {
      await saveTensors(at('model.safetensors'), nn.named(model));
      await optimizer.save(at('optimizer.safetensors'));
      writeFileSync(at('place.json'), JSON.stringify(place));
    }

    async function train(first, last, without) {
      const make = nn.init(device, { seed: 1 });
      const model = { up: make.linear(6, 16), norm: make.norm(16), down: make.linear(16, 6) };
      const optimizer = new AdamW(nn.select(model, '**'), { lr: 0.05 });
      const step = nn.valueAndGrad((m, x) => {
        const h = nn.dropout(nn.gelu(nn.layerNorm(m.norm, nn.linear(m.up, x))), { rate: 0.3 });
        return nn.squaredError(nn.linear(m.down, h), x);
      }, { seed: 7 });
      let from;
      if (first > 0) {
        const { calls, ...place } = JSON.parse(readFileSync(at('place.json')));
        if (without !== 'model') await nn.assign(model, await loadTensors(at('model.safetensors'), device));
        if (without !== 'optimizer') await optimizer.load(at('optimizer.safetensors'));
        if (without !== 'calls') step.calls = calls;
        if (without !== 'data') from = place;
      }
      const losses = [];
      let n = first;
      for (const { index, epoch, position } of nn.batches({ count, size: 8, seed: 3, from })) {
        if (n === last) break;
        const x = Tensor.from(device, Float32Array.from([...index].flatMap((i) => [...samples.subarray(6 * i, 6 * i + 6)])), [index.length, 6]);
        const { value, grads } = step(model, x);
        losses.push(hex(value));
        optimizer.step(grads);
        n += 1;
        if (first === 0 && n === 50) await save(model, optimizer, { epoch, position, calls: step.calls });
      }
      return { losses: await Promise.all(losses), weights: await Promise.all(nn.parameters(model).map(hex)) };
    }

    const parts = ['nothing', 'model', 'optimizer', 'calls', 'data'];
    const results = task === 'begin' ? await train(0, 100) : {};
    if (task === 'go on') for (const part of parts) results[part] = await train(50, 100, part);
    process.stdout.write(JSON.stringify(results));
    await device.close();`,
  );
});
afterAll(() => code[Symbol.dispose]());

interface Result {
  readonly losses: readonly string[];
  readonly weights: readonly string[];
}
const run = (...args: readonly string[]): unknown => JSON.parse(runScript(code.file('train.js'), ...args));

describe.each(devices)('training on %s', () => {
  it('resumes to the same bits, and each part of the checkpoint is needed', () => {
    const whole = run('begin', code.path, '2') as Result;
    expect(whole.losses).toHaveLength(100);
    const { nothing, ...others } = run('go on', code.path, '1') as Record<string, Result>;
    expect(nothing).toEqual({ losses: whole.losses.slice(50), weights: whole.weights });
    expect(Object.keys(others)).toEqual(['model', 'optimizer', 'calls', 'data']);
    for (const [part, { losses, weights }] of Object.entries(others)) {
      expect(losses, part).not.toEqual(whole.losses.slice(50));
      expect(weights, part).not.toEqual(whole.weights);
    }
  });
});
