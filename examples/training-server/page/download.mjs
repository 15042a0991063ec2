import { color, element } from './dom.mjs';
import { svgOf } from './svg.mjs';

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const href = URL.createObjectURL(blob);
  element('a', { href, download: name }).click();
  URL.revokeObjectURL(href);
}

export const download = {
  /** The curves that are shown, a line a point. @param {string} key @param {{ name: string, points: [number, number][] }[]} curves */
  csv(key, curves) {
    const lines = curves.flatMap(({ name, points }) => points.map(([x, y]) => `"${name}",${x},${y}\n`));
    save(new Blob([`run,x,${key}\n`, ...lines], { type: 'text/csv' }), `${key}.csv`);
  },
  /**
   * Saves what the chart shows as lines. Colors are numbers of those of the page.
   *
   * @param {{ name: string, color: number, points: [number, number][] }[]} curves
   * @param {{ title: string, log: boolean, xTitle: string, marks: { x: number, text: string, color: number }[] }} options
   */
  svg(curves, options) {
    const colored = (list) => list.map((one) => ({ ...one, color: color(`--curve-${one.color}`) }));
    const colors = {
      ground: getComputedStyle(document.body).backgroundColor,
      ink: color('--soft'),
      grid: color('--grid'),
    };
    const picture = svgOf(colored(curves), { ...options, ...colors, marks: colored(options.marks) });
    save(new Blob([picture], { type: 'image/svg+xml' }), 'curves.svg');
  },
  /** The picture on its ground. @param {HTMLCanvasElement | undefined} canvas */
  png(canvas) {
    if (!canvas) return;
    const copy = element('canvas', { width: canvas.width, height: canvas.height });
    const pen = copy.getContext('2d');
    pen.fillStyle = getComputedStyle(document.body).backgroundColor;
    pen.fillRect(0, 0, copy.width, copy.height);
    pen.drawImage(canvas, 0, 0);
    copy.toBlob((blob) => save(blob, 'curves.png'));
  },
};
