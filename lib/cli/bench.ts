import type { Device, DeviceKind } from '../core/device.ts';
import type { Dtype } from '../core/dtypes.ts';
import type { Name } from '../core/native-ops/calls.ts';
import type { Tensor } from '../core/tensor.ts';
import { type Command, command, UsageError } from './command.ts';

/** An operation as the addon describes it. */
interface Described {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  readonly cases: readonly string[];
  readonly fields: readonly { readonly name: string; readonly kind: keyof Readers }[];
}

interface Times {
  readonly medianMs: number;
  readonly minMs: number;
  readonly rounds: number;
}

interface Result extends Times {
  readonly op: string;
  readonly case: string;
}

const usual = ['gemm', 'newtonSchulz', 'adamw', 'sgd', 'layerNorm'];

export const bench: Command = command({
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
  async run({ device: name = 'auto', threads, seconds = 1, small = false, list = false, json = false }, names) {
    const { native } = await import('../core/native.ts');
    const described: Described[] = JSON.parse(native.describe());
    if (list) return print(described, json);
    const wanted = (names.length > 0 ? names : usual).map((given) => find(described, given));
    if (threads !== undefined && name.startsWith('cuda')) throw new UsageError('--threads is for the CPU');
    const { Device } = await import('../core/device.ts');
    const device = Device.open(name as DeviceKind, { threads });
    try {
      await time(device, wanted, { seconds, small, json });
    } finally {
      await device.close();
    }
    return 0;
  },
});

interface TimeOptions {
  readonly seconds: number;
  readonly small: boolean;
  readonly json: boolean;
}

async function time(
  device: Device,
  wanted: readonly Described[],
  { seconds, small, json }: TimeOptions,
): Promise<void> {
  const { calls } = await import('../core/native-ops/calls.ts');
  const { name: processor, isa, units } = device.info;
  const results: Result[] = [];
  if (!json) console.log(`${device.kind}: ${processor}, ${isa}, ${units} threads`);
  for (const op of wanted)
    for (const words of small || op.cases.length === 0 ? op.examples : op.cases) {
      const readers = await readersOn(device);
      try {
        const values = valuesOf(op, words, readers);
        const call = (): void => calls[camel(op.name) as Name](device, values);
        const result = { op: camel(op.name), case: words, ...(await measure(device, call, seconds * 1000)) };
        results.push(result);
        if (!json) console.log(asLine(result));
      } finally {
        for (const tensor of readers.made) tensor.dispose();
      }
    }
  if (json) console.log(JSON.stringify({ device: device.kind, processor, isa, units, results }));
}

/** An operation by the API's name for it, or by that of its files. */
function find(described: readonly Described[], given: string): Described {
  const op = described.find(({ name }) => given === name || given === camel(name));
  if (op) return op;
  const all = described.map(({ name }) => camel(name)).join(', ');
  throw new UsageError(`no operation ${given}; there are ${all}`);
}

function print(described: readonly Described[], json: boolean): number {
  const all = described.map(({ name, summary }) => ({ op: camel(name), summary }));
  const width = Math.max(...all.map(({ op }) => op.length)) + 2;
  console.log(json ? JSON.stringify(all) : all.map(({ op, summary }) => op.padEnd(width) + summary).join('\n'));
  return 0;
}

/** Rounds of about 20 ms, so that the clock's steps do not matter, until the time is over. */
async function measure(device: Device, call: () => void, budgetMs: number): Promise<Times> {
  const round = async (count: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < count; ++i) call();
    await device.synchronize();
    return (performance.now() - start) / count;
  };
  const first = Math.max(await round(1), await round(1));
  const count = Math.max(1, Math.min(1000, Math.floor(20 / first)));
  const times: number[] = [];
  const end = performance.now() + budgetMs;
  do times.push(await round(count));
  while (performance.now() < end && times.length < 100);
  times.sort((a, b) => a - b);
  return { medianMs: times[times.length >> 1]!, minMs: times[0]!, rounds: times.length };
}

/** Values of fields from the text of a case, by the kind of the field. */
interface Readers {
  tensor(text: string): Tensor;
  tensors(text: string): Tensor[];
  number(text: string): number;
  integer(text: string): number;
  numbers(text: string): number[];
  choice(text: string): string;
  factors(text: string): (number | [number, Tensor])[];
}

/** `made` holds the tensors, which are the caller's. */
async function readersOn(device: Device): Promise<Readers & { readonly made: readonly Tensor[] }> {
  const { Tensor } = await import('../core/tensor.ts');
  const made: Tensor[] = [];
  const tensor = (text: string): Tensor => {
    const [, dtype, sizes] = /^(\w+)\[([\dx]*)\]$/.exec(text) as unknown as [string, Dtype, string];
    const shape = sizes === '' ? [] : sizes.split('x').map(Number);
    const isWhole = dtype === 'i32' || dtype === 'u8';
    const one = isWhole
      ? Tensor.zeros(device, shape, { dtype })
      : Tensor.rand(device, shape, { dtype, seed: made.length });
    made.push(one);
    return one;
  };
  return {
    made,
    tensor,
    tensors: (text) =>
      text.split(',').flatMap((part) => {
        const [one, count = 1] = part.split('*');
        return Array.from({ length: Number(count) }, () => tensor(one!));
      }),
    number: Number,
    integer: Number,
    numbers: (text) => text.split(',').map(Number),
    choice: (text) => text,
    factors: (text) =>
      text.split(',').map((part) => {
        const [number, on] = part.split('*');
        return on === undefined ? Number(number) : [Number(number), tensor(on)];
      }),
  };
}

/** Values by the words of a case: `x=f32[4x3] alpha=2`. */
const valuesOf = ({ fields }: Described, words: string, readers: Readers): Record<string, unknown> =>
  Object.fromEntries(
    words.split(' ').map((word) => {
      const [field, text] = word.split(/=(.*)/s) as [string, string];
      return [field, readers[fields.find(({ name }) => name === field)!.kind](text)];
    }),
  );

const camel = (name: string): string => name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());

function asLine({ op, case: words, medianMs, minMs, rounds }: Result): string {
  const short = words.length > 60 ? `${words.slice(0, 59)}…` : words;
  return `${op.padEnd(17)}${medianMs.toFixed(3).padStart(10)} ms  best ${minMs.toFixed(3)}  ${rounds} rounds  ${short}`;
}
