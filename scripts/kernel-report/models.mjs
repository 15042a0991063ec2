// Bytes that a kernel of tiles is made to ask for: each tile reads its share of the operands, so that some are read again,
// from cache. Other kernels read and write everything once.

/** Places of the causal sequences in cases.mjs, of which the interpreter's counts do not speak. */
export const attentionPlaces = 128;

const bytesOf = { float: 4, double: 8, Half: 2, Bfloat16: 2 };
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

/**
 * Operands of a block's own tile, those that pass it, products that are scores, those with scores, rows of results; and
 * numbers of what passes that each warp reads for its columns.
 */
const attentions = {
  attention_kernel: { own: 1, passing: 2, scores: 1, adds: 1, results: 1 },
  attention_query_gradients_kernel: { own: 2, passing: 2, scores: 2, adds: 1, results: 1 },
  attention_key_gradients_kernel: { own: 2, passing: 2, scores: 2, adds: 2, results: 2, numbers: 2 },
  // The result itself is read.
  attention_tangent_kernel: { own: 2, passing: 4, scores: 3, adds: 2, results: 2 },
};

/** Tiles as attention_half.cuh and attention_plain.cuh choose them: places of a block's own, and of those that pass. */
function attentionTiles(kind, [storage, second, third]) {
  if (kind === 'Half') {
    const [size, owned] = [Number(second), Number(third)];
    return { storage, number: 'float', warps: 4, size, own: 64, passing: (size > 64 ? 32 : 64) / owned };
  }
  const [size, vector] = [Number(third), 16 / bytesOf[second]];
  const places = size > 128 ? { own: 32, passing: 32 } : { own: 16 * vector, passing: 64 };
  return { storage, number: second, warps: 8, size, ...places };
}

function attention(name, { grid }) {
  const [, kernel, kind, text] = /^(attention_\w*kernel)<(Half|Plain)Attention<([^<>]*)>>$/.exec(name) ?? [];
  if (attentions[kernel] === undefined) return undefined;
  const { own, passing, scores, adds, results, numbers = 0 } = attentions[kernel];
  const tiles = attentionTiles(kind, text.split(', '));
  const row = tiles.size * bytesOf[tiles.storage];
  const count = attentionPlaces / tiles.own;
  // Keys that the tile's last query sees; queries from the first on that sees the tile's keys.
  const met = sum(
    Array.from({ length: count }, (_, i) =>
      Math.ceil(((kernel === 'attention_key_gradients_kernel' ? count - i : i + 1) * tiles.own) / tiles.passing),
    ),
  );
  const heads = grid[0] / count;
  const ofOwn = heads * attentionPlaces * row;
  const ofMet = heads * met * row;
  const read =
    kind === 'Half'
      ? own * ofOwn + passing * ofMet * tiles.passing
      : ofMet * (scores * (tiles.own + tiles.passing) + adds * tiles.passing);
  const ofColumns = heads * met * numbers * tiles.warps * tiles.passing * bytesOf[tiles.number];
  return read + results * ofOwn + ofColumns;
}

/**
 * A tile of side² sums reads two elements of the depth for each 2 · side operations, and its sums are written; where no
 * slices follow that take it, each chunk of them reads its bias.
 */
function convolution(name, { grid, f32, f64, matrix }) {
  const [, half, storage, side, form] = /^(half_)?conv2d_kernel<(\w+), (\d+), (\w+)</.exec(name) ?? [];
  if (form === undefined) return undefined;
  const written = bytesOf[half ? 'float' : storage] * side ** 2 * grid[0];
  const biases = form === 'Conv2dForward' && side === '128' && !half ? written : 0;
  return (half ? matrix : f32 + f64) * (bytesOf[storage] / side) + written + biases;
}

/** Undefined: of a kernel that has no model but the different sectors that it moves. */
export const modelOf = (launch) => attention(launch.name, launch) ?? convolution(launch.name, launch);
