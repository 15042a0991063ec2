import uPlot from '/uplot/uPlot.esm.js';
import { color, short } from './dom.mjs';

const height = 340;

/** Curves of several runs in one picture, with marks where something happened. */
export class Chart {
  #plot;
  #shape = '';

  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    /** @type {{ x: number, text: string, color: number }[]} */
    this.marks = [];
    new ResizeObserver(() => this.#plot?.setSize({ width: place.clientWidth, height })).observe(place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#forget());
  }

  /**
   * @param {{ name: string, color: number, points: [number, number][] }[]} curves
   * @param {{ title: string, log: boolean, xTitle: string, marks: { x: number, text: string, color: number }[] }} options
   */
  draw(curves, { title, log, xTitle, marks }) {
    this.marks = marks;
    const xs = [...new Set(curves.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
    const place = new Map(xs.map((x, i) => [x, i]));
    const columns = curves.map(({ points }) => {
      const column = Array(xs.length).fill(undefined);
      for (const [x, y] of points) column[place.get(x)] = log && y <= 0 ? null : y;
      return column;
    });
    const data = [xs, ...columns];
    const shape = JSON.stringify([curves.map(({ name, color }) => [name, color]), title, log, xTitle]);
    if (shape !== this.#shape || !this.#plot) this.#make(curves, { title, log, xTitle }, data);
    else this.#plot.setData(data);
    this.#shape = shape;
  }

  /** The picture as it stands. */
  get canvas() {
    return this.#plot?.ctx.canvas;
  }

  #forget() {
    this.#shape = '';
  }

  #make(curves, { title, log, xTitle }, data) {
    this.#plot?.destroy();
    const axis = {
      stroke: color('--soft'),
      grid: { stroke: color('--grid'), width: 1 },
      ticks: { stroke: color('--line'), width: 1 },
    };
    this.#plot = new uPlot(
      {
        width: this.place.clientWidth,
        height,
        scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
        axes: [
          { ...axis, label: xTitle, labelSize: 22, size: 34 },
          {
            ...axis,
            label: title,
            labelSize: 22,
            size: 64,
            values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : short(tick))),
          },
        ],
        series: [
          { label: xTitle, value: (_, x) => short(x) },
          ...curves.map((curve) => ({
            label: curve.name,
            stroke: color(`--curve-${curve.color}`),
            width: 1.5,
            spanGaps: true,
            points: { show: false },
            value: (_, y) => short(y),
          })),
        ],
        hooks: { draw: [(plot) => this.#drawMarks(plot)] },
      },
      data,
      this.place,
    );
  }

  #drawMarks(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui`;
    for (const { x, text, color: index } of this.marks) {
      const left = plot.valToPos(x, 'x', true);
      if (!(left >= bbox.left && left <= bbox.left + bbox.width)) continue;
      ctx.strokeStyle = color(`--curve-${index}`);
      ctx.fillStyle = color('--soft');
      ctx.setLineDash(text ? [4, 4] : []);
      ctx.beginPath();
      // Checkpoints are many: a tick on the axis is enough.
      const bottom = bbox.top + bbox.height;
      ctx.moveTo(left, text ? bbox.top : bottom - 7 * devicePixelRatio);
      ctx.lineTo(left, bottom);
      ctx.stroke();
      if (!text) continue;
      // A text that the edge would cut is left of its line.
      const fits = left + 4 + ctx.measureText(text).width <= bbox.left + bbox.width;
      ctx.textAlign = fits ? 'left' : 'right';
      ctx.fillText(text, fits ? left + 4 : left - 4, bbox.top + 12 * devicePixelRatio);
    }
    ctx.restore();
  }
}
