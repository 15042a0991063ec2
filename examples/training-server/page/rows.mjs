import { byId, element, short } from './dom.mjs';

const trains = new Set(['mlp', 'cnn', 'gpt']);
/** True for kinds whose runs have curves. @param {string} kind */
export const hasCurves = (kind) => trains.has(kind);
const over = ['done', 'failed', 'cancelled'];
/** Milliseconds without news of a run that runs, after which the page says so. */
const stale = 30_000;

/**
 * @typedef {object} Actions
 * @property {(id: string, path: string, method: string, body?: unknown) => void} ask
 * @property {(id: string, isShown: boolean) => void} show
 * @property {(id: string, name: string) => void} log
 */

/** The learning rate that was asked for last, or the one that the run began with. */
const rateOf = (run) => run.changes?.findLast(({ values }) => values.lr !== undefined)?.values.lr ?? run.params.lr;

/** The table of runs: a row each, of which only what changed is written anew. */
export class Rows {
  /** @type {Map<string, { row: HTMLElement, parts: Record<string, any> }>} */
  #rows = new Map();

  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.body = byId('runs');
  }

  /** @param {any[]} runs the newest first @param {ReadonlyMap<string, number>} colors of those on the chart */
  draw(runs, colors) {
    byId('empty').hidden = runs.length > 0;
    for (const [id, { row }] of this.#rows)
      if (!runs.some((run) => run.id === id)) {
        row.remove();
        this.#rows.delete(id);
      }
    for (const [i, run] of runs.entries()) {
      const { row, parts } = this.#rowOf(run);
      if (this.body.children[i] !== row) this.body.insertBefore(row, this.body.children[i] ?? null);
      this.#fill(run, parts, colors.get(run.id));
      row.dataset.state = run.state;
    }
  }

  #rowOf(run) {
    const found = this.#rows.get(run.id);
    if (found) return found;
    const { ask, show, log } = this.actions;
    const { id } = run;
    const name = nameOf(run);
    const button = (text, path, method = 'POST') =>
      element(
        'button',
        { type: 'button', 'aria-label': `${text} ${name}`, onclick: () => ask(id, path, method) },
        text,
      );
    const rate = element('input', {
      class: 'rate',
      'aria-label': `Learning rate of ${name}`,
      inputmode: 'decimal',
      value: rateOf(run),
    });
    const parts = {
      shown: element('input', {
        type: 'checkbox',
        'aria-label': `Show ${name}`,
        onchange: (event) => show(id, event.target.checked),
      }),
      key: element('span', { class: 'key' }),
      state: element('span', { class: 'state' }),
      why: element('span', { class: 'why' }),
      step: element('td'),
      loss: element('td'),
      test: element('td'),
      pause: button('Pause', '/pause'),
      resume: button('Resume', '/resume'),
      save: button('Save', '/checkpoint'),
      cancel: button('Cancel', '/cancel'),
      remove: button('Delete', '', 'DELETE'),
      log: element('button', { type: 'button', 'aria-label': `Log of ${name}`, onclick: () => log(id, name) }, 'Log'),
      rate,
      set: element(
        'button',
        {
          type: 'button',
          'aria-label': `Set rate of ${name}`,
          onclick: () => ask(id, '', 'PATCH', { lr: Number(rate.value) }),
        },
        'Set lr',
      ),
    };
    const controls = ['pause', 'resume', 'save', 'cancel', 'remove', 'log', 'rate', 'set'].flatMap((part) => [
      parts[part],
      ' ',
    ]);
    const row = element(
      'tr',
      { 'data-run': id },
      element('td', {}, parts.shown, parts.key),
      element('td', {}, name, ' ', element('span', { class: 'what' }, id.slice(-8))),
      element('td', {}, parts.state, parts.why),
      parts.step,
      parts.loss,
      parts.test,
      element('td', {}, ...controls),
    );
    const made = { row, parts };
    this.#rows.set(id, made);
    return made;
  }

  #fill(run, parts, color) {
    const { state, reason, kind, step, steps, last, result, progress, heard } = run;
    const isTraining = hasCurves(kind);
    const age = Date.now() - heard;
    write(parts.state, state === 'running' && age > stale ? `running, no news for ${Math.round(age / 1000)} s` : state);
    write(parts.why, reason ?? '');
    parts.why.title = reason ?? '';
    write(
      parts.step,
      isTraining
        ? `${step} of ${steps}`
        : progress
          ? `${progress.stage} ${Math.floor((100 * progress.done) / Math.max(1, progress.total))} %`
          : '',
    );
    write(parts.loss, isTraining ? short(last?.loss) : '');
    write(
      parts.test,
      result?.testAccuracy !== undefined ? `${(100 * result.testAccuracy).toFixed(1)} %` : short(result?.testLoss),
    );
    parts.shown.checked = color !== undefined;
    parts.shown.hidden = !isTraining;
    parts.key.className = color === undefined ? '' : `key curve-${color}`;
    parts.pause.hidden = state !== 'running' && state !== 'queued';
    parts.resume.hidden = state !== 'paused';
    parts.save.hidden = !isTraining || state !== 'running';
    parts.cancel.hidden = over.includes(state) || state === 'cancelling';
    parts.remove.hidden = !over.includes(state);
    for (const part of [parts.rate, parts.set]) part.hidden = !isTraining || over.includes(state);
  }
}

/** @param {any} run */
export const nameOf = ({ kind, params }) =>
  params.optimizer ? `${kind} · ${params.optimizer}` : `${kind} · ${params.method ?? ''}`;

/** @param {HTMLElement} place @param {string} text */
function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
