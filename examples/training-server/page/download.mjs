import { element } from './dom.mjs';

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
