import { byRows, softmax } from './row-softmax.ts';

/** scale / counted · (softmax − one-hot) in every row; 0 for a negative label, NaN for one beyond the columns. */
export function softmaxCrossEntropyBackward(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  scale = 1,
): Float64Array {
  const columns = logits.length / labels.length;
  const counted = Array.from(labels).filter((label) => label >= 0).length;
  return byRows(logits, columns, (row, i) => {
    const label = labels[i]!;
    if (label < 0) return row.fill(0);
    if (label >= columns) return row.fill(NaN);
    return softmax(row).map((p, j) => (scale / counted) * (p - (j === label ? 1 : 0)));
  });
}
