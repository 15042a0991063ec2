// Watches many sensors at once: a network over their last inputs answers each new one; a sensor that is exchanged begins anew.
// usage: node examples/streaming/watch.mjs
import { Device, Tensor } from 'orthokit';
import { continual } from 'orthokit/streaming';

const [sensors, steps] = [4, 60];
const device = Device.open('cpu');

// A step up is found by its slope: the mean of the last four inputs less that of the four before.
const slope = Tensor.from(device, [-1, -1, -1, -1, 1, 1, 1, 1].map((x) => x / 4), [1, 1, 8]); // biome-ignore format: one line
const net = continual.sequential(continual.conv1d(slope), continual.map('relu'), continual.maxPool1d(3));
slope.dispose();
console.log(`an answer comes ${net.delay} inputs after the first, and depends on ${net.receptiveField} of them`);

/** Sensor i steps up at 20 + 5 i. @param {number} i @param {number} t */
const reading = (i, t) => (t >= 20 + 5 * i ? 1 : 0) + 0.1 * Math.sin(1.7 * t + i);
const told = new Set();
for (let t = 0; t < steps; ++t) {
  if (t === 22) net.reset([1]);
  const x = Tensor.from(
    device,
    Float32Array.from({ length: sensors }, (_, i) => reading(i, t)),
    [sensors, 1],
  );
  const y = net.step(x);
  if (y)
    for (const [i, height] of (await y.read()).entries())
      if (height > 0.5 && !told.has(i)) {
        told.add(i);
        console.log(`sensor ${i} has stepped up before input ${t}`);
      }
  x.dispose();
  y?.dispose();
}
net.dispose();
await device.close();
