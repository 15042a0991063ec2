// Ten digits of each class distilled from a CNN with and without the curriculum, and students that have seen nothing else.
import { Device } from 'orthokit';
import { CurriculumSynthesizer } from 'orthokit/data';
import { classes, pixels, side, smallDigits } from '../guidance/digits.mjs';
import { uniform } from '../uniform.mjs';
import { shareRight, teacherOf, trained } from './network.mjs';

/** @import { Digits } from '../guidance/digits.mjs' */
/** @typedef {{ revision: number, size: 'full' | 'quick', seed: number }} Settings */

export const sizes = {
  full: { teacher: 1000, iterations: 400, each: 10, student: 400, students: 3 },
  quick: { teacher: 30, iterations: 6, each: 1, student: 10, students: 1 },
};
export const [rate, jitter, pull] = [0.25, 1, 1];
/** Ways to ten images of each class: the curriculum's milestone, and the weight of the moments; without them real digits. */
export const ways = {
  'curriculum (cosine)': { milestone: 1, pull },
  'no curriculum': { milestone: 0, pull },
  'curriculum, without moments': { milestone: 1, pull: 0 },
  'real digits by chance': undefined,
};

/** So many real digits of each class. @param {Digits} digits @param {number} each @param {number} seed @returns {Digits} */
function chosen({ images, labels }, each, seed) {
  const random = uniform(seed);
  const own = Array.from({ length: classes }, (_, c) => [...labels.keys()].filter((i) => labels[i] === c));
  const out = { images: new Float32Array(each * classes * pixels), labels: new Int32Array(each * classes) };
  for (let i = 0; i < each * classes; ++i) {
    const of = own[i % classes];
    const [at] = of.splice(Math.floor(random() * of.length), 1);
    out.images.set(images.subarray(at * pixels, (at + 1) * pixels), i * pixels);
    out.labels[i] = i % classes;
  }
  return out;
}

/** @param {Settings} settings */
export async function run({ size: name, seed }) {
  const size = sizes[name];
  const device = Device.open('cpu', { threads: 1 });
  const { train, test } = smallDigits();
  const model = await trained(device, train, { steps: size.teacher, batch: 64, seed });
  const teacher = await shareRight(device, model, test);
  const labels = Int32Array.from({ length: size.each * classes }, (_, i) => i % classes);
  const found = [];
  for (const [way, own] of Object.entries(ways)) {
    let [digits, loss] = [chosen(train, size.each, 40 + seed), Number.NaN];
    if (own) {
      const ask = await teacherOf(device, model, own.pull);
      const { iterations } = size;
      const synthesizer = new CurriculumSynthesizer(device, {
        ...{ shape: [labels.length, side, side, 1], labels, classes, iterations, lr: rate, jitter, flip: false },
        ...{ milestone: own.milestone, mean: [0.5], std: [0.5], seed },
      });
      for (let i = 0; i < iterations; ++i) ({ loss } = await synthesizer.step(ask));
      digits = { images: /** @type {Float32Array} */ (await synthesizer.images().read()), labels };
      synthesizer.dispose();
    }
    const students = [];
    for (let i = 0; i < size.students; ++i)
      students.push(
        await shareRight(
          device,
          await trained(device, digits, { steps: size.student, batch: 50, seed: 100 * seed + i }),
          test,
        ),
      );
    const shown = seed === 1 ? Array.from(digits.images, (x) => Math.round(100 * x)) : [];
    found.push({ way, loss: Number.isNaN(loss) ? null : loss, students, shown });
  }
  await device.close();
  return { teacher, found };
}
