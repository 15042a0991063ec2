import { json, listen } from './api.mjs';
import { Chart } from './chart.mjs';
import { Curve } from './curve.mjs';
import { byId, element } from './dom.mjs';
import { download } from './download.mjs';
import { makeForm } from './form.mjs';
import { showLog, tellLog } from './log.mjs';
import { marksOf } from './marks.mjs';
import { hasCurves, nameOf, Rows } from './rows.mjs';

const keys = {
  loss: 'Loss',
  gradNorm: 'Norm of the gradient',
  updateRms: 'Size of the update (RMS)',
  lr: 'Learning rate',
  ms: 'Milliseconds a step',
  memory: 'Bytes of tensors',
  brake: 'Brake of AuON',
};
const colors = 6;
/** Points of a curve that are asked for, and steps that may come until they are asked for anew. */
const points = 1500;
const most = 6000;

/** @type {Map<string, any>} */
const runs = new Map();
/** @type {Map<string, Curve>} */
const curves = new Map();
/** Runs on the chart, and their colors. @type {Map<string, number>} */
const shown = new Map();
/** Reports that come while a curve is being fetched. @type {Map<string, any[]>} */
const fetching = new Map();

const chart = new Chart(byId('chart'));
const rows = new Rows({
  async ask(id, path, method, body) {
    try {
      const run = await json(`/jobs/${id}${path}`, method, body);
      if (method === 'DELETE') forget(id);
      else take(run);
      byId('said').textContent = '';
    } catch (error) {
      byId('said').textContent = /** @type {Error} */ (error).message;
    }
    change();
  },
  show(id, isShown) {
    if (isShown) show(id);
    else shown.delete(id);
    change();
  },
  log: showLog,
});

function take(run) {
  const before = runs.get(run.id);
  // An answer may be older than what the stream has told since.
  if (before && run.lastEvent < before.lastEvent) return;
  runs.set(run.id, { ...run, heard: Date.now(), marks: before?.marks ?? [] });
}

function forget(id) {
  for (const map of [runs, curves, shown]) map.delete(id);
}

function show(id) {
  if (shown.has(id)) return;
  const used = new Set(shown.values());
  if (used.size >= colors) shown.delete(shown.keys().next().value);
  const free = Array.from({ length: colors }, (_, i) => i).find((i) => ![...shown.values()].includes(i));
  shown.set(id, free);
  void fetchCurve(id);
}

async function fetchCurve(id) {
  if (fetching.has(id)) return;
  const waiting = [];
  fetching.set(id, waiting);
  try {
    const curve = new Curve();
    const { curves: found, nonFinite } = await json(
      `/jobs/${id}/metrics?points=${points}&keys=${[...Object.keys(keys), 'seconds']}`,
    );
    for (const [key, values] of Object.entries(found)) curve.set(key, values, nonFinite[key]);
    for (const { first, columns } of waiting) curve.add(first, columns);
    curves.set(id, curve);
  } catch (error) {
    byId('said').textContent = /** @type {Error} */ (error).message;
  } finally {
    fetching.delete(id);
  }
  change();
}

const handlers = {
  metrics(run, { first, columns }) {
    run.step = first + columns.loss.length - 1;
    run.last = { ...run.last, loss: columns.loss.at(-1) };
    fetching.get(run.id)?.push({ first, columns });
    const curve = curves.get(run.id);
    curve?.add(first, columns);
    if (curve && curve.added > most) void fetchCurve(run.id);
  },
  checkpoint(run, { step }) {
    run.marks.push({ step });
    if (run.state === 'running') run.reason = undefined;
  },
  start(run, { from }) {
    run.starts?.push(from);
  },
  warning(run, { text }) {
    run.reason = text;
  },
  progress(run, { progress }) {
    run.progress = progress;
  },
};

async function onEvent(type, data) {
  if (type === 'resync') return load();
  const run = runs.get(data.job);
  if (run && data.seq > run.lastEvent) {
    run.lastEvent = data.seq;
    run.heard = Date.now();
    handlers[type]?.(run, data);
    tellLog(run.id, type);
  }
  if (!run || ['state', 'applied', 'result'].includes(type)) await refresh(data.job);
  change();
}

/** A run as the server has it now. */
async function refresh(id) {
  const isNew = !runs.has(id);
  try {
    take(await json(`/jobs/${id}`));
    if (isNew && shown.size < 2) show(id);
  } catch {
    forget(id);
  }
}

async function load() {
  const { runs: all } = await json('/jobs?limit=1000');
  runs.clear();
  for (const run of all.reverse()) take(run);
  curves.clear();
  for (const id of [...shown.keys()]) runs.has(id) ? void fetchCurve(id) : shown.delete(id);
  return Math.max(0, ...all.map(({ lastEvent }) => lastEvent));
}

let isDue = false;
function change() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    draw();
  });
}

function draw() {
  const words = byId('filter')
    .value.toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  const all = [...runs.values()].reverse();
  const isFound = (run) => words.every((word) => `${nameOf(run)} ${run.state} ${run.id}`.toLowerCase().includes(word));
  rows.draw(all.filter(isFound), shown);
  chart.draw(drawnCurves(), chartOptions());
}

function chartOptions() {
  const marks = [...shown].flatMap(([id, color]) =>
    marksOf(runs.get(id), curves.get(id), color, byId('axis').value, byId('key').value),
  );
  return {
    title: keys[byId('key').value],
    log: byId('log').checked,
    xTitle: byId('axis').value === 'step' ? 'Step' : 'Seconds of training',
    marks,
  };
}

function drawnCurves() {
  const [key, axis, smoothing] = [byId('key').value, byId('axis').value, Number(byId('smooth').value)];
  return [...shown].map(([id, color]) => ({
    name: `${nameOf(runs.get(id))} ${id.slice(-8)}`,
    color,
    points: curves.get(id)?.values(key, { smoothing, axis }) ?? [],
  }));
}

byId('key').append(...Object.entries(keys).map(([key, title]) => element('option', { value: key }, title)));
for (const id of ['key', 'axis', 'log', 'smooth', 'filter']) byId(id).addEventListener('input', change);
byId('csv').addEventListener('click', () => download.csv(byId('key').value, drawnCurves()));
byId('png').addEventListener('click', () => download.png(chart.canvas));
byId('svg').addEventListener('click', () => download.svg(drawnCurves(), chartOptions()));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', change);
// Stale numbers say so.
setInterval(change, 5000);

await makeForm((run) => {
  take(run);
  show(run.id);
  change();
});
const after = await load();
for (const { id, kind } of [...runs.values()].reverse().slice(0, 2)) if (hasCurves(kind)) show(id);
change();
await listen({
  after,
  onEvent,
  onLink(isThere) {
    byId('link').textContent = isThere ? 'connected' : 'disconnected: what is shown may be old';
    byId('link').toggleAttribute('data-bad', !isThere);
  },
});
