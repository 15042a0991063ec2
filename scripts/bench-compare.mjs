#!/usr/bin/env node
// Two files of orthokit_bench's lines, case by case: after ÷ before, with the noise of both.
// usage: node scripts/bench-compare.mjs [--json] before.jsonl after.jsonl
// Exit codes: 0 compared, 1 no case stands in both files, 2 wrong usage.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

// Times of one build move by this much between runs on a quiet machine.
const leastNoise = 0.03;

class UsageError extends Error {}

function linesOf(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error.message}`);
  }
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    let record;
    try {
      record = JSON.parse(line);
    } catch {
      throw new UsageError(`${file}:${i + 1}: not a line of JSON`);
    }
    const complete = typeof record.op === 'string' && record.median_ms > 0 && record.min_ms > 0;
    if (!complete) throw new UsageError(`${file}:${i + 1}: op, median_ms or min_ms is missing`);
    return [record];
  });
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

/** The lines of each case: several lines of one are several runs. */
function casesOf(file) {
  const runs = new Map();
  for (const record of linesOf(file)) {
    const key = [record.op, record.case ?? record.shape, record.device, record.threads ?? '', record.isa ?? ''].join(
      ' ',
    );
    runs.set(key, [...(runs.get(key) ?? []), record]);
  }
  return new Map([...runs].map(([key, records]) => [key, summary(records)]));
}

function summary(records) {
  const medians = records.map((r) => r.median_ms);
  const middle = median(medians);
  // Spread of the rounds of a run, and between runs.
  const rounds = Math.max(...records.map((r) => r.spread ?? (r.median_ms - r.min_ms) / r.min_ms));
  const between = (Math.max(...medians) - Math.min(...medians)) / middle;
  return {
    median: middle,
    least: Math.min(...records.map((r) => r.min_ms)),
    noise: Math.max(rounds, between, leastNoise),
    floor: median(records.map((r) => r.ratio_to_floor ?? Number.NaN)),
    runs: records.length,
  };
}

function compare(before, after) {
  const shared = [...before.keys()].filter((key) => after.has(key));
  return shared.map((key) => {
    const [a, b] = [before.get(key), after.get(key)];
    const [ratio, ratioOfLeast, noise] = [b.median / a.median, b.least / a.least, Math.hypot(a.noise, b.noise)];
    // Both the usual and the best round must have moved, and the same way.
    const beyond = (r) => Math.abs(Math.log(r)) > Math.log1p(noise);
    const changed = beyond(ratio) && beyond(ratioOfLeast) && ratio < 1 === ratioOfLeast < 1;
    const verdict = !changed ? 'same' : ratio < 1 ? 'faster' : 'slower';
    return { case: key, before: a, after: b, ratio, ratioOfLeast, noise, verdict };
  });
}

const show = (value, digits = 3) => (Number.isNaN(value) ? '-' : value.toPrecision(digits));

function printed(rows) {
  const marks = { faster: '+', slower: '-', same: ' ' };
  const lines = ['  median  least   noise  before ms  after ms  floor before after  case'];
  for (const { case: key, before, after, ratio, ratioOfLeast, noise, verdict } of rows) {
    const cells = [
      show(ratio).padStart(6),
      show(ratioOfLeast).padStart(6),
      `±${(100 * noise).toFixed(0)}%`.padStart(6),
      show(before.median, 4).padStart(9),
      show(after.median, 4).padStart(9),
      show(before.floor).padStart(12),
      show(after.floor).padStart(6),
    ];
    lines.push(`${marks[verdict]} ${cells.join(' ')}  ${key}`);
  }
  const count = (verdict) => rows.filter((row) => row.verdict === verdict).length;
  lines.push(
    `${rows.length} cases: ${count('faster')} faster (+), ${count('slower')} slower (-), the rest within noise`,
  );
  return lines.join('\n');
}

function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' } } });
  if (positionals.length !== 2) throw new UsageError('usage: bench-compare.mjs [--json] before.jsonl after.jsonl');
  const [before, after] = positionals.map(casesOf);
  const rows = compare(before, after);
  const alone = (mine, other, file) => {
    const keys = [...mine.keys()].filter((key) => !other.has(key));
    if (keys.length > 0) console.error(`only in ${file}: ${keys.length}\n  ${keys.join('\n  ')}`);
  };
  alone(before, after, positionals[0]);
  alone(after, before, positionals[1]);
  if (rows.length > 0) console.log(values.json ? rows.map((row) => JSON.stringify(row)).join('\n') : printed(rows));
  return rows.length > 0 ? 0 : 1;
}

try {
  process.exitCode = main();
} catch (error) {
  if (!(error instanceof UsageError) && !error.code?.startsWith('ERR_PARSE_ARGS')) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
