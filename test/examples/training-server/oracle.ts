// The result of a training job when nothing interrupts it: its thread alone, with changes at given steps.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';

const thread = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'training-server', 'work', 'worker.mjs');

export interface Change {
  request: number;
  values: Record<string, number>;
  step?: number;
}

export async function uninterrupted(
  kind: string,
  params: object,
  changes: readonly Change[] = [],
  data?: string,
): Promise<{ losses: number[]; model: Buffer }> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  const losses: number[] = [];
  const job = { kind, trains: true, params, folder, changes, models: {}, known: 0, threads: 1, data };
  const worker = new Worker(thread, { workerData: job });
  try {
    await new Promise((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', resolve);
      worker.on('message', ({ type, columns, message, stack }) => {
        if (type === 'failed') reject(new Error(message ?? stack));
        if (type === 'metrics') losses.push(...columns.loss);
        worker.postMessage({ type: 'written' });
      });
    });
    return { losses, model: readFileSync(path.join(folder, 'model', 'model.safetensors')) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
