// npm run new -- op <group>/<name> | optimizer <name>: the files of a new operation or optimizer. They compile, and their
// tests fail until formula, kernel and reference are written.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const [kind, name] = process.argv.slice(2);

const pascal = (snake) => snake.replace(/(^|_)(.)/g, (_, _start, letter) => letter.toUpperCase());

const op = (place) => {
  const [group, snake] = place.split('/');
  const kebab = snake.replaceAll('_', '-');
  const type = pascal(snake);
  const camel = type[0].toLowerCase() + type.slice(1);
  return {
    [`native/ops/${group}/${snake}.h`]: `#pragma once
#include "core/op.h"

namespace orthokit {

// Formula; paper with equation or algorithm number.
// Numerics: accumulation; what happens at zero, infinity and NaN.
// Traffic: what is read and written.
struct ${type} {
  static constexpr const char *name = "${snake}", *summary = "out = x";
  static constexpr const char* examples[] = {"x=f32[597x43] out=f32[597x43]"};
  static constexpr const char* cases[] = {"x=f32[4096x1024] out=f32[4096x1024]"};  // timed
  View x, out;

  void fields(Fields& f) {
    f.in("x", x);
    f.out("out", out);
  }
  void check() const {
    require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have the dtype of x", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have the shape of x", out, "x", x);
  }
};

}  // namespace orthokit
`,
    [`native/cpu/kernels/${group}/${snake}.cpp`]: `#include "ops/${group}/${snake}.h"

#include "cpu/chunks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void ${snake}(const ${type}&, Stream&) {
  throw Error(ErrorCode::kUnsupported, "the kernel is not written");
}
ORTHOKIT_KERNEL(${type}, ${snake});

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
`,
    [`native/cuda/kernels/${group}/${snake}.cu`]: `#include "cuda/kernel.h"
#include "ops/${group}/${snake}.h"

namespace orthokit::cuda {

static void ${snake}(const ${type}&, Stream&) {
  throw Error(ErrorCode::kUnsupported, "the kernel is not written");
}
ORTHOKIT_KERNEL(${type}, ${snake});

}  // namespace orthokit::cuda
`,
    [`native/bench/reference/${group}/${snake}.cpp`]: `#include "ops/${group}/${snake}.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void ${snake}(const ${type}&) {
  throw Error(ErrorCode::kUnsupported, "the reference is not written");
}
ORTHOKIT_REFERENCE(${type}, ${snake});

}  // namespace orthokit::bench
`,
    [`test/reference/${kebab}.ts`]: `/** The formula of ${snake} in plain float64. */
export function ${camel}(_x: Float64Array): Float64Array {
  throw new Error('the reference of ${snake} is not written');
}
`,
    [`test/ops/${group}/${kebab}.test.ts`]: `// Devices: cpu, cuda
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { ${camel} as reference } from '../../reference/${kebab}.ts';
import { devices } from '../../support/devices.ts';

describe.each(devices)('${camel} on %s', (kind) => {
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
    [`lib/optimizers/${kebab}.ts`]: `import { OrthokitError } from '../core/errors.ts';
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
`,
    [`test/optimizers/${kebab}.test.ts`]: `// Devices: cpu
// Values: program or computation that they come from.
import { expect, it } from 'vitest';
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
const names = { op: /^[a-z]+\/[a-z][a-z0-9]*(_[a-z0-9]+)*$/, optimizer: /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/ };
if (!Object.hasOwn(templates, kind ?? '') || !names[kind].test(name ?? '')) {
  console.error('usage: npm run new -- op <group>/<name> | optimizer <name>, names in snake_case');
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
