// A new operation: element by element over lists, of any floating dtype, computed in f32, or in f64 for f64.
import { camel, kebab, pascal } from './words.mjs';

export const usage = 'op <group>/<name>';
export const pattern = /^[a-z]+\/[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

const header = (snake, type) => `#pragma once
#include "core/op.h"

namespace orthokit {

struct ${type} {
  static constexpr const char *name = "${snake}", *summary = "out = x";
  static constexpr const char* about = R"(
  outₚ = xₚ, for each tensor p of the list; the formula; paper with equation or algorithm number.
  Numerics: in f32, or f64 where out is, then rounded to out's dtype; zero, infinity, NaN.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "out=f32[597x43],f32[31],f32[0] x=f32[597x43],f32[31],f32[0]", "out=f64[4097] x=f64[4097]",
      "out=f16[4097],bf16[31] x=f16[4097],bf16[31]"};
  static constexpr const char* cases[] = {"out=f32[8192x1024] x=f32[8192x1024]",
                                          "out=bf16[8192x1024] x=bf16[8192x1024]"};  // timed
  List<View> out, x;

  void fields(Fields& f) { f.out("out", out, kMayAlias), f.in("x", x); }
  double flops() const {
    double n = 0;
    for (auto& v : out) n += double(v.size());
    return n;
  }
  void check(auto require) const {
    require(x.count == out.count, ErrorCode::kArgument, "x must be as many as out",
            double(x.count));
    for (int64_t i = 0; i < out.count; ++i) {
      require(is_floating(out[i]), ErrorCode::kDtype, "out must be floating", out[i]);
      require(x[i].dtype == out[i].dtype, ErrorCode::kDtype, "x must have out's dtype", x[i]);
      require(same_shape(x[i], out[i]), ErrorCode::kShape, "x must have out's shape", x[i], "out",
              out[i]);
    }
  }
};

}  // namespace orthokit
`;

const cpu = (group, snake, type) => `#include "ops/${group}/${snake}.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void run_chunk(const ${type}& op, const Chunk& c) {
  const View &from = op.x[c.tensor], &to = op.out[c.tensor];
  T buffer[kBlock], result[kBlock];
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t at = c.begin + done, n = std::min(kBlock, c.size - done);
    const T* x = load(from, at, n, buffer);
    T* out = target(to, at, result);
    for (int64_t i = 0; i < n; ++i) out[i] = x[i];
    store(to, at, n, static_cast<const T*>(out));
  }
}

void ${snake}(const ${type}& op, Stream& stream) {
  const Chunks chunks(op.out, stream);
  chunks.run([&](const Chunk& c) {
    if (op.out[c.tensor].dtype == Dtype::kF64)
      run_chunk<double>(op, c);
    else
      run_chunk<float>(op, c);
  });
}
ORTHOKIT_KERNEL(${type}, ${snake});

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
`;

const cuda = (group, snake, type) => `#include "cuda/lists.cuh"
#include "ops/${group}/${snake}.h"

namespace orthokit::cuda {

struct ${type}Piece {
  const Operand *out, *x;
  template <class T>
  __device__ void run(const Piece& piece) const {
    const Operand &from = x[piece.tensor], &to = out[piece.tensor];
    for_vectors(piece, [&](int64_t at, int n) {
      T values[kVector], result[kVector];
      load(from, at, n, values);
#pragma unroll
      for (int i = 0; i < kVector; ++i) result[i] = values[i];
      store(to, at, n, result);
    });
  }
  __device__ void operator()(const Piece& piece) const {
    if (out[piece.tensor].dtype == Dtype::kF64)
      run<double>(piece);
    else
      run<float>(piece);
  }
};

static void ${snake}(const ${type}& op, Stream& stream) {
  const Lists lists(stream, {op.out, op.x});
  for_pieces(stream, lists, ${type}Piece{lists.of(0), lists.of(1)});
}
ORTHOKIT_KERNEL(${type}, ${snake});

}  // namespace orthokit::cuda
`;

const reference = (group, snake, type) => `#include "ops/${group}/${snake}.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void ${snake}(const ${type}&) {
  throw Error(ErrorCode::kUnsupported, "the reference is not written");
}
ORTHOKIT_REFERENCE(${type}, ${snake}, 2);

}  // namespace orthokit::bench
`;

const test = (own) => `// Devices: cpu, cuda
// Source: closed form "has the values of the closed form, in place too"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('${own} on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('agrees with the reference in %s', (dtype) =>
    expectLikeReference(
      '${own}',
      device,
      (on) => ({
        x: awkward.map((size) => tensorOf(on, normal(size, size), [size], dtype)),
        out: awkward.map((size) => Tensor.full(on, [size], NaN, { dtype })),
      }),
      { ulps: 2 },
    ),
  );

  it('has the values of the closed form, in place too', async () => {
    const x = tensorOf(device, [-2, -1, 0, 1, 2]);
    ops.${own}(device, { out: [x], x: [x] });
    expect(await valuesOf(x)).toEqual(Float64Array.of(NaN, NaN, NaN, NaN, NaN));
  });

  it('refuses what does not fit', () => {
    const x = Tensor.zeros(device, [4]);
    const thrown = (fields: Parameters<typeof ops.${own}>[1]) => thrownBy(() => ops.${own}(device, fields));
    expect(thrown({ out: [x], x: [] }).code).toBe('ERR_ARGUMENT');
    expect(thrown({ out: [Tensor.zeros(device, [2, 2])], x: [x] })).toMatchObject({
      code: 'ERR_SHAPE',
      message: "${own}: x must have out's shape, got f32[4] for out f32[2, 2]",
    });
    const whole = Tensor.zeros(device, [4], { dtype: 'i32' });
    expect(thrown({ out: [whole], x: [whole] }).code).toBe('ERR_DTYPE');
    expect(thrown({ out: [Tensor.zeros(device, [4], { dtype: 'f64' })], x: [x] }).code).toBe('ERR_DTYPE');
  });
});
`;

/** The row of the guide, below the last one of the same group; a new group has a section of its own. */
const listed = (own, others) => (page) => {
  const row = `| \`${own}\` | out = x |\n`;
  const rows = [...page.matchAll(/^\| `(\w+)` \|.*\n/gm)].filter(([, name]) => others.includes(name));
  const last = rows.at(-1);
  if (!last) return `${page}\n## Other\n\n| \`ops.\` | what it computes |\n| --- | --- |\n${row}`;
  const at = last.index + last[0].length;
  return page.slice(0, at) + row + page.slice(at);
};

/**
 * @param {string} place
 * @param {(group: string) => readonly string[]} operationsOf
 */
export function pieces(place, operationsOf) {
  const [group, snake] = place.split('/');
  const [type, own] = [pascal(snake), camel(snake)];
  return {
    files: {
      [`native/ops/${group}/${snake}.h`]: header(snake, type),
      [`native/cpu/kernels/${group}/${snake}.cpp`]: cpu(group, snake, type),
      [`native/cuda/kernels/${group}/${snake}.cu`]: cuda(group, snake, type),
      [`native/bench/reference/${group}/${snake}.cpp`]: reference(group, snake, type),
      [`test/ops/${group}/${kebab(snake)}.test.ts`]: test(own),
    },
    edits: { 'docs/guide/operations.md': listed(own, operationsOf(group).map(camel)) },
  };
}
