// A new class of optimizers: the class, its test, and a line wherever classes are listed.
import { inserted, kebab, pascal, withExport } from './words.mjs';

export const usage = 'optimizer <name>';
export const pattern = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

const source = (type) => `import { OrthokitError } from '../core/errors.ts';
import type { CommonOptions } from './base/common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { common } from './parts/common.ts';
import { momentum } from './parts/momentum.ts';
import { moment, state } from './parts/state.ts';

/** Options of {@link ${type}}; all may be left out. */
export interface ${type}Options extends CommonOptions {
  /** Factor of the momentum, in [0, 1). Default 0.9. */
  momentum: number;
}

const parts = [common(1e-3, 0, 'decoupled'), state({ momenta: moment }), momentum(0.9)] as const;

/**
 * Formula, paper, equation; what differs from the paper. Defaults: lr 1e-3, momentum 0.9. State: one moment a parameter.
 *
 * @example
 * const optimizer = new ${type}([w], { lr: 1e-3 });
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without any;
 * ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class ${type} extends Optimizer<${type}Options> {
  constructor(params: Params<${type}Options>, options: OptimizerOptions<${type}Options> = {}) {
    super('${type}', params, options, parts);
  }

  /** @internal */
  protected override update(_work: Work<typeof parts>): void {
    throw new OrthokitError('ERR_UNSUPPORTED', '${type}: the update is not written');
  }
}
`;

const test = (type) => `// Devices: cpu
// Values: program or computation that they come from.
import { expect, it } from 'vitest';
import { Device, Tensor, ${type} } from '../../lib/index.ts';

it('makes one step that was computed by hand', async () => {
  const device = Device.open('cpu');
  const weights = Tensor.from(device, new Float64Array([1, 2, 3, 4]), [2, 2]);
  const gradient = Tensor.from(device, new Float64Array([1, 0, 0, 1]), [2, 2]);
  new ${type}([weights]).step([gradient]);
  expect(await weights.read()).toEqual(new Float64Array([NaN, NaN, NaN, NaN]));
  await device.close();
});
`;

const section = (type) => `### ${type}

\`\`\`
m ← β·m + (1 − β)·g
W ← (1 − lr·wd)·W − lr·m
\`\`\`

| \`lr\` | \`momentum\` | \`weightDecay\` | state |
| --- | --- | --- | --- |
| 1e-3 | 0.9 | 0 (\`decoupled\`) | one tensor per weight |

`;

const row = (type) => `| ${type} | what it is here | class \`${type}\` | in work | in work | not yet |\n`;

/** The import that ends with \`SGD,\`, and the object \`classes\`. */
const inCheckpoints = (type) => (text) => {
  const imported = inserted(text, /^ {2}SGD,\n/m, `  ${type},\n`, 'before');
  return inserted(
    imported,
    /^ {2}Lion: \{ Class: Lion, .*\n/m,
    `  ${type}: { Class: ${type}, scalars: { momentum: 0.8, weightDecay: 0.1 }, fixed: {} },\n`,
  );
};
const inStates = (type) => (text) => {
  const imported = inserted(text, /^ {2}SGD,\n/m, `  ${type},\n`, 'before');
  const named = inserted(imported, /^const classes = \{\n {2}SGD,\n/m, `  ${type},\n`);
  return inserted(named, /^ {2}Lion: \{.*\n/m, `  ${type}: { momentum: 0.8 },\n`);
};

/** @param {string} snake */
export function pieces(snake) {
  const [type, file] = [pascal(snake), kebab(snake)];
  return {
    files: {
      [`lib/optimizers/${file}.ts`]: source(type),
      [`test/optimizers/${file}.test.ts`]: test(type),
    },
    edits: {
      'lib/optimizers/index.ts': (text) =>
        withExport(text, `export { ${type}, type ${type}Options } from './${file}.ts';`),
      'test/optimizers/classes.ts': (text) =>
        inserted(text, /^ {2}Lion: \{ moments.*\n/m, `  ${type}: { moments: 1, bytes: 0 },\n`),
      'scripts/golden/checkpoints.mjs': inCheckpoints(type),
      'scripts/golden/states.mjs': inStates(type),
      'docs/guide/optimizers.md': (text) => inserted(text, /^## Shape scale\n/m, section(type), 'before'),
      'docs/systems.md': (text) => inserted(text, /^\| Muon \|.*\n/m, row(type), 'before'),
    },
  };
}
