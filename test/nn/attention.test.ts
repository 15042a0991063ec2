// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { tensorOf, thrownBy } from '../support/tensors.ts';

const square = (device: Device, n: number): Tensor =>
  tensorOf(
    device,
    Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
    [n, n],
  );

describe.each(devices)('nn.attention on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(['halves', 'interleaved'] as const)('turns queries and keys, and no values: %s', async (layout) => {
    // Two heads of four elements, which share one of keys and values.
    const model = {
      x: tensorOf(device, normal(2 * 5 * 16, 1), [2, 5, 16]),
      all: square(device, 16),
      out: square(device, 8),
    };
    const attend = (m: nn.Traced<typeof model>, x: nn.Arg, rope?: nn.AttentionOptions['rope']) =>
      nn.attention({ qkv: { weight: m.all }, out: { weight: m.out } }, x, { heads: 2, kvHeads: 1, rope });
    using whole = nn.forward((m: nn.Traced<typeof model>) => attend(m, m.x, { layout }));
    using parts = nn.forward((m: nn.Traced<typeof model>) => {
      const turned = nn.rope(nn.slice(m.x, -1, 0, 12), { heads: 3, layout });
      return attend(m, nn.concat([turned, nn.slice(m.x, -1, 12, 16)], -1));
    });
    using plain = nn.forward((m: nn.Traced<typeof model>) => attend(m, m.x));
    const result = await whole(model).read();
    expect(result).toEqual(await parts(model).read());
    expect(result).not.toEqual(await plain(model).read());
  });

  it('refuses what is no turn, and numbers of heads that do not fit', () => {
    const model = { x: Tensor.zeros(device, [1, 2, 6]), weight: Tensor.zeros(device, [6, 6]) };
    const thrown = (options: object) =>
      thrownBy(() => {
        using call = nn.forward((m: nn.Traced<typeof model>) =>
          nn.attention({ qkv: m, out: m }, m.x, options as nn.AttentionOptions),
        );
        call(model);
      });
    expect(thrown({ heads: 2, rope: { base: 0 } })).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.attention: rope.base must be a positive number, got 0',
    });
    expect(thrown({ heads: 2, kvHeads: 3 })).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.attention: attention: kvHeads must divide heads, got 3',
    });
  });
});
