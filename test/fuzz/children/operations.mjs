// Fuzzes the native side: fields of operations, shapes, data.  operations.mjs <seed> <executions>
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Device, OrthokitError, ops, Tensor } from '../../../dist/index.js';
import { Random } from '../../support/random.mjs';
import { disguises, hostileValue, Thrown } from './hostile.mjs';

const [seed, executions] = process.argv.slice(2).map(Number);
const random = new Random(seed);
/** The addon that the package has loaded. */
const native = createRequire(import.meta.url)('node-gyp-build')(path.join(import.meta.dirname, '../../..'));
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const described = JSON.parse(native.describe());

const kind = process.env.ORTHOKIT_TEST_KIND ?? 'cpu';
const open = (threads) => Device.open(kind, kind === 'cpu' ? { threads } : {});
const [device, other, closed] = [open(2), open(1), open(1)];
const ofClosed = Tensor.zeros(closed, [3]);
await closed.close();
// Tensors that no call is given: nothing may change them.
const canaries = Array.from({ length: 32 }, (_, i) => Tensor.full(device, [1 + 37 * i], i));

const codes = ['ERR_ARGUMENT', 'ERR_SHAPE', 'ERR_DTYPE', 'ERR_DEVICE', 'ERR_DISPOSED', 'ERR_UNSUPPORTED', 'ERR_MEMORY'];
const counts = {};
const count = (what, outcome) => {
  counts[what] ??= {};
  counts[what][outcome] = (counts[what][outcome] ?? 0) + 1;
};

// ---- Fields that fit, from the examples of each operation

const whole = new WeakSet(); // tensors and lists that no change has touched
const tensorFrom = (text) => {
  const [, dtype, sides] = /^(\w+)\[([\dx]*)\]$/.exec(text);
  const tensor = Tensor.zeros(device, sides === '' ? [] : sides.split('x').map(Number), { dtype });
  whole.add(tensor);
  return tensor;
};
const sample = tensorFrom('f32[3x4]');
function factorFrom(text) {
  const [number, tensor] = text.split('*');
  return tensor === undefined ? Number(number) : [Number(number), tensorFrom(tensor)];
}
const from = {
  tensor: tensorFrom,
  tensors: (text) => text.split(',').map(tensorFrom),
  number: Number,
  integer: Number,
  numbers: (text) => text.split(',').map(Number),
  factor: factorFrom,
  factors: (text) => text.split(',').map(factorFrom),
  choice: String,
};
const operations = described.map(({ name, fields, examples }) =>
  examples.map((example) => {
    const words = example.split(' ').filter(Boolean);
    const entries = words.map((word) => {
      const [field, value] = word.split('=');
      const given = from[fields.find(({ name }) => name === field).kind](value);
      if (Array.isArray(given)) whole.add(given);
      return [field, given];
    });
    return { op: camel(name), known: fields, fields: Object.fromEntries(entries) };
  }),
);

// ---- Changes

const dtypes = ['f32', 'f64', 'f16', 'bf16', 'i32', 'u8'];
const sides = [0, 1, 1, 2, 3, 5, 31, 43, 64];
const shape = () =>
  Array.from({ length: random.below(6) }, () => (random.chance(0.3) ? random.of([0, 1, 2]) : random.of(sides)));
const small = () => {
  for (;;) {
    const sides = shape();
    if (sides.reduce((a, b) => a * b, 1) < 1 << 16) return sides;
  }
};
const reshapes = (tensor) => [[tensor.size], [1, tensor.size], [tensor.size, 1], [...tensor.shape, 1].slice(0, 5)];

const otherTensor = (value) => {
  const given = whole.has(value) ? value : sample;
  return random.of([
    () => Tensor.zeros(device, small(), { dtype: random.of(dtypes) }),
    () => Tensor.zeros(device, given.shape, { dtype: random.of(dtypes) }),
    () => given.reshape(random.of(reshapes(given))),
    () => Tensor.zeros(other, given.shape, { dtype: given.dtype }),
    () => ofClosed,
    () => {
      const gone = Tensor.zeros(device, given.shape, { dtype: given.dtype });
      gone.dispose();
      return gone;
    },
    () => new Proxy(given, {}),
    () => Object.create(given),
    () => Tensor.prototype,
    () => Tensor,
    () => device,
  ])();
};

/** A getter that does something while the fields are read. */
const meanwhile = (value) =>
  random.of([
    () => value,
    () => {
      throw new Thrown('from a getter');
    },
    () => {
      globalThis.gc();
      return value;
    },
    () => {
      const gone = Tensor.zeros(device, [3]);
      gone.dispose();
      return value;
    },
    () => {
      ops.fill(device, { x: [Tensor.zeros(device, [5])], value: 1 });
      return value;
    },
    () => Tensor.zeros(device, [3]),
    () => hostileValue(random),
  ]);

function changeList(list) {
  const at = random.below(list.length + 1);
  const copy = [...list];
  return random.of([
    () => copy.toSpliced(at, 1),
    () => copy.toSpliced(at, 0, ...copy.slice(0, 1)),
    () => copy.with(Math.min(at, copy.length - 1), changed(copy[at])),
    () => copy.reverse(),
    () => [],
    () => Object.defineProperty(copy, Math.min(at, copy.length - 1), { get: meanwhile(copy[at]) }),
    () => {
      copy.length += random.of([1, 100, 1e6]);
      return copy;
    },
    () => new Proxy(copy, {}),
    () => Array(random.of([10, 1000])).fill(copy[0]),
  ])();
}

function changed(value) {
  if (random.chance(0.3)) return hostileValue(random);
  if (whole.has(value) && value instanceof Tensor) return otherTensor(value);
  if (whole.has(value) && value.length > 0) return changeList(value);
  if (typeof value === 'number') return value * random.of([-1, 0, 0.5, 1e300, NaN]);
  return random.chance(0.5) ? otherTensor(value) : hostileValue(random);
}

function change(fields, known) {
  const { name } = random.of(known);
  // Without a call of getters that an earlier change has put there.
  const plain = (field) => Object.getOwnPropertyDescriptor(fields, field)?.value;
  const put = (field, what) => Object.defineProperty(fields, field, { ...what, enumerable: true, configurable: true });
  const way = random.next();
  if (way < 0.1) delete fields[name];
  else if (way < 0.15) put(random.of(['unknown', '__proto__', 'constructor', 'X', '']), { value: 1 });
  else if (way < 0.3) put(name, { get: meanwhile(plain(name)) });
  else if (way < 0.45) put(name, { value: plain(random.of(known).name) });
  else if (way < 0.5) put(name, { value: random.of(random.of(known).words ?? ['none']) });
  else put(name, { value: changed(plain(name)) });
}

const wrongDevice = () =>
  random.of([
    null,
    undefined,
    {},
    closed,
    other,
    canaries[0],
    'cpu',
    new Proxy(device, {}),
    Object.create(device),
    Device,
  ]);

// ---- What is called

// In turn, so that few calls reach each operation.
let turn = random.below(operations.length);
function callOperation() {
  const { op, known, fields } = random.of(operations[turn++ % operations.length]);
  const own = { ...fields };
  for (let i = random.of([0, 1, 1, 1, 2, 3]); i > 0; i -= 1) change(own, known);
  const given = random.chance(0.1) ? random.of([...disguises, () => hostileValue(random)])(own) : own;
  const where = random.chance(0.05) ? wrongDevice() : device;
  return { what: op, call: () => ops[op](where, given) };
}

const hugeShape = () => random.of([[2 ** 40], [2 ** 53], [2 ** 31, 2 ** 31], [2 ** 32, 2 ** 32], [0, 2 ** 53], [2 ** 53, 0, 2 ** 53], [1, 1, 1, 1, 1, 1], [-1], [0.5], [NaN], [null], ['3']]); // biome-ignore format: one line
const anyShape = () =>
  random.chance(0.5)
    ? small()
    : random.chance(0.5)
      ? hugeShape()
      : random.chance(0.3)
        ? changeList([3, 4])
        : hostileValue(random);
const anyOptions = () => random.of([{}, { dtype: random.of(dtypes) }, { dtype: hostileValue(random) }, { seed: hostileValue(random) }, { seed: 1, offset: hostileValue(random), stream: hostileValue(random) }, { unknown: 1 }, hostileValue(random)]); // biome-ignore format: one line
const arrays = [Float32Array, Float64Array, Uint16Array, Int32Array, Uint8Array, BigInt64Array, Array];
const anyData = () =>
  random.chance(0.5)
    ? new (random.of(arrays))(random.of([0, 1, 12, 16]))
    : random.chance(0.5)
      ? changeList([1, 2, 3])
      : hostileValue(random);
const anyDevice = () => (random.chance(0.9) ? device : wrongDevice());
const own = (run) => () => {
  const tensor = Tensor.zeros(device, small(), { dtype: random.of(dtypes) });
  return run(tensor);
};

const methods = {
  from: () => Tensor.from(anyDevice(), anyData(), anyShape(), anyOptions()),
  zeros: () => Tensor.zeros(anyDevice(), anyShape(), anyOptions()),
  full: () => Tensor.full(anyDevice(), anyShape(), hostileValue(random), anyOptions()),
  randn: () => Tensor.randn(anyDevice(), anyShape(), anyOptions()),
  constructor: () => new Tensor(anyDevice(), anyShape(), random.chance(0.5) ? random.of(dtypes) : hostileValue(random)),
  reshape: own((tensor) => tensor.reshape(anyShape())),
  write: own((tensor) => tensor.write(anyData())),
  cast: own((tensor) => tensor.cast(random.chance(0.5) ? random.of(dtypes) : hostileValue(random))),
  open: () => Device.open(hostileValue(random), random.chance(0.5) ? {} : { threads: hostileValue(random) }),
  unavailable: () => Device.unavailable(hostileValue(random)),
};
// The private ways, for code that ignores types.
const internals = {
  write: own((tensor) => native.write(tensor, anyData())),
  disposed: () => Reflect.get(Tensor.prototype, 'disposed', hostileValue(random)),
  method: () =>
    random.of([Tensor.prototype.read, Tensor.prototype.dispose, Device.prototype.flow]).call(hostileValue(random)),
  device: () => new native.Device(hostileValue(random), hostileValue(random)),
  tensor: () => new native.Tensor(anyDevice(), anyShape(), hostileValue(random)),
};

function callMethod() {
  const all = random.chance(0.8) ? methods : internals;
  const what = random.of(Object.keys(all));
  return { what, call: all[what] };
}

// ---- The run

let failures = 0;
async function settle() {
  try {
    await device.synchronize();
  } catch (error) {
    if (!(error instanceof OrthokitError) || !codes.includes(error.code)) throw error;
    failures += 1;
  }
}

const limit = 256 << 20;
let start;
for (let i = 0; i < executions; i += 1) {
  const { what, call } = random.chance(0.8) ? callOperation() : callMethod();
  try {
    const result = call();
    if (result instanceof Tensor) result.dispose();
    if (result instanceof Device) await result.close();
    count(what, 'accepted');
  } catch (error) {
    // JavaScript's own words for a proxy that is no more or tells lies, and for a method of another class.
    const isForeign =
      error instanceof Thrown ||
      (error instanceof TypeError && /revoked|Illegal invocation|on proxy: trap|#(place|handle)\b/.test(error.message));
    const name = error instanceof OrthokitError ? error.code : isForeign ? 'thrown' : undefined;
    if (!codes.includes(name) && name !== 'thrown') {
      process.stderr.write(`seed ${seed}, execution ${i}, ${what}: ${error?.stack ?? String(error)}\n`);
      process.exit(1);
    }
    count(what, name);
  }
  if (i % 256 === 0) {
    await settle();
    const canary = random.below(canaries.length);
    const values = await canaries[canary].read();
    assert.ok(
      values.every((value) => value === canary),
      `execution ${i}: canary ${canary} has changed`,
    );
  }
  if (i % 4096 === 0) {
    globalThis.gc();
    start ??= process.memoryUsage.rss();
    const growth = process.memoryUsage.rss() - start;
    assert.ok(growth < limit, `execution ${i}: ${growth} bytes of growth`);
  }
}
await settle();
for (const [i, canary] of canaries.entries()) assert.ok((await canary.read()).every((value) => value === i));
await device.close();
await other.close();
console.log(JSON.stringify({ counts, failures }));
