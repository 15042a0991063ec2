import { library } from './library.mjs';
import { UsageError } from './usage.mjs';

export const bench = {
  summary:
    'time operations on this machine, each by its own cases; without names a few that training spends its time in',
  options: {
    device: { type: 'string', value: 'NAME', help: 'cpu, cuda, cuda:1 or auto' },
    threads: { type: 'string', value: 'N', number: 'count', help: 'of the CPU' },
    seconds: { type: 'string', value: 'N', number: 'positive', help: 'for each case, 1' },
    small: { type: 'boolean', help: 'small examples in place of timing cases' },
    list: { type: 'boolean', help: 'name the operations, and time nothing' },
    json: { type: 'boolean', help: 'one JSON value' },
  },
  positionals: true,
  rest: '[operation…]',
  run,
};

const usual = ['gemm', 'newtonSchulz', 'adamw', 'sgd', 'layerNorm'];

async function run({ device: name = 'auto', threads, seconds = 1, small = false, list = false, json = false }, names) {
  const { Device, ops, Tensor } = await library();
  const { native } = await library('core/native.js');
  const described = JSON.parse(native.describe());
  if (list) return print(described, json);
  const wanted = (names.length > 0 ? names : usual).map((given) => find(described, given));
  if (threads !== undefined && name.startsWith('cuda')) throw new UsageError('--threads is for the CPU');
  const device = Device.open(name, threads === undefined ? {} : { threads });
  try {
    const { name: processor, isa, units } = device.info;
    const results = [];
    if (!json) console.log(`${device.kind}: ${processor}, ${isa}, ${units} threads`);
    for (const op of wanted) {
      const own = camel(op.name);
      for (const words of small || op.cases.length === 0 ? op.examples : op.cases) {
        const { values, made } = fieldsOf(Tensor, device, op, words);
        try {
          const call = () => ops[own](device, values);
          const result = { op: own, case: words, ...(await measure(device, call, seconds * 1000)) };
          results.push(result);
          if (!json) console.log(asLine(result));
        } finally {
          for (const tensor of made) tensor.dispose();
        }
      }
    }
    if (json) console.log(JSON.stringify({ device: device.kind, processor, isa, units, results }));
    return 0;
  } finally {
    await device.close();
  }
}

/** An operation by the API's name for it, or by that of its files. */
function find(described, given) {
  const op = described.find(({ name }) => given === name || given === camel(name));
  if (op) return op;
  const all = described.map(({ name }) => camel(name)).join(', ');
  throw new UsageError(`no operation ${given}; there are ${all}`);
}

function print(described, json) {
  const all = described.map(({ name, summary }) => ({ op: camel(name), summary }));
  const width = Math.max(...all.map(({ op }) => op.length)) + 2;
  console.log(json ? JSON.stringify(all) : all.map(({ op, summary }) => op.padEnd(width) + summary).join('\n'));
  return 0;
}

/** Rounds of about 20 ms, so that the clock's steps do not matter, until the time is over. */
async function measure(device, call, budgetMs) {
  const round = async (count) => {
    const start = performance.now();
    for (let i = 0; i < count; i++) call();
    await device.synchronize();
    return (performance.now() - start) / count;
  };
  const first = Math.max(await round(1), await round(1));
  const count = Math.max(1, Math.min(1000, Math.floor(20 / first)));
  const times = [];
  const end = performance.now() + budgetMs;
  do times.push(await round(count));
  while (performance.now() < end && times.length < 100);
  times.sort((a, b) => a - b);
  return { medianMs: times[times.length >> 1], minMs: times[0], rounds: times.length };
}

/** Tensors and numbers from the words of a case: `x=f32[4x3] alpha=2`. */
function fieldsOf(Tensor, device, op, words) {
  const made = [];
  const values = {};
  const tensor = (text) => {
    const [, dtype, sizes] = /^(\w+)\[([\dx]*)\]$/.exec(text);
    const shape = sizes === '' ? [] : sizes.split('x').map(Number);
    const isWhole = dtype === 'i32' || dtype === 'u8';
    made.push(
      isWhole ? Tensor.zeros(device, shape, { dtype }) : Tensor.rand(device, shape, { dtype, seed: made.length }),
    );
    return made.at(-1);
  };
  const list = (text) =>
    text.split(',').flatMap((part) => {
      const [one, count = 1] = part.split('*');
      return Array.from({ length: count }, () => tensor(one));
    });
  const factor = (text) => {
    const [number, on] = text.split('*');
    return on === undefined ? Number(number) : [Number(number), tensor(on)];
  };
  const readers = {
    tensor,
    tensors: list,
    number: Number,
    integer: Number,
    numbers: (text) => text.split(',').map(Number),
    choice: (text) => text,
    factors: (text) => text.split(',').map(factor),
  };
  for (const word of words.split(' ')) {
    const [field, text] = word.split(/=(.*)/s);
    const { kind } = op.fields.find((own) => own.name === field);
    values[field] = readers[kind](text);
  }
  return { values, made };
}

const camel = (name) => name.replaceAll(/_(.)/g, (_, letter) => letter.toUpperCase());

function asLine({ op, case: words, medianMs, minMs, rounds }) {
  const short = words.length > 60 ? `${words.slice(0, 59)}…` : words;
  return `${op.padEnd(17)}${medianMs.toFixed(3).padStart(10)} ms  best ${minMs.toFixed(3)}  ${rounds} rounds  ${short}`;
}
