// Finished runs of an experiment, one line of JSON each. A run's key is a hash of its settings.
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import path from 'node:path';

/** @param {object} settings plain values, always named in the same order */
export const keyOf = (settings) => createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 16);

export class Records {
  /** @param {string} file */
  constructor(file) {
    this.file = file;
    /** @type {Map<string, any>} */
    this.byKey = new Map();
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    // A line without an end is of a run that was cut while it was written: it goes, and the run is made again.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
    for (const line of whole.split('\n').filter(Boolean)) {
      const record = JSON.parse(line);
      this.byKey.set(record.key, record);
    }
  }

  /** @param {object} settings @returns {any} the run of these settings; nothing if it has not been made */
  of(settings) {
    return this.byKey.get(keyOf(settings));
  }

  /** @param {object} settings @param {object} result */
  append(settings, result) {
    const record = { key: keyOf(settings), settings, ...result };
    mkdirSync(path.dirname(this.file), { recursive: true });
    appendFileSync(this.file, `${JSON.stringify(record)}\n`, { flush: true });
    this.byKey.set(record.key, record);
  }
}
