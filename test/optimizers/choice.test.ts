// Devices: cpu
// Groups that choose their parameters by patterns of paths, or by a test.
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, combine, Device, Muon, type OrthokitError, SGD, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { Folder } from '../files/folder.ts';
import { settledMemory } from '../support/settled.ts';

const shapes = {
  tokens: [6, 4],
  'blocks.0.qkv.weight': [12, 4],
  'blocks.0.qkv.bias': [12],
  'blocks.1.qkv.weight': [12, 4],
  'blocks.1.up.weight': [8, 4],
  'norm.weight': [4],
};

describe('groups choose parameters', () => {
  const device = Device.open('cpu', { threads: 1 });
  afterAll(() => device.close());
  const made = () =>
    Object.fromEntries(
      Object.entries(shapes).map(([path, shape], i) => [path, Tensor.randn(device, shape, { seed: i })]),
    );
  const isMatrix = (path: string, { shape }: Tensor): boolean => shape.length > 1 && path !== 'tokens';
  const refused = (make: () => unknown, message: string): void => {
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT', message }) as OrthokitError);
  };

  it('by patterns and tests, each parameter once', () => {
    const parameters = made();
    using optimizer = combine(
      [
        {
          optimizer: Muon,
          params: [
            { name: 'qkv', params: 'blocks.*.qkv.weight', split: { axis: 0, sizes: [4, 4, 4] } },
            { name: 'up', params: ['**.up.weight', '**.{up,down}.*'], lr: 0.1 },
          ],
        },
        { optimizer: AdamW, params: '{tokens,norm.weight}' },
        { optimizer: SGD, params: (path: string) => path.endsWith('.bias') },
      ],
      { parameters },
    );
    expect(optimizer.groups.map(({ name, lr, params }) => [name, lr, params.map(({ shape }) => shape)])).toEqual([
      ['qkv', 0.02, [shapes['blocks.0.qkv.weight'], shapes['blocks.1.qkv.weight']]],
      ['up', 0.1, [shapes['blocks.1.up.weight']]],
      ['0', 1e-3, [shapes.tokens, shapes['norm.weight']]],
      ['0', 1e-3, [shapes['blocks.0.qkv.bias']]],
    ]);
    optimizer.step(new Map(Object.values(parameters).map((parameter) => [parameter, parameter.copy()])));
    expect(Object.keys(optimizer.parts[1].part().tensors)).toContain('0.norm.weight.momenta');
  });

  it('the first group that fits, where that is asked for', () => {
    const parameters = made();
    using optimizer = combine(
      [
        { optimizer: AdamW, params: (path: string, tensor: Tensor) => !isMatrix(path, tensor) },
        { optimizer: Muon, params: '**' },
      ],
      { parameters, overlap: 'first' },
    );
    expect(optimizer.parts.map(({ groups }) => groups[0]!.params.length)).toEqual([3, 3]);
    refused(
      () =>
        combine(
          [
            { optimizer: SGD, params: '**' },
            { optimizer: AdamW, params: 'tokens' },
          ],
          { parameters, overlap: 'first' },
        ),
      'combine: params of parts[1] must choose some of 6 parameters, got 1, all of groups before',
    );
  });

  it('of one optimizer, beside groups of tensors', async () => {
    const parameters = made();
    const { tokens, ...others } = parameters;
    const make = (all: Record<string, Tensor>) =>
      new AdamW([{ params: { tokens: all['tokens']! }, lr: 0.1 }, { params: (path) => path !== 'tokens' }], {
        parameters: all,
      });
    using optimizer = make(parameters);
    expect(optimizer.groups.map(({ params }) => params)).toEqual([[tokens], Object.values(others)]);
    // The order of parameters is no matter for a checkpoint: they have paths.
    using folder = new Folder();
    await optimizer.save(folder.file('state'));
    using loaded = make(Object.fromEntries(Object.entries(made()).reverse()));
    await loaded.load(folder.file('state'));
  });

  it('of a model', () => {
    const make = nn.init(device, { seed: 1 });
    const model = { layers: [make.linear(4, 6), make.linear(6, 2)], shift: nn.buffer(Tensor.zeros(device, [2])) };
    using optimizer = combine(
      [
        { optimizer: Muon, params: '**.weight' },
        { optimizer: AdamW, params: '**.bias' },
      ],
      { parameters: nn.select(model, '**') },
    );
    expect(optimizer.groups.map(({ params }) => params.length)).toEqual([2, 2]);
  });

  it('names parameters that no group takes, and those that two take', async () => {
    const parameters = made();
    using stranger = Tensor.zeros(device, [3]);
    const { live } = await settledMemory(device);
    const one = (params: unknown, options: object = { parameters }) =>
      combine([{ optimizer: SGD, params: params as string }], options);
    refused(
      () => one('**.weight'),
      'combine: parameters must be in one group each, got none for tokens, blocks.0.qkv.bias',
    );
    refused(
      () =>
        combine(
          [
            { optimizer: SGD, params: '**' },
            { optimizer: AdamW, params: [{ name: 'b', params: '**.bias' }] },
          ],
          { parameters },
        ),
      'combine: parameter blocks.0.qkv.bias must be in one group, got parts[0] and parts[1] group b',
    );
    refused(
      () => one('**.scale'),
      "combine: params of parts[0] must choose some of 6 parameters, got none by '**.scale'",
    );
    refused(
      () => one(['**', '**.scale']),
      "combine: params of parts[0] must choose some of 6 parameters, got none by '**.scale'",
    );
    refused(() => one(() => false), 'combine: params of parts[0] must choose some of 6 parameters, got none');
    refused(
      () => one(async () => true),
      'combine: params of parts[0] must return true or false for tokens, got an object',
    );
    refused(
      () => one('{**,tokens}'),
      "combine: params of parts[0] must have ** as a step of its own, outside of braces, got '{**,tokens}'",
    );
    refused(
      () =>
        new SGD([{ params: '**' }, { name: 'own', params: [parameters['tokens']!] }], { parameters, overlap: 'first' }),
      'SGD: parameter tokens must be in one group, got group 0 and group own',
    );
    refused(
      () => new SGD([{ params: '**' }, { params: [stranger] }], { parameters }),
      'SGD: params of group 1 must be among parameters, got another of shape [3]',
    );
    refused(() => one('**', {}), 'combine: parameters must be there, by path, for parts[0] to choose from, got none');
    refused(
      () => one('**', { parameters, overlap: 'last' }),
      `combine: overlap must be 'error' or 'first', got 'last'`,
    );
    refused(
      () => one([parameters['tokens']], { overlap: 'first' }),
      "combine: overlap must be left out without parameters, got 'first'",
    );
    for (const wrong of [[parameters['tokens']], parameters['tokens'], null, { tokens: 1 }])
      expect(() => one('**', { parameters: wrong })).toThrow(/parameters must be tensors by path/);
    refused(
      () => one('**', { parameters: { a: parameters['tokens'], b: parameters['tokens'] } }),
      'combine: parameters must not hold a tensor twice, got 1 again',
    );
    expect(() => combine([{ optimizer: SGD, params: '**', overlap: 'first' } as never], { parameters })).toThrow(
      'combine: overlap must be given to the combination',
    );
    expect(() => new SGD('**' as never, { parameters })).toThrow('SGD: params must be tensors or groups');
    expect(device.info.memory.live).toBe(live);
  });
});
