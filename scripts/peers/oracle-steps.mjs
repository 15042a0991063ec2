// node scripts/peers/oracle-steps.mjs [--layers] [seconds per case] [threads] [parameters] [method …]: steps of methods that stand on oracles,
// in f32 and call by call in turns, against the same rules written with tensors of PyTorch, in place and without a graph: a child
// process runs those. Oracles are in closed form, an operation each, the same on both sides, so that the rules are what is
// timed. After five steps both sides must be at the same place. A turn is an even number of steps that take some milliseconds, and waits
// for the last of them. Prints a line each: microseconds of a step, of processors on
// one thread and of the clock on several, the least and the median, and how many times ours PyTorch's
// are; of some also what the operations of a step's oracles take by themselves. A step of MAID is a run of five from the same start,
// with its solves and tests. Without threads and parameters: one and two, 10,000 and 10,000,000 (the lower level has as many;
// blocks are a thousand of 10, a hundred a step, or a hundred thousand of 100, ten thousand a step). The parameters are one
// tensor, or with --layers the six of a network of three layers, for methods that take lists; PyTorch's side then works by
// its functions of lists.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, ops, Tensor } from 'orthokit';
import { BoRep, LvHba, Maid, MultiBlockBilevel } from 'orthokit/bilevel';
import { DadaoNode } from 'orthokit/decentralized';
import { Harpg, NPgIgt, OdiceValueLearner } from 'orthokit/policy';
import { clockOf, least, startPeer } from './peer.mjs';
import { median } from './turns.mjs';

const given = process.argv.slice(2).filter((word) => word !== '--layers');
const isLayers = given.length < process.argv.length - 2;
const [seconds = 4, onlyThreads = 0, onlySize = 0] = given.slice(0, 3).map(Number);
const first = 5;
/** Methods of lists of tensors; the others take one. */
const ofLists = ['BoRep', 'OdiceValueLearner', 'NPgIgt', 'Harpg', 'NHarpg'];

/** Shapes of weights and biases of a network of three layers with about d parameters. */
function layers(d) {
  const width = Math.round(Math.sqrt(d / 2 + 9) - 3);
  return [[width, width], [width], [width, width], [width], [10, width], [10]];
}
const sizeOf = (shape) => shape.reduce((product, axis) => product * axis, 1);
const listOf = (x) => (Array.isArray(x) ? x : [x]);

/** out = Σ factor · x, an operation, of tensors or lists. */
function sum(device, out, ...given) {
  const [terms, coefficients] = [[], []];
  for (const [factor, x] of given) {
    terms.push(...listOf(x));
    coefficients.push(factor);
  }
  ops.linearCombination(device, { out: listOf(out), terms, coefficients });
}
const copy = (device, x, out) => ops.copy(device, { x: listOf(x), out: listOf(out) });

/** Each makes a method from the numbers r: `step`, which may be awaited, and where it is. */
const methods = {
  BoRep({ device, lists }) {
    const [x, y, b] = [lists(1), lists(0.5), lists(2)];
    const oracle = {
      x,
      y,
      lowerGradientY: (out) => sum(device, out, [1, y], [-1, x]),
      lowerHessianYY: (v, out) => copy(device, v, out),
      lowerJacobianXY: (v, out) => sum(device, out, [-1, v]),
      upperGradientX: (out) => sum(device, out, [0.1, x]),
      upperGradientY: (out) => sum(device, out, [1, y], [-1, b]),
    };
    const method = new BoRep(oracle, { lr: 0.1, lowerLr: 0.5, nu: 0.5, radius: 1 });
    const [v, out] = [lists(1), lists(1)];
    let t = 0;
    const oracles = () => {
      for (let k = 0; k < (t++ % 2 === 0 ? 3 : 0); ++k) oracle.lowerGradientY(out);
      oracle.lowerHessianYY(v, out);
      oracle.upperGradientY(out);
      oracle.lowerJacobianXY(v, out);
      oracle.upperGradientX(out);
    };
    return { step: () => method.step(), oracles, place: x, owned: [method, ...x, ...y, ...b, ...v, ...out] };
  },

  MultiBlockBilevel({ device, d, r }) {
    const dim = d > 1e6 ? 100 : 10;
    const [count, ids] = [d / dim, d / dim / 10];
    const [x, y] = [Tensor.full(device, [dim], 0.5), Tensor.zeros(device, [count, dim])];
    copy(device, r.reshape([count, dim]), y);
    const minus = Tensor.zeros(device, [dim]);
    const method = new MultiBlockBilevel(
      {
        ...{ count, dim, x, y },
        lowerGradientY(_, at, of, out) {
          sum(device, minus, [-1, at]);
          ops.addBias(device, { x: of, bias: minus, out });
        },
        upperGradientY: (_, _at, of, out) => copy(device, of, out),
        lowerHessianYY: (_, _at, _of, v, out) => copy(device, v, out),
        lowerJacobianXY(_, _at, _of, v, out) {
          ops.columnSum(device, { x: v, out });
          sum(device, out, [-1, out]);
        },
      },
      { variant: 'v2', blocksPerStep: ids, alpha: 0.5, beta: 0.5, lr: 0.02, lowerLr: 0.02, seed: 1 },
    );
    const sampled = [];
    const step = async () => {
      const told = await method.step();
      if (sampled.length < 2 * 10) sampled.push([...told.sampled]);
    };
    return { step, place: x, request: { dim, ids, sampled }, needs: 2 * 10, owned: [method, x, y, minus] };
  },

  Maid({ device, d, r, times }) {
    const [theta, x0, target] = [times(1), times(0), times(2)];
    const diagonal = Tensor.from(
      device,
      Float32Array.from({ length: d }, (_, i) => 1 + 0.5 * (i % 5)),
      [d],
    );
    const off = times(0);
    const byDiagonal = (v, out) => ops.multiply(device, { x: [diagonal], y: [v], out: [out] });
    const maid = new Maid(
      {
        lower: {
          gradient(x, at, out) {
            byDiagonal(x, out);
            sum(device, out, [1, out], [-1, at]);
          },
          hessianProduct: (_x, _at, v, out) => byDiagonal(v, out),
          jacobianTransposed: (_x, _at, v, out) => sum(device, out, [-1, v]),
        },
        upper: {
          lipschitz: 1,
          value(x, out) {
            sum(device, off, [1, x], [-1, target]);
            ops.dots(device, { x: [off], y: [off], out });
            sum(device, out, [0.5, out]);
          },
          gradient: (x, out) => sum(device, out, [1, x], [-1, target]),
        },
      },
      { mu: 1, lipschitz: 3, bounds: { B: 1, LB: 0, LAinv: 0 }, gradTol: 0, maxIterations: 5 },
    );
    // A run of five steps from the same start.
    const step = async () => {
      copy(device, r, theta);
      (await maid.run(theta, x0)).x.dispose();
    };
    return { step, place: theta, owned: [theta, x0, target, diagonal, off] };
  },

  async LvHba({ device, d, times }) {
    const [x, y, b, half] = [times(1), times(0.5), times(2), times(0)];
    const method = new LvHba(
      {
        ...{ x, y },
        upper: {
          gradientX: (at, _, out) => sum(device, out, [0.1, at]),
          gradientY: (_, of, out) => sum(device, out, [1, of], [-1, b]),
        },
        lower: {
          gradientX: (at, of, out) => sum(device, out, [1, at], [-1, of]),
          gradientY: (at, of, out) => sum(device, out, [1, of], [-1, at]),
        },
        constraint: {
          ...{ count: d, kind: 'inequality' },
          value: (at, of, out) => sum(device, out, [1, of], [-1, at]),
          jacobianTX: (_at, _of, lambda, out) => sum(device, out, [-1, lambda]),
          jacobianTY: (_at, _of, lambda, out) => copy(device, lambda, out),
        },
        project(at, of) {
          sum(device, half, [0.5, of], [-0.5, at]);
          ops.relu(device, { x: half, out: half });
          sum(device, at, [1, at], [1, half]);
          sum(device, of, [1, of], [-1, half]);
        },
      },
      { alpha: 0.1, beta: 0.1, eta: 0.1 },
    );
    await method.init();
    return { step: () => method.step(), place: y, owned: [method, x, y, b, half] };
  },

  OdiceValueLearner({ device, d, r, lists }) {
    const params = lists(1);
    const b = Math.min(256, d / 2);
    const onPart = (x, isNext, work) => {
      const flat = x.reshape([x.size]);
      const own = isNext ? flat.rows(b, 2 * b) : flat.rows(0, b);
      work(own);
      own.dispose();
      flat.dispose();
    };
    const forwardAt = ([w], at, out) => onPart(w, at === nextStates, (own) => copy(device, own, out));
    const [states, nextStates, rewards] = [0, 0, 0].map(() => Tensor.zeros(device, [b]));
    copy(device, r.rows(0, b), rewards);
    const done = Tensor.from(device, Float32Array.from({ length: b }, (_, i) => Number(i % 10 === 0)), [b]); // biome-ignore format: one line
    const learner = new OdiceValueLearner(
      {
        params,
        forward: (at, out) => forwardAt(params, at, out),
        forwardAt,
        vjp(at, cotangent, grads) {
          ops.fill(device, { x: grads });
          onPart(grads[0], at === nextStates, (own) => copy(device, cotangent, own));
        },
      },
      { lr: 1e-3 },
    );
    const step = async () => (await learner.step({ states, nextStates, rewards, done })).policyWeights.dispose();
    return { step, place: params, owned: [learner, ...params, states, nextStates, rewards, done] };
  },

  NPgIgt: (given) => ascent(given, (params) => new NPgIgt(params)),
  Harpg: (given) => ascent(given, (params) => new Harpg(params, { normalized: false })),
  NHarpg: (given) => ascent(given, (params) => new Harpg(params)),

  DadaoNode({ device, d, r, times }) {
    const [b, theirs] = [times(2), times(1)];
    const node = new DadaoNode(device, { dim: d, mu: 1, lipschitz: 10, chi1Star: 2, x0: r });
    let t = 0;
    const step = async () => {
      t += 0.1;
      await node.gradientEvent(t, (at, out) => sum(device, out, [1, at], [-1, b]));
      t += 0.1;
      const mine = node.message(t);
      node.receive(t, mine, theirs);
      mine.dispose();
    };
    return { step, place: () => node.x, owned: [node, b, theirs] };
  },
};

function ascent({ device, lists }, make) {
  const [theta, b] = [lists(1), lists(2)];
  const method = make(theta);
  const oracle = {
    gradient: (at, out) => sum(device, out, [1, b], [-1, at]),
    hessianProduct: (_, v, out) => sum(device, out, [-1, v]),
  };
  let seed = 0;
  const [v, out] = [lists(1), lists(1)];
  const oracles = () => {
    oracle.gradient(v, out);
    if (method instanceof Harpg) oracle.hessianProduct(v, v, out);
  };
  return {
    step: () => method.step(oracle, seed++),
    oracles,
    place: theta,
    owned: [method, ...theta, ...b, ...v, ...out],
  };
}

const asked = given.slice(3);
const unknown = asked.filter((name) => !Object.hasOwn(methods, name));
if (unknown.length > 0) throw new Error(`there is no ${unknown}; methods: ${Object.keys(methods).join(' ')}`);
const all = isLayers ? ofLists : Object.keys(methods);
const single = isLayers ? asked.filter((name) => !ofLists.includes(name)) : [];
if (single.length > 0)
  throw new Error(`there is no list of tensors in ${single}; methods of lists: ${ofLists.join(' ')}`);
const names = asked.length > 0 ? asked : all;
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-peer-'));
const [numbers, result] = ['numbers', 'result'].map((name) => path.join(folder, name));

async function raceOf(device, peer, name, about, threads) {
  const shapes = isLayers ? layers(about) : [[about]];
  const sizes = shapes.map(sizeOf);
  const d = sizes.reduce((total, size) => total + size, 0);
  const r = Tensor.randn(device, [d], { seed: 1 });
  writeFileSync(numbers, await r.read());
  const lists = (factor) => {
    let at = 0;
    return shapes.map((shape, i) => {
      const [out, part] = [Tensor.zeros(device, shape), r.rows(at, at + sizes[i])];
      at += sizes[i];
      const same = part.reshape(shape);
      sum(device, out, [factor, same]);
      for (const one of [part, same]) one.dispose();
      return out;
    });
  };
  const times = (factor) => lists(factor)[0];
  const { step, oracles, place, request, needs = first, owned } = await methods[name]({ device, d, r, times, lists });
  const clock = clockOf(threads);
  const run = async (steps, one = step) => {
    const begin = clock();
    for (let i = 0; i < steps; ++i) await one();
    await device.synchronize();
    return clock() - begin;
  };
  await run(first);
  const reached = await Promise.all(listOf(typeof place === 'function' ? place() : place).map((one) => one.read()));
  writeFileSync(result, Buffer.concat(reached.map((values) => new Uint8Array(values.buffer, 0, values.byteLength))));
  await run(needs - first);
  const { version } = await peer.ask({ method: isLayers ? `${name}OfLists` : name, shapes, numbers, ...request });
  const { error } = await peer.ask({ steps: first, result });
  if (!(error <= 1e-4)) throw new Error(`${name}: a difference of ${error}`);
  const steps = 2 * Math.max(1, Math.round(10 / ((await run(2)) / 2)));
  const [ours, theirs, alone] = [[], [], []];
  for (const end = Date.now() + 1e3 * seconds; Date.now() < end || ours.length < 3; ) {
    ours.push((1e3 * (await run(steps))) / steps);
    theirs.push((1e3 * (await peer.ask({ steps })).milliseconds) / steps);
    if (oracles) {
      const own = (1e3 * (await run(steps, oracles))) / steps;
      alone.push([own, (1e3 * (await peer.ask({ steps, oracles: true })).milliseconds) / steps]);
    }
  }
  const [a, b] = [ours, theirs].map((list) => [least(list), median(list)]);
  const us = (value) => value.toFixed(value < 1e3 ? 1 : 0);
  console.log(
    `${name}, ${d} parameters${isLayers ? ` in ${shapes.length} tensors` : ''}, ${threads} ${threads === 1 ? 'thread' : 'threads'} (PyTorch ${version}): ${us(a[0])} µs against ` +
      `${us(b[0])}, the median ${us(a[1])} against ${us(b[1])}; theirs are ${(b[0] / a[0]).toFixed(2)} times ours, of medians ` +
      `${(b[1] / a[1]).toFixed(2)}; ${ours.length} turns of ${steps}, difference ${error.toExponential(1)}` +
      (alone.length > 0
        ? `; oracles alone ${[0, 1].map((i) => us(least(alone.map((all) => all[i])))).join(' and ')}`
        : ''),
  );
  for (const one of [...owned, r]) one.dispose();
}

try {
  for (const d of onlySize ? [onlySize] : [1e4, 1e7])
    for (const threads of onlyThreads ? [onlyThreads] : [1, 2]) {
      const device = Device.open('cpu', { threads });
      const peer = startPeer('oracle_steps_peer.py', [threads], threads);
      for (const name of names) await raceOf(device, peer, name, d, threads);
      await peer.end();
      await device.close();
    }
} finally {
  rmSync(folder, { recursive: true });
}
