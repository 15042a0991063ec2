// Devices: cpu
// Source: property "all that is drawn lies within the picture, whatever the curves are"
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { svgOf } from '../../../examples/training-server/page/svg.mjs';

const colors = { ground: '#fff', ink: '#222', grid: '#ddd' };
const options = { title: 'Loss', xTitle: 'Step', log: false, marks: [], ...colors };
const lineOf = (points: [number, number][]) => ({ name: 'run', color: '#06c', points });
const curvesIn = (svg: string) =>
  [...svg.matchAll(/<path d="M([^"]+)" fill="none"/g)].map(([, path]) =>
    path!.split('L').map((place) => place.split(' ').map(Number) as [number, number]),
  );

it('has a line of all points of each curve, the greatest value on top', () => {
  const svg = svgOf([lineOf([[1, 4], [2, 2], [3, 1]]), lineOf([[1, 3]])], options); // biome-ignore format: one line
  const [first, second] = curvesIn(svg);
  expect(first).toEqual([[72, 34], [478, 260.7], [884, 374]]); // biome-ignore format: one line
  expect(second).toHaveLength(1);
  for (const words of ['Loss', 'Step', 'run', '1.5', '3']) expect(svg).toContain(`>${words}</text>`);
});

it('shows what is above 0 where values are logarithms', () => {
  const svg = svgOf([lineOf([[1, 100], [2, 0], [3, -1], [4, 0.01]])], { ...options, log: true }); // biome-ignore format: one line
  expect(curvesIn(svg)[0]).toHaveLength(2);
  for (const words of ['100', '1', '0.01']) expect(svg).toContain(`>${words}</text>`);
});

it('marks what happened, with a tick where there is no text', () => {
  const marks = [2, 9].map((x) => ({ x, text: 'lr 0.1', color: 'red' })).concat({ x: 3, text: '', color: 'blue' });
  const svg = svgOf([lineOf([[1, 1], [4, 2]])], { ...options, marks }); // biome-ignore format: one line
  expect(svg.match(/lr 0.1/g)).toHaveLength(1);
  expect(svg).toContain('stroke="blue"/>');
});

it('takes texts of strangers as texts', () => {
  const svg = svgOf([{ ...lineOf([[1, 1]]), name: '<script>&"x"' }], options);
  expect(svg).not.toContain('<script');
  expect(svg).toContain('&#60;script&#62;&#38;&#34;x&#34;');
});

it('all that is drawn lies within the picture, whatever the curves are', () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 });
  const points = fc.array(fc.tuple(fc.nat(1e9), number), { maxLength: 20 });
  fc.assert(
    fc.property(fc.array(points, { maxLength: 3 }), fc.boolean(), (all, log) => {
      const svg = svgOf(all.map(lineOf), { ...options, log });
      expect(svg).not.toMatch(/NaN|Infinity/);
      for (const [x, y] of curvesIn(svg).flat()) {
        expect(x).toBeGreaterThanOrEqual(72);
        expect(x).toBeLessThanOrEqual(884);
        expect(y).toBeGreaterThanOrEqual(34);
        expect(y).toBeLessThanOrEqual(374);
      }
    }),
  );
});
