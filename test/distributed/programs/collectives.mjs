// Every collective, in sizes about the edges of buckets and ranks, against what one process adds up in the stated order.
import assert from 'node:assert/strict';
import { Device, Tensor } from 'orthokit';
import { connect } from 'orthokit/distributed';

/** Tensors about the size of a million elements, in buckets of a megabyte: a deep run. */
const isLong = process.argv[2] === 'long';
const group = await connect({ timeout: 20, bucketBytes: isLong ? 2 ** 20 : 4096 });
const { rank, size } = group;
assert.equal(size, Number(process.env.ORTHOKIT_RANKS));
const kind = process.env.ORTHOKIT_TEST_DEVICE ?? 'cpu';
const device = Device.open(kind, kind === 'cpu' ? { threads: 1 } : {});

/** The elements of a rank: of either sign, over many magnitudes, so that the order of a sum shows. */
const elements = (r, n, salt) =>
  Float64Array.from(
    { length: n },
    (_, i) => Math.sin(1 + i * 7.3 + r * 31.7 + salt) * 2 ** (((i * 5 + r * 3) % 21) - 10),
  );
const made = (r, n, dtype, salt) => {
  const numbers = elements(r, n, salt);
  if (dtype === 'f64') return Tensor.from(device, numbers, [n]);
  return Tensor.from(device, dtype === 'f32' ? Float32Array.from(numbers) : [...numbers], [n], { dtype });
};
/** The elements of all ranks as the dtype holds them, in f64. */
const held = (n, dtype, salt) =>
  Promise.all(
    Array.from({ length: size }, async (_, r) => {
      const tensor = made(r, n, dtype, salt);
      const wide = tensor.cast('f64');
      return wide.read();
    }),
  );
const rounded = async (numbers, dtype) => {
  if (dtype === 'f64') return numbers;
  if (dtype === 'f32') return Float32Array.from(numbers);
  const tensor = Tensor.from(device, [...numbers], [numbers.length], { dtype });
  return tensor.read();
};

const counts = isLong ? [2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1] : [0, 1, 2, 3, 31, 64, 511, 512, 513, 1025, 4097];
for (const dtype of isLong ? ['f32', 'bf16'] : ['f32', 'f64', 'f16', 'bf16']) {
  const list = counts.map((n, salt) => made(rank, n, dtype, salt));
  await group.allReduce(list, { tag: `sum of ${dtype}` });
  for (const [salt, n] of counts.entries()) {
    const all = await held(n, dtype, salt);
    const sum = Float64Array.from({ length: n }, (_, i) => all.reduce((total, x) => total + x[i], 0));
    assert.deepEqual(await list[salt].read(), await rounded(sum, dtype), `${dtype} ${n}`);
  }

  // By weight; rank 0 counts for nothing, and has nothing that may be counted.
  const n = 1025;
  const weighed = made(rank, n, dtype, 5);
  if (rank === 0) weighed.write(dtype === 'f64' ? new Float64Array(n).fill(NaN) : new Float32Array(n).fill(NaN));
  await group.allReduce([weighed], { op: 'mean', weight: rank, tag: `mean of ${dtype}` });
  const all = await held(n, dtype, 5);
  const total = (size * (size - 1)) / 2;
  const mean = Float64Array.from(
    { length: n },
    (_, i) => all.reduce((sum, x, r) => (r === 0 ? sum : sum + r * x[i]), 0) / total,
  );
  assert.deepEqual(await weighed.read(), await rounded(mean, dtype), `mean of ${dtype}`);

  // In the engine's order: within roundings of f32, or of the dtype.
  const loose = made(rank, n, dtype, 5);
  await group.allReduce([loose], { deterministic: false, tag: `loose sum of ${dtype}` });
  const exact = loose.cast('f64');
  const got = await exact.read();
  const eps = { f32: 2 ** -23, f64: 2 ** -52, f16: 2 ** -10, bf16: 2 ** -7 }[dtype];
  for (let i = 0; i < n; ++i) {
    const terms = all.map((x) => x[i]);
    const size1 = terms.reduce((sum, x) => sum + Math.abs(x), 0);
    assert.ok(Math.abs(got[i] - terms.reduce((a, b) => a + b, 0)) <= size * eps * size1, `loose ${dtype} ${i}`);
  }
  for (const tensor of list) tensor.dispose();
}

for (const dtype of ['f32', 'f64', 'f16', 'bf16', 'i32', 'u8']) {
  const value = (r) => Tensor.full(device, [3, 5], r + 1, { dtype });
  const [rows, scalar] = await group.allGather([value(rank), Tensor.full(device, [], rank, { dtype })]);
  assert.deepEqual(rows.shape, [3 * size, 5]);
  for (let r = 0; r < size; ++r) assert.deepEqual(await rows.rows(3 * r, 3 * r + 3).read(), await value(r).read());
  assert.deepEqual(scalar.shape, [size]);
  const sent = value(rank);
  await group.broadcast([sent, Tensor.zeros(device, [0])], { root: size - 1 });
  assert.deepEqual(await sent.read(), await value(size - 1).read());
  const owners = [0, size - 1, 0, 1 % size];
  const shared = owners.map((_, i) => Tensor.full(device, [700 + i], rank * 10 + i, { dtype }));
  await group.share(shared, owners);
  for (const [i, owner] of owners.entries())
    assert.deepEqual(await shared[i].read(), await Tensor.full(device, [700 + i], owner * 10 + i, { dtype }).read());
}

for (const dtype of ['f32', 'bf16']) {
  const n = 6 * size;
  const x = made(rank, n * 3, dtype, 2).reshape([n, 3]);
  const [part] = await group.reduceScatter([x], { op: 'mean' });
  assert.deepEqual(part.shape, [6, 3]);
  const all = await held(n * 3, dtype, 2);
  const mean = Float64Array.from({ length: 18 }, (_, i) => all.reduce((sum, y) => sum + y[rank * 18 + i], 0) / size);
  assert.deepEqual(await part.read(), await rounded(mean, dtype));
}
assert.deepEqual(
  [...(await group.numbers(rank * 2.5))],
  Array.from({ length: size }, (_, r) => r * 2.5),
);

// The bytes that come here are those of theory: 2 (n − 1) / n of the bytes, in the mean over ranks, for an all-reduce.
const bytes = 4 * 12_000;
for (const [name, call, each] of [
  ['all-reduce', (x) => group.allReduce([x]), (2 * (size - 1)) / size],
  ['reduce-scatter', (x) => group.reduceScatter([x]), (size - 1) / size],
  ['all-gather', (x) => group.allGather([x]), size - 1],
  ['broadcast', (x) => group.broadcast([x]), (size - 1) / size],
]) {
  const x = Tensor.zeros(device, [12_000]);
  const before = group.traffic;
  await call(x);
  const after = group.traffic;
  assert.equal(after.payload - before.payload, bytes);
  assert.equal(after.calls - before.calls, 1);
  const received = await group.numbers(after.received - before.received);
  assert.equal(
    received.reduce((a, b) => a + b, 0),
    each * size * bytes,
    name,
  );
}

// Calls that do not agree are found before data moves, and nothing is lost by it.
const kept = Tensor.full(device, [4], rank);
const refused = async (call, pattern) => {
  await assert.rejects(call, (error) => error.code === 'ERR_ARGUMENT' && pattern.test(error.message));
  assert.deepEqual(await kept.read(), new Float32Array(4).fill(rank));
};
if (size > 1) {
  await refused(
    group.allReduce([kept], { tag: rank === 1 ? 'loss' : 'gradients' }),
    /rank 0 came with call \d+ 'gradients'.*rank 1 came with call \d+ 'loss'/,
  );
  await refused(group.allReduce(rank === 1 ? [kept.rows(0, 3)] : [kept]), /4 f32; rank 1 .* 3 f32/);
  await refused(group.allReduce(rank === 1 ? [kept.reshape([2, 2])] : [kept]), /rank 1 .* of other shapes/);
  await refused(group.allReduce([rank === 1 ? kept.cast('f64') : kept]), /4 f32; rank 1 .* 4 f64/);
  await refused(rank === 1 ? group.barrier() : group.broadcast([kept]), /broadcast of rank 0.*rank 1 .* barrier/);
  await refused(group.broadcast([kept], { root: rank === 1 ? 1 : 0 }), /broadcast of rank 0.*broadcast of rank 1/);
}
for (const bad of [
  () => group.allReduce([kept, kept]),
  () => group.allReduce([Tensor.zeros(device, [2], { dtype: 'i32' })]),
  () => group.allReduce([kept], { weight: 2 }),
  () => group.allReduce([kept], { tag: '' }),
  () => group.reduceScatter([Tensor.zeros(device, [size + 1])]),
  () => group.share([kept], [size]),
  () => group.broadcast([kept], { root: size }),
])
  if (size > 1) await assert.rejects(bad, { name: 'OrthokitError' });
await group.barrier();
if (rank === 0) console.log(`collectives ${group.engine} ${size}`);
