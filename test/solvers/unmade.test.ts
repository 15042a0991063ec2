// Devices: cpu
// A solver whose memory cannot be had leaves nothing: no tensor, and nobody who hears of the caller's signal.
import { getEventListeners } from 'node:events';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { OrthokitError } from '../../lib/core/errors.ts';
import { Device, type Ops } from '../../lib/index.ts';
import { cg, minres } from '../../lib/solvers/index.ts';
import { settledMemory } from '../support/settled.ts';
import { dense, diagonal, vector } from './problems.ts';

const memory = vi.hoisted(() => ({ isOut: false }));

vi.mock('../../lib/core/native-ops.ts', async (load) => {
  const real = await load<{ ops: Ops }>();
  const fill: Ops['fill'] = (queue, fields) => {
    if (memory.isOut) throw new OrthokitError('ERR_MEMORY', 'fill: out must have memory, got none');
    real.ops.fill(queue, fields);
  };
  return { ...real, ops: { ...real.ops, fill } };
});

const device = Device.open('cpu');
afterAll(() => device.close());

describe.each([
  ['cg', cg],
  ['minres', minres],
])('%s without memory for its start', (_name, solve) => {
  it('leaves no tensor and no listener', async () => {
    const { signal } = new AbortController();
    const operator = dense(device, diagonal([1, 2, 3]));
    const b = vector(device, [1, 1, 1]);
    const { live } = await settledMemory(device);
    memory.isOut = true;
    await expect(solve(operator, b, { signal })).rejects.toMatchObject({ code: 'ERR_MEMORY' });
    memory.isOut = false;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(device.info.memory.live).toBe(live);
  });
});
