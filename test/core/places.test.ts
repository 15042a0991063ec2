// Devices: cpu
import { afterAll, describe, expect, it } from 'vitest';
import { Places } from '../../lib/core/places.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { uniform } from '../support/data.ts';

describe('places of tensors', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());

  it('are taken once, as a list of all bytes says', () => {
    const random = uniform(5);
    for (let round = 0; round < 40; ++round) {
      const blocks = [Tensor.zeros(device, [20]), Tensor.zeros(device, [20])] as const;
      const places = new Places();
      const taken = blocks.map(() => new Array<boolean>(20).fill(false));
      for (let i = 0; i < 30; ++i) {
        const which = random() < 0.5 ? 0 : 1;
        const from = Math.floor(random() * 21);
        const to = Math.min(20, from + Math.floor(random() * 4));
        const own = taken[which]!;
        const part = blocks[which].rows(from, to);
        const isFree = !own.slice(from, to).some(Boolean);
        expect(places.has(part)).toBe(!isFree);
        if (random() < 0.5) continue;
        expect(places.add(part)).toBe(isFree);
        own.fill(true, from, to);
        if (!isFree) break;
      }
    }
  });

  it('of the same bytes under another shape are one, of other tensors others', () => {
    const places = new Places();
    const x = Tensor.zeros(device, [4]);
    expect(places.add(x)).toBe(true);
    expect(places.add(x.reshape([2, 2]))).toBe(false);
    expect(places.has(x.reshape([2, 2]).rows(1))).toBe(true);
    expect(places.has(Tensor.zeros(device, [4]))).toBe(false);
  });
});
