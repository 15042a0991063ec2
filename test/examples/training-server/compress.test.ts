// Devices: cpu
import path from 'node:path';
import { expect, it } from 'vitest';
import { Device, type Tensor } from '../../../lib/index.ts';
import { loadCompressed, type QuantLinear } from '../../../lib/quantized/index.ts';
import { Folder } from '../../files/folder.ts';
import { matrix, writeParts } from '../../merging/folders.ts';
import { Server } from './server.ts';

it('gives the matrices of a model few bits, and says in words what cannot be done with them', async () => {
  using folder = new Folder();
  const rows = matrix(16, 128, 1);
  writeParts(folder.file('base'), { tensors: { 'layer.weight': rows, 'layer.bias': matrix(1, 16, 2) } });
  const server = new Server(['--models', path.dirname(folder.file('base'))]);
  try {
    await server.start();
    const id = await server.job({ kind: 'compress', base: 'folder:base', bits: 8 });
    await server.state(id, 'done');
    const { result } = (await server.ask(`/jobs/${id}`)).body;
    expect(result).toMatchObject({ method: 'group', tensors: 1, kept: 1, warnings: [] });
    expect(result.bytes).toBeLessThan(0.4 * result.bytesBefore);
    await using device = Device.open('cpu');
    const made = await loadCompressed(path.join(server.folder, 'state', 'runs', id, 'model'), device);
    using layer = made['layer.weight'] as QuantLinear;
    using bias = made['layer.bias'] as Tensor;
    expect(bias.shape).toEqual([16]);
    using weight = layer.dequantize();
    const values = await weight.read();
    const errors = rows.flat().map((x, i) => Math.abs(Number(values[i]) - x));
    // Half of a step of 254 between the ends of a group.
    expect(Math.max(...errors)).toBeLessThanOrEqual((1.001 * Math.max(...rows.flat().map(Math.abs))) / 254);
    for (const [job, code] of [
      [{ kind: 'compress', base: 'folder:base', bits: 5 }, 'ERR_ARGUMENT'],
      [{ kind: 'compress', base: `run:${id}` }, 'ERR_UNSUPPORTED'],
      [{ kind: 'mlp', steps: 1, init: `run:${id}` }, 'ERR_STATE'],
    ] as const) {
      const failed = await server.job(job);
      await server.state(failed, 'failed');
      expect((await server.ask(`/jobs/${failed}`)).body).toMatchObject({ code, reason: expect.any(String) });
    }
  } finally {
    await server.dispose();
  }
});
