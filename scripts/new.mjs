// npm run new -- op <name> | optimizer <name>: the files of a new operation or optimizer. They compile, and their tests
// fail until formula, kernel and reference are written.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const [kind, name] = process.argv.slice(2);

const pascal = (snake) => snake.replace(/(^|_)(.)/g, (_, _start, letter) => letter.toUpperCase());

const op = (snake) => {
  const kebab = snake.replaceAll('_', '-');
  const type = pascal(snake);
  const camel = type[0].toLowerCase() + type.slice(1);
  return {
    [`native/ops/${snake}.h`]: `#pragma once
#include "core/op.h"

namespace orthokit {

// Formula, paper with equation or algorithm number, numerics (accumulation type; zero, infinity,
// NaN), memory traffic.
struct ${type} {
  static constexpr const char *name = "${snake}", *summary = "out = x";
  static constexpr const char* examples[] = {"x=f32[597x43] out=f32[597x43]"};
  View x, out;

  void fields(Fields& f) {
    f.in("x", x);
    f.out("out", out);
  }
  void check() const {
    require(is_float(x), ErrorCode::kDtype, "x must be f32 or f64", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have the dtype of x", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have the shape of x", out);
  }
};

}  // namespace orthokit
`,
    [`native/cpu/kernels/${snake}.cpp`]: `#include "ops/${snake}.h"

#include "cpu/stream.h"

namespace orthokit::cpu {

void ${snake}(const ${type}&, Stream&) {
  throw Error(ErrorCode::kUnsupported, "the kernel of ${snake} is not written");
}
ORTHOKIT_KERNEL(${type}, ${snake});

}  // namespace orthokit::cpu
`,
    [`test/reference/${kebab}.ts`]: `/** The formula of ${snake} in plain float64. */
export function ${camel}(_x: Float64Array): Float64Array {
  throw new Error('the reference of ${snake} is not written');
}
`,
    [`test/ops/${kebab}.test.ts`]: `import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { ${camel} as reference } from '../reference/${kebab}.ts';

describe.each(Device.available)('${camel} on %s', (kind) => {
  it.each([1, 31, 32, 33, 597, 4097])('agrees with the reference, n = %i', async (n) => {
    const device = Device.open(kind);
    const values = Float64Array.from({ length: n }, (_, i) => Math.sin(i));
    const x = Tensor.from(device, values, [n]);
    const out = Tensor.zeros(device, [n], { dtype: 'f64' });
    ops.${camel}(device, { x, out });
    expect(await out.read()).toEqual(reference(values));
    await device.close();
  });
});
`,
  };
};

const optimizer = (snake) => {
  const kebab = snake.replaceAll('_', '-');
  const type = pascal(snake);
  return {
    [`lib/optimizers/${kebab}.ts`]: `import { OrthokitError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { type CommonOptions, Optimizer, type Slots } from './optimizer.ts';

export interface ${type}Options extends CommonOptions {}

const defaults: ${type}Options = { lr: 1e-3, weightDecay: 0 };

/** Formula, paper, equation; what differs from the paper. */
export class ${type} extends Optimizer<${type}Options, never> {
  constructor(params: Tensor[], options: Partial<${type}Options> = {}) {
    super(params, options, defaults, []);
  }

  protected override update(_slots: Slots<never>, _options: ${type}Options): void {
    throw new OrthokitError('ERR_UNSUPPORTED', '${snake}: the update is not written');
  }
}
`,
    [`test/optimizers/${kebab}.test.ts`]: `import { expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { ${type} } from '../../lib/optimizers/${kebab}.ts';

it('makes one step that was computed by hand', async () => {
  const device = Device.open('cpu');
  const weights = Tensor.from(device, new Float64Array([1, 2, 3, 4]), [2, 2]);
  const gradient = Tensor.from(device, new Float64Array([1, 0, 0, 1]), [2, 2]);
  new ${type}([weights]).step([gradient]);
  expect(await weights.read()).toEqual(new Float64Array([Number.NaN, Number.NaN, Number.NaN, Number.NaN]));
  await device.close();
});
`,
  };
};

const templates = { op, optimizer };
if (!Object.hasOwn(templates, kind ?? '') || !/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name ?? '')) {
  console.error('usage: npm run new -- op|optimizer <name in snake_case>');
  process.exit(2);
}
const files = Object.entries(templates[kind](name));
const taken = files.find(([file]) => existsSync(path.join(root, file)));
if (taken) {
  console.error(`${taken[0]} exists already`);
  process.exit(1);
}
for (const [file, text] of files) {
  const target = path.join(root, file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
  console.log(file);
}
