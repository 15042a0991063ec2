// docs/images/kernels.svg: a bar for each kernel, as long as its predicted share of the roofline.
import { families, largestForm } from './page.mjs';

const colours = {
  memory: '#4477aa',
  f32: '#228833',
  f64: '#66aa55',
  matrix: '#ccbb44',
  special: '#ee6677',
  issue: '#aa3377',
  shared: '#bb5500',
};
const label = 380;
const scale = 400;
const height = 14;
const top = 54;

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const shortened = (name) => (name.length > 60 ? `${name.slice(0, 59)}…` : name);

export function picture(forms) {
  const list = families(forms).map(({ name, forms: own }) => ({ name, ...largestForm(own).predicted }));
  const bars = list.map(({ name, share, bound }, i) => {
    const y = top + i * height;
    return [
      `<text x="${label - 6}" y="${y + 10}" text-anchor="end">${escaped(shortened(name))}</text>`,
      `<rect x="${label}" y="${y + 1}" width="${(scale * share).toFixed(1)}" height="${height - 3}" fill="${colours[bound]}"/>`,
    ].join('');
  });
  const legend = Object.entries(colours).map(
    ([part, colour], i) =>
      `<rect x="${20 + i * 105}" y="24" width="10" height="10" fill="${colour}"/><text x="${34 + i * 105}" y="33">${part}</text>`,
  );
  const end = top + list.length * height;
  const lines = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<line x1="${label + scale * share}" y1="${top - 4}" x2="${label + scale * share}" y2="${end}" stroke="#999" stroke-width="0.5"/>` +
      `<text x="${label + scale * share}" y="${top - 7}" text-anchor="middle">${100 * share} %</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${label + scale + 24} ${end + 8}" font-family="sans-serif" font-size="9">
<rect width="100%" height="100%" fill="#fff"/>
<text x="20" y="15" font-size="12">Predicted share of the roofline of an H100, by what decides the time</text>
${[...legend, ...lines, ...bars].join('\n')}
</svg>
`;
}
