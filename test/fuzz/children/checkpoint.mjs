// Fuzzes the loading of checkpoints.  checkpoint.mjs <folder of the instrumented library> <options as JSON>
import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { explore } from './explore.mjs';
import { changeJson } from './json.mjs';

const [library, options] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(path.join(library, 'lib', name)));
const { calls } = await load('files/calls.js');
const { AdamW, AuON, combine, Device, Muon, OrthokitError, SGD, Tensor } = await load('index.js');

// Files that live in memory.
const files = new Map();
const at = (path) => {
  if (!files.has(path)) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
  return files.get(path);
};
Object.assign(calls, {
  open: async (path, flags) => ({ path, bytes: flags === 'wx' || path === '.' ? Buffer.alloc(0) : at(path) }),
  fstat: async ({ bytes }) => ({ isFile: () => true, size: bytes.length }),
  read: async ({ bytes }, into, position) => bytes.copy(into, 0, position, position + into.length),
  write: async (handle, bytes, position) => {
    handle.bytes = Buffer.concat([handle.bytes.subarray(0, position), bytes]);
    files.set(handle.path, handle.bytes);
    return bytes.length;
  },
  sync: async () => {},
  close: async () => {},
  realpath: async (path) => {
    at(path);
    return path;
  },
  stat: async () => ({ isFile: () => true }),
  rename: async (from, to) => {
    files.set(to, files.get(from));
    files.delete(from);
  },
  unlink: async (path) => files.delete(path),
});

const device = Device.open('cpu', { threads: 1 });
const ones = (...shape) => Tensor.full(device, shape, 1);
const weights = [ones(2, 3), ones(3, 1)];
const vector = ones(4);
const halves = Tensor.full(device, [2], 1, { dtype: 'bf16' });
const grads = [ones(2, 3), ones(3, 1), ones(4)];
const adamw = { params: [weights[0]], betas: [0.8, 0.9] };
const optimizers = [
  { optimizer: new AdamW([adamw, { name: 'rest', params: [vector], lr: 0.5 }]), grads: [grads[0], grads[2]] },
  {
    optimizer: new Muon(weights, { nonFinite: 'skip', coefficients: 'polar-express', nsSteps: 2 }),
    grads: grads.slice(0, 2),
  },
  {
    optimizer: combine([
      { optimizer: AuON, params: weights, variant: 'head' },
      { optimizer: AdamW, params: [vector], masterWeights: 'none' },
    ]),
    grads,
  },
  { optimizer: new Muon({ 'up.weight': ones(2, 3), 'down.weight': ones(3, 1) }), grads: grads.slice(0, 2) },
  {
    optimizer: new SGD([halves], { momentum: 0.5, dampening: 0.25, masterWeights: 'fp32' }),
    grads: [halves.copy()],
  },
];
const right = [];
for (const { optimizer, grads } of optimizers) {
  optimizer.step(grads);
  right.push(await saved(optimizer));
}

async function saved(optimizer) {
  await optimizer.save('saved', { metadata: { own: 'text' } });
  return files.get('saved');
}
const settings = ({ parts, groups }) =>
  JSON.stringify(parts?.map((part) => part.groups) ?? groups, (key, value) => (key === 'params' ? undefined : value));

let refused = 0;
async function run(input) {
  files.set('input', input);
  const outcomes = [];
  for (const { optimizer, grads } of optimizers) {
    const before = settings(optimizer);
    // Reading all state takes time: a part of the refusals is enough.
    const look = refused % 64 === 0;
    const state = look ? await saved(optimizer) : undefined;
    try {
      await optimizer.load('input');
      agree(input, await saved(optimizer));
      // An accepted state can be stepped with and saved again.
      optimizer.step(grads);
      await optimizer.save('again');
      outcomes.push('accepted');
    } catch (error) {
      if (!(error instanceof OrthokitError) || !['ERR_STATE', 'ERR_FORMAT'].includes(error.code)) throw error;
      assert.equal(settings(optimizer), before);
      if (look) assert.ok(state.equals(await saved(optimizer)));
      refused += 1;
      outcomes.push(error.code);
    }
  }
  await device.flow();
  return outcomes.includes('accepted') ? 'accepted' : outcomes.sort()[0];
}

const floating = new Set(['F64', 'F32', 'F16', 'BF16']);

/** The loaded state is the one that is saved, but for the dtype of floating state, and the form of momenta. */
function agree(input, again) {
  const [given, found] = [input, again].map((file) => JSON.parse(parts(file).metadata.content));
  assert.equal(given.length, found.length);
  for (const [i, { optimizer, steps, groups }] of given.entries()) {
    assert.ok(steps >= 0);
    assert.deepEqual([optimizer, steps, groups.length], [found[i].optimizer, found[i].steps, found[i].groups.length]);
    for (const [g, { name, shapes, options }] of groups.entries()) {
      const group = found[i].groups[g];
      assert.deepEqual([name, shapes], [group.name, group.shapes]);
      for (const key of Object.keys(options))
        if (key !== 'momentumForm') assert.deepEqual(options[key], group.options[key], key);
    }
  }
  const tensors = new Map(parts(again).tensors.map(({ name, ...tensor }) => [name, tensor]));
  for (const { name, ...tensor } of parts(input).tensors)
    if (!name.endsWith('skipped')) {
      const { dtype, shape } = tensors.get(name);
      assert.deepEqual(shape, tensor.shape);
      if (dtype !== tensor.dtype) assert.ok(floating.has(dtype) && floating.has(tensor.dtype));
    }
}

const values = [null, true, false, 0, -0, 1, -1, 0.5, 1e-300, 1e300, 2 ** 53, 2 ** 53 - 1, '', 'muon', 'AdamW', 'f64', 'NaN', 'up.weight', ['down.weight', 'up.weight'], [1, 2], [], {}, [0], [0.9, 0.99], [[1, 2, 3]], [0.9], '__proto__', 'none', 'ema', 'heavy-ball']; // biome-ignore format: one line
const keys = [
  '__proto__',
  'lr',
  'betas',
  'params',
  'name',
  'steps',
  'constructor',
  'eps',
  'unknown',
  'shapes',
  'options',
  'paths',
  'momentumForm',
];

function parts(file) {
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, start));
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = Object.entries(entries).map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  return { metadata, tensors };
}

const bytesOf = { F64: 8, F32: 4, I32: 4, BF16: 2, F16: 2, U8: 1, I64: 8 };

function assemble({ metadata, tensors }) {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape }) => {
    const begin = end;
    end += bytesOf[dtype] * shape.reduce((a, b) => a * b, 1);
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`;
  });
  const texts = Object.entries(metadata).map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`);
  const header = Buffer.from(`{${[`"__metadata__":{${texts.join(',')}}`, ...entries].join(',')}}`);
  const file = Buffer.alloc(8 + header.length + end);
  file.writeBigUInt64LE(BigInt(header.length));
  header.copy(file, 8);
  return file;
}

function mutate(random, pool) {
  const from = random.chance(0.3) || pool.length === 0 ? random.of(right) : random.of(pool);
  const { metadata, tensors } = parts(from);
  for (let i = 1 + random.below(3); i > 0; i -= 1) {
    const way = random.next();
    if (way < 0.7) {
      let content;
      try {
        content = JSON.parse(metadata.content);
      } catch {
        content = JSON.parse(parts(random.of(right)).metadata.content);
      }
      metadata.content = JSON.stringify(
        typeof content === 'object' && content !== null ? changeJson(random, content, values, keys) : [content],
      );
    } else if (way < 0.75) {
      const place = random.below(metadata.content?.length ?? 0);
      metadata.content =
        metadata.content?.slice(0, place) +
        random.of(['', '"', '{', ']', '1', ',']) +
        metadata.content?.slice(place + 1);
    } else if (way < 0.8) {
      const key = random.of(['format', 'version', 'content', 'own', 'other']);
      if (random.chance(0.5)) delete metadata[key];
      else metadata[key] = random.of(['1', '2', '', 'orthokit-optimizer', '[]', '{}', 'null', 'own']);
    } else if (tensors.length > 0) {
      const tensor = random.of(tensors);
      const change = random.below(5);
      if (change === 0) tensors.splice(tensors.indexOf(tensor), 1);
      if (change === 1) tensor.dtype = random.of(Object.keys(bytesOf));
      if (change === 2) tensor.shape = random.of([[], [0], [1], [2, 3], [3, 2], [6], [1, 2, 3]]);
      if (change === 3) tensor.name += random.of(['x', '/0', '0/']);
      if (change === 4) tensors.push({ ...tensor, name: random.of(['skipped', '0/skipped', 'extra', '1/extra']) });
    }
  }
  const names = new Set();
  return assemble({ metadata, tensors: tensors.filter(({ name }) => !names.has(name) && names.add(name)) });
}

// A description that is longer than any may be.
const large = [
  () => {
    const { metadata, tensors } = parts(right[0]);
    return assemble({ metadata: { ...metadata, content: ' '.repeat((1 << 24) + 1) }, tensors });
  },
];

console.log(JSON.stringify(await explore({ ...JSON.parse(options), large, mutate, run })));
await device.close();
