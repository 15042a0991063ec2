// A new system of a family: its function, its test and its place in the lists. A new family is a sub-path of the package with
// a page in the guide.
import { camel, inserted, pascal, withExport } from './words.mjs';

export const usage = 'system <family>/<name>';
export const pattern = /^[a-z]+\/[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Says why a system has no place there; undefined where it has one, as in a family that is still to come. */
export function refusalOf(place, has) {
  const [family] = place.split('/');
  if (family === 'optimizers') return 'an optimizer is made by: npm run new -- optimizer <name>';
  if (has(`lib/${family}`) && !has(`lib/${family}/index.ts`))
    return `lib/${family} is no family: it has no index.ts, and is no sub-path of the package`;
  return undefined;
}

const source = (own, type) => `import * as check from '../core/check.ts';
import { OrthokitError } from '../core/errors.ts';
import { Owned } from '../core/owned.ts';
import { count, notNegative, type Resolved, readOptions, type Schema, watchers } from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import type { SolverStatus } from '../solvers/status.ts';

/** Progress of {@link ${own}}, told after each iteration. */
export interface ${type}Progress {
  /** Iterations done. */
  readonly iterations: number;
}

/** Options of {@link ${own}}. */
export interface ${type}Options extends TaskOptions<${type}Progress> {
  /** Relative change at which it ends, not negative. Default: 1e-6. */
  tol?: number | undefined;
  /** Iterations at most, from 1 on. Default: 1000. */
  maxIterations?: number | undefined;
}

/** The result of {@link ${own}}. */
export interface ${type}Result {
  /** The solution, in shape and dtype of x; the caller's. */
  readonly out: Tensor;
  /** Why it ended. */
  readonly status: SolverStatus;
  /** Iterations done. */
  readonly iterations: number;
}

type Given = Resolved<${type}Options, 'signal' | 'onProgress'>;
const schema: Schema<Given> = {
  tol: notNegative(1e-6),
  maxIterations: count(1000),
  ...watchers<${type}Progress>(),
};

/**
 * Computes a result of a matrix x, f32 or f64, on the device of x; x stays as it is.
 *
 * Memory: one tensor like x.
 *
 * Source: paper with equation or algorithm number; what differs from it.
 *
 * @example
 * const { out, status } = await ${own}(x, { tol: 1e-8 });
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE for options and tensors that do not fit; ERR_DISPOSED; ERR_MEMORY; the signal's
 * reason when aborted
 */
export async function ${own}(x: Tensor, options: ${type}Options = {}): Promise<${type}Result> {
  const where = '${own}';
  check.tensor(where, 'x', x, { rank: 2, dtypes: check.arithmetic, filled: true });
  const given = readOptions(where, options, schema);
  using task = new Task<${type}Progress>(x.device, given);
  using owned = new Owned<Tensor>();
  const out = owned.add(new Tensor(x.device, x.shape, x.dtype));
  const ended = await iterate(task, x, out, given);
  return { out: owned.release(out), ...ended };
}

/** Work is queued on \`task.queue\`; \`await task.readAll(…)\` brings what decides how it goes on, once an iteration. */
async function iterate(
  task: Task<${type}Progress>,
  _x: Tensor,
  _out: Tensor,
  _given: Given,
): Promise<{ status: SolverStatus; iterations: number }> {
  task.report({ iterations: 0 });
  throw new OrthokitError('ERR_UNSUPPORTED', '${own}: the method is not written');
}
`;

const test = (family, name, own) => `// Devices: cpu, cuda
// Values: program or computation that they come from.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { ${own} } from '../../lib/${family}/${name}.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('${own} on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const values = Float64Array.of(4, 1, 1, 3);
  const x = Tensor.from(device, values, [2, 2]);

  it('gives the values of the source, and leaves x as it is', async () => {
    const { out, status } = await ${own}(x);
    expect(status).toBe('converged');
    expect(await out.read()).toEqual(Float64Array.of(NaN, NaN, NaN, NaN));
    expect(await x.read()).toEqual(values);
  });
});
`;

/** A small call, which the suites of the contracts are asked of. */
const call = (own) => `  ${own}: {
    args: ({ device }) => [Tensor.from(device, Float64Array.of(4, 1, 1, 3), [2, 2])],
    options: () => ({ maxIterations: 3 }),
  },
`;
const importTensor = "import { Tensor } from '../../../lib/index.ts';\n";
const callsOf = (own) => `${importTensor}import type { Call } from '../call.ts';

export const calls: Record<string, Call> = {
${call(own)}};
`;
const withCall = (text, own) => {
  const more = inserted(text, /^\};\n$(?![\s\S])/m, call(own), 'before');
  return /\bTensor\b/.test(text) ? more : inserted(more, /^import /m, importTensor, 'before');
};

const page = (family, own) => `# ${pascal(family)}

What it is, and when one wants it.

\`\`\`ts
import { Device, Tensor } from 'orthokit';
import { ${own} } from 'orthokit/${family}';

const device = Device.open('cpu');
const x = Tensor.from(device, new Float64Array([4, 1, 1, 3]), [2, 2]);
const { status } = await ${own}(x);
console.log(status); // converged
await device.close();
\`\`\`

${section(own)}`;
const section = (own) => `## ${own}

\`await ${own}(x, options)\` gives \`{ out, status, iterations }\`: what they are, and which option matters first.
`;

const exported = (name, own, type) =>
  `export { ${[`type ${type}Options`, `type ${type}Progress`, `type ${type}Result`, own].join(', ')} } from './${name}.ts';`;

const row = (family, own) =>
  `| ${own} | what it is here | \`${own}\` of \`orthokit/${family}\` | in work | in work | not yet |\n`;

/** A family is a line of each list of sub-paths, and a row of the guide. */
const listsOf = (family) => ({
  'package.json': (text) => {
    const built = `./dist/${family}/index`;
    const entry = `    "./${family}": {\n      "types": "${built}.d.ts",\n      "default": "${built}.js"\n    },\n`;
    return inserted(text, /^ {4}"\.\/package\.json"/m, entry, 'before');
  },
  'typedoc.json': (text) => inserted(text, /"entryPoints": \[[^\]]*"/, `, "lib/${family}/index.ts"`),
  'docs/guide/README.md': (text) =>
    inserted(text, /^\| \[Checkpoints\]/m, `| [${pascal(family)}](${family}.md) | What it answers |\n`, 'before'),
});

/**
 * @param {string} place
 * @param {{ has: (file: string) => boolean, pageOf: (family: string) => string | undefined }} tree
 */
export function pieces(place, { has, pageOf }) {
  const [family, name] = place.split('/');
  const [own, type] = [camel(name), pascal(name)];
  const isNew = !has(`lib/${family}/index.ts`);
  const line = exported(name, own, type);
  const guide = pageOf(family);
  const calls = `test/contracts/calls/${family}.ts`;
  return {
    files: {
      [`lib/${family}/${name}.ts`]: source(own, type),
      [`test/${family}/${name}.test.ts`]: test(family, name, own),
      ...(isNew ? { [`lib/${family}/index.ts`]: `${line}\n`, [calls]: callsOf(own) } : {}),
      ...(guide === undefined ? { [`docs/guide/${family}.md`]: page(family, own) } : {}),
    },
    edits: {
      ...(isNew
        ? listsOf(family)
        : { [`lib/${family}/index.ts`]: (text) => withExport(text, line), [calls]: (text) => withCall(text, own) }),
      ...(guide === undefined ? {} : { [guide]: (text) => `${text}\n${section(own)}` }),
      'docs/systems.md': (text) => inserted(text, /^\| Muon \|.*\n/m, row(family, own)),
    },
  };
}
