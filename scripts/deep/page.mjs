// docs/reliability-runs.md: a row for each part of the deep run, as its last run left it. The page is the record: a run
// reads it, and replaces the rows of what it has run.

const columns = ['part', 'commit', 'date', 'minutes', 'machine', 'counts', 'seed', 'result'];

const head = `# Deep runs

Parts of \`bash scripts/run.sh deep\` ([goals](design/reliability.md)), each as it went last. A part takes half an hour at
most. Without names, \`deep\` runs the parts that have not passed on any commit; \`--all\` runs all anew. The command
writes this page.

| ${columns.join(' | ')} |
|${columns.map(() => ' --- |').join('')}
`;

const never = (part) => ({
  part,
  commit: '',
  date: '',
  minutes: '',
  machine: '',
  counts: '',
  seed: '',
  result: 'not yet run',
});
const cell = (text) => String(text).replaceAll('|', '/').replaceAll(/\s+/g, ' ').trim();

/** The rows of a page, by part. */
export function rowsOf(text) {
  const rows = new Map();
  for (const line of text.split('\n')) {
    const cells = line
      .split('|')
      .slice(1, -1)
      .map((word) => word.trim());
    if (cells.length !== columns.length || cells[0] === columns[0] || cells[0] === '---') continue;
    rows.set(cells[0], Object.fromEntries(columns.map((name, i) => [name, cells[i]])));
  }
  return rows;
}

/** The page with a row for each part, in order; parts that are no more have none. */
export function pageOf(parts, rows) {
  const line = (row) => `|${columns.map((name) => ` ${cell(row[name])} |`).join('')}`;
  return `${head}${parts.map((part) => line(rows.get(part) ?? never(part))).join('\n')}\n`;
}

/** `R3: 20,000 + 3 × 1,200` for records of a goal's cases. */
export function countsOf(records) {
  const byGoal = new Map();
  for (const { goal, cases } of records) byGoal.set(goal, [...(byGoal.get(goal) ?? []), cases]);
  return [...byGoal].map(([goal, counts]) => `${goal}: ${sumOf(counts)}`).join('; ');
}

function sumOf(counts) {
  const times = new Map();
  for (const n of counts) times.set(n, (times.get(n) ?? 0) + 1);
  return [...times].map(([n, k]) => `${k > 1 ? `${k} × ` : ''}${n.toLocaleString('en')}`).join(' + ');
}
