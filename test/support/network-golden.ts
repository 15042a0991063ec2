// Values of PyTorch: test/golden/network.json, as scripts/golden/network.py wrote them.
import { readFileSync } from 'node:fs';
import { splitmixMatrix } from './splitmix.ts';

interface Golden {
  readonly labels: readonly number[];
  readonly classes: number;
  readonly losses: readonly {
    readonly smoothing: number;
    readonly weights: readonly number[] | null;
    /** By row, without row weights. */
    readonly losses: readonly number[];
    /**
     * The gradient of the sum of the losses, each times its row weight, and its second derivative times the direction.
     */
    readonly grad: readonly number[];
    readonly curvature: readonly number[];
  }[];
  readonly slopes: readonly {
    readonly function: string;
    readonly y: readonly number[];
    readonly slope: readonly number[];
  }[];
  readonly ropes: readonly { readonly layout: 'halves' | 'interleaved'; readonly out: readonly number[] }[];
}
export const networkGolden: Golden = JSON.parse(
  readFileSync(new URL('../golden/network.json', import.meta.url), 'utf8'),
);

const { labels, classes } = networkGolden;
/** Data of all problems. */
export const lossData = {
  rows: labels.length,
  classes,
  labels,
  logits: splitmixMatrix(labels.length, classes, 1).map((x) => 3 * x),
  rowWeights: splitmixMatrix(1, labels.length, 3),
  direction: splitmixMatrix(labels.length, classes, 4),
};
export const slopeInput = splitmixMatrix(1, 17, 5).map((x) => 4 * x);
/** `[5, 12]`: two heads of six elements at places from 3 on, base 100. */
export const ropeInput = splitmixMatrix(5, 12, 6);
