// Throw-away jobs that make a model folder of another one.
import { Folder as ModelFolder } from '../../lib/files/model-folder/folder.ts';
import { makeFolder, type OpenRecords } from '../../lib/files/model-folder/job.ts';
import { Weights } from '../../lib/files/model-folder/weights.ts';
import { Workspace } from '../../lib/files/model-folder/workspace.ts';
import type { NewTensor } from '../../lib/files/model-folder/write-weights.ts';

const op = 'convert';
/** Elements of a piece. */
const step = 16;

export interface Converting {
  readonly from: string;
  readonly out: string;
  readonly restart?: boolean;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  /** Before each piece that is made. */
  readonly onPiece?: (piece: number) => void;
  /** When the weights are written, with the folder that they are in. */
  readonly onWritten?: (folder: string) => void;
}

type Make = (
  weights: Weights,
  records: OpenRecords,
  onPiece: (piece: number) => void,
) => Promise<Map<string, NewTensor>>;

async function convert(
  name: string,
  make: Make,
  { from, out, restart = false, dryRun = false, signal, onPiece = () => {}, onWritten }: Converting,
) {
  const workspace = await Workspace.at(op, out);
  const folder = await ModelFolder.open(op, 'from', from, { followLinks: false, signal });
  const weights = await Weights.open(folder);
  try {
    return await makeFolder({
      ...{ op, workspace, weights, inputs: [folder], restart, dryRun, signal },
      record: { format: 1, options: { name }, files: [] },
      needs: { bytes: 0, scratchBytes: 0 },
      onBytes: () => {},
      tensors: (records) => make(weights, records, onPiece),
      files: async function* () {
        const bytes = await folder.read('config.json', 1 << 20);
        if (bytes) yield ['config.json', bytes];
        onWritten?.(workspace.model);
      },
      report: async (run) => run,
    });
  } finally {
    await weights.close();
  }
}

/** Changes nothing. */
export const copy = (options: Converting) => convert('copy', async () => new Map(), options);

/** Rounds every tensor of f32 to bf16, ties to even; pieces that are made stay for the next run. */
export const round = (options: Converting) =>
  convert(
    'round',
    async (weights, records, onPiece) => {
      const made = new Map<string, NewTensor>();
      let piece = 0;
      for (const [i, name] of [...weights.shardOf.keys()].entries()) {
        const { file, info } = await weights.find(name);
        const elements = info.byteLength / 4;
        const kept = await records(`tensor-${i}`, 2 * step);
        for (let at = 0; at < elements; at += step, piece++) {
          if (at / step < kept.count) continue;
          onPiece(piece);
          options.signal?.throwIfAborted();
          const wide = new Uint32Array(Math.min(step, elements - at));
          await file.readRange(info, 4 * at, new Uint8Array(wide.buffer));
          const narrow = new Uint16Array(step);
          narrow.set(Array.from(wide, (bits) => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16));
          await kept.write(at / step, new Uint8Array(narrow.buffer));
        }
        made.set(name, {
          ...{ shape: info.shape, dtype: 'BF16' },
          data: async function* () {
            for (let at = 0; at < elements; at += step) {
              const bytes = await kept.read(at / step, 1);
              yield bytes.subarray(0, 2 * Math.min(step, elements - at));
            }
          },
        });
      }
      return made;
    },
    options,
  );
