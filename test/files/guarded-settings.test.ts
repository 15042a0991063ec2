// Devices: cpu
// Values: none; states of other options are refused, with the option's name.
import { afterAll, describe, expect, it } from 'vitest';
import { BoRep, LvHba, MultiBlockBilevel } from '../../lib/bilevel/index.ts';
import { DadaoNode } from '../../lib/decentralized/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { Harpg, linearValue, NPgIgt, OdiceValueLearner } from '../../lib/policy/index.ts';
import { blocksOf } from '../bilevel/blocks.ts';
import { bounded } from '../bilevel/constrained.ts';
import { cosh } from '../bilevel/cosh.ts';
import { onlyCpu } from '../support/devices.ts';
import { Folder } from './folder.ts';

describe.each(onlyCpu)('states of methods with oracles, on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const theta = () => [Tensor.zeros(device, [2])];
  const rates = { lr: 0.1, lowerLr: 0.2, nu: 0.2 };
  const steps = { alpha: 0.05, beta: 0.05, eta: 0.05 };
  const blocks = { variant: 'v2', blocksPerStep: 4, alpha: 0.5, beta: 0.5, lr: 0.02, lowerLr: 0.1, seed: 1 } as const;
  const node = { dim: 2, mu: 1, lipschitz: 10, chi1Star: 2 };

  it.each([
    ['momentum', {}, { momentum: 0.5 }, (options: object) => new NPgIgt(theta(), options)],
    ['schedule', {}, { schedule: 'constant' }, (options: object) => new NPgIgt(theta(), options)],
    ['normalized', {}, { normalized: false }, (options: object) => new Harpg(theta(), options)],
    ['seed', { seed: 1 }, { seed: 2 }, (options: object) => new Harpg(theta(), options)],
    ['lambda', {}, { lambda: 0.5 }, (options: object) => new OdiceValueLearner(linearValue(2, { device }), options)],
    ['radius', { radius: 1 }, {}, (options: object) => new BoRep(cosh(device), { ...rates, ...options })],
    [
      'penalty',
      {},
      { penalty: { p: 0.25 } },
      (options: object) => new LvHba(bounded(device), { ...steps, ...options }),
    ],
    [
      'vBound',
      { vBound: 3 },
      {},
      (options: object) => new MultiBlockBilevel(blocksOf(device), { ...blocks, ...options }),
    ],
    [
      'updates',
      {},
      { updates: 'all' },
      (options: object) => new MultiBlockBilevel(blocksOf(device), { ...blocks, ...options }),
    ],
    ['lipschitz', {}, { lipschitz: 20 }, (options: object) => new DadaoNode(device, { ...node, ...options })],
  ])('%s must be that of the file', async (name, own, other, make) => {
    using folder = new Folder();
    const path = folder.file('state');
    using first = make(own);
    await first.save(path);
    using same = make(own);
    await same.load(path);
    using different = make(other);
    await expect(different.load(path)).rejects.toThrow(`load: ${name} must be `);
  });
});
