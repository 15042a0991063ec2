// A made signal: a hum, noise with a memory, and short decaying bursts at random times, which are what is to be found.
import { uniform } from '../uniform.mjs';

/** Places of a burst. */
export const burst = 16;

/** One stream without an end: the next value, and 1 within a burst. @param {number} seed @returns {() => { value: number, label: number }} */
export function signal(seed) {
  const next = uniform(seed);
  const [speed, phase] = [0.15 + 0.1 * next(), 6 * next()];
  let [time, noise, since] = [0, 0, burst];
  return () => {
    since = since >= burst && next() < 1 / 80 ? 0 : since + 1;
    noise = 0.8 * noise + next() + next() + next() - 1.5;
    const isInside = since < burst;
    const own = isInside ? 2.5 * Math.exp(-since / 8) * Math.sin(1.9 * since + 0.6) : 0;
    time += 1;
    return { value: Math.sin(speed * time + phase) + 0.7 * noise + own, label: isInside ? 1 : 0 };
  };
}

/** @param {number} streams @param {number} time @param {number} seed @returns {{ values: Float32Array, labels: Float32Array }} `[streams, time]` */
export function recorded(streams, time, seed) {
  const [values, labels] = [new Float32Array(streams * time), new Float32Array(streams * time)];
  for (let i = 0; i < streams; ++i) {
    const draw = signal(1_000_003 * seed + i);
    for (let t = 0; t < time; ++t) {
      const { value, label } = draw();
      values[i * time + t] = value;
      labels[i * time + t] = label;
    }
  }
  return { values, labels };
}
