// Tiny runs of every optimizer: they show that all learn, and prove nothing.
import { table } from '../../../examples/digits/table.mjs';
import { contestantsOf } from './contestants.mjs';
import { revision } from './plan.mjs';
import { tasks } from './tasks/index.mjs';
import { train } from './train.mjs';

/** @param {(line: string) => void} show */
export async function quick(show) {
  const rows = [];
  for (const task of tasks)
    for (const { name, rate } of contestantsOf(task.name)) {
      const { steps, curve, loss, signs, sharpness } = await train({
        ...{ revision, task: task.name, size: 'quick', optimizer: name, rate, seed: 1, share: 1 },
      });
      const last = /** @type {{ loss: number }} */ (curve.at(-1));
      rows.push([
        ...[
          `${task.name}: ${name}`,
          `${steps}`,
          curve[0].loss.toFixed(4),
          last.loss.toFixed(4),
          (loss ?? Number.NaN).toFixed(4),
        ],
        ...[signs.toFixed(4), `${sharpness.filter((own) => Number.isFinite(own.sharpness)).length}`],
      ]);
    }
  show(table(['run', 'steps', 'first loss', 'last loss', 'test loss', 'signs', 'sharpness'], rows));
}
