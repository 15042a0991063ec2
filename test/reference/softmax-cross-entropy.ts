/** The mean of log Σⱼ exp(xⱼ) − x_label over the rows whose label is not negative, and how many of them are right. */
export function softmaxCrossEntropy(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
): { loss: number; correct: number } {
  const columns = logits.length / labels.length;
  let [sum, counted, correct] = [0, 0, 0];
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (label < 0) continue;
    counted++;
    const row = Array.from({ length: columns }, (_, j) => logits[i * columns + j]!);
    const max = Math.max(...row);
    sum += label < columns ? Math.log(row.reduce((s, x) => s + Math.exp(x - max), 0)) + max - row[label]! : NaN;
    if (Number.isFinite(max) && row.indexOf(max) === label) correct++;
  }
  return { loss: counted === 0 ? 0 : sum / counted, correct };
}
