// Methods that know nothing of the token: mean, zero, randn.
import { Tensor } from '../../core/tensor.ts';
import type { Method, MethodContext, PrepareMethod } from './method.ts';

/** Every new row is the mean of the base's rows. */
export const mean: PrepareMethod = async (context) => constant(context, meanOf);

/** Every new row is zero. */
export const zero: PrepareMethod = async (context) => constant(context, ({ columns }) => new Float32Array(columns));

/** Standard normal numbers: far longer than embeddings are, as a baseline. */
export const randn: PrepareMethod = async ({ task: { device }, bases, settings }) => ({
  approximate: async (_targets, ids, position) => ({
    rows: bases.map(({ table: { columns } }, stream) =>
      Tensor.randn(device, [ids.length, columns], { seed: settings.seed, stream, offset: position * columns }),
    ),
  }),
  dispose() {},
});

interface Base {
  readonly columns: number;
  readonly mean: Float32Array;
}

const meanOf = ({ mean }: Base): Float32Array => mean;

/** The mean of the finite rows of each table of the base. */
export function meansOf({ bases }: MethodContext): Float32Array[] {
  return bases.map(({ scan }) => {
    const count = scan.norms.filter(Number.isFinite).length;
    return Float32Array.from(scan.sum, (sum) => (count === 0 ? 0 : sum / count));
  });
}

function constant(context: MethodContext, rowOf: (base: Base) => Float32Array): Method {
  const { task, bases } = context;
  const means = meansOf(context);
  const rows = bases.map(({ table: { columns } }, i) =>
    rowOf({ columns, mean: means[i] ?? new Float32Array(columns) }),
  );
  return {
    async approximate(_targets, ids) {
      return {
        rows: rows.map((row) => {
          const all = new Float32Array(ids.length * row.length);
          for (let i = 0; i < ids.length; ++i) all.set(row, i * row.length);
          return Tensor.from(task.device, all, [ids.length, row.length]);
        }),
      };
    },
    dispose() {},
  };
}
