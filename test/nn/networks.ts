// The networks of scripts/golden/networks.py.
import { Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';

interface Block {
  readonly norm1: nn.Norm;
  readonly attention: { readonly qkv: nn.Linear; readonly out: nn.Linear };
  readonly norm2: nn.Norm;
  readonly up: nn.Linear;
  readonly down: nn.Linear;
}
interface Mlp {
  readonly up: nn.Linear;
  readonly norm: nn.Norm;
  readonly down: nn.Linear;
}
interface Gpt {
  readonly tokens: nn.Table;
  readonly positions: nn.Table;
  readonly blocks: Readonly<Record<string, Block>>;
  readonly norm: nn.Norm;
}
interface LlamaBlock extends Block {
  readonly gate: nn.Linear;
}
interface Llama {
  readonly tokens: nn.Table;
  readonly blocks: Readonly<Record<string, LlamaBlock>>;
  readonly norm: nn.Norm;
  readonly head: nn.Linear;
}
interface Cnn {
  readonly conv1: nn.Linear;
  readonly norm1: { readonly weight: nn.Arg; readonly bias: nn.Arg };
  readonly conv2: nn.Linear;
  readonly norm2: { readonly weight: nn.Arg; readonly bias: nn.Arg };
}
/** Any of them: each function takes its own. */
export type Network = Mlp & Gpt & Llama & Cnn;

const mlp = (m: Mlp, x: Tensor): nn.Value => {
  const h = nn.layerNorm(m.norm, nn.gelu(nn.linear(m.up, x)));
  return nn.linear(m.down, nn.map(h, 'tanh'));
};

/** −infinity above the diagonal. */
const masked = nn.defineFunction('masked', (frame, scores: nn.Arg) => {
  const length = scores.shape.at(-1)!;
  const { dtype } = scores;
  const out = frame.constant(`${length} ${dtype}`, (device) => {
    const values = Array.from({ length: length ** 2 }, (_, i) => (i % length > Math.floor(i / length) ? -Infinity : 0));
    return Tensor.from(device, values, [length, length], { dtype: dtype as 'f32' | 'f64' });
  });
  return { out, inputs: [], backward: () => {} };
});

/** One head, by products and softmax. */
const byParts = (layer: Block['attention'], x: nn.Arg): nn.Value => {
  const width = x.shape.at(-1)!;
  const qkv = nn.linear(layer.qkv, x);
  const [q, k, v] = [0, 1, 2].map((i) => nn.slice(qkv, -1, i * width, (i + 1) * width)) as [
    nn.Value,
    nn.Value,
    nn.Value,
  ];
  const scores = nn.matmul(q, k, { transB: 'transposed', alpha: 1 / Math.sqrt(width) });
  return nn.linear(layer.out, nn.matmul(nn.softmax(nn.addRows(scores, masked(scores))), v));
};

const gpt =
  (attention: typeof byParts) =>
  (m: Gpt, ids: Tensor): nn.Value => {
    let x = nn.addRows(nn.embedding(m.tokens, ids), m.positions.weight);
    for (const block of Object.values(m.blocks)) {
      x = nn.add(x, attention(block.attention, nn.layerNorm(block.norm1, x)));
      const h = nn.gelu(nn.linear(block.up, nn.layerNorm(block.norm2, x)), { form: 'tanh' });
      x = nn.add(x, nn.linear(block.down, h));
    }
    return nn.linear(m.tokens, nn.layerNorm(m.norm, x));
  };

/** Two heads of queries and one of keys and values, 4 wide; queries and keys are turned by their places. */
const turnedHeads = (layer: Block['attention'], x: nn.Arg, layout: 'halves' | 'interleaved'): nn.Value => {
  const apply = (y: nn.Arg): nn.Value => {
    const qkv = nn.linear(layer.qkv, y);
    return nn.concat([nn.rope(nn.slice(qkv, -1, 0, 12), { heads: 3, layout }), nn.slice(qkv, -1, 12, 16)], -1);
  };
  const qkv = { apply, parameters: [], byteLength: 0 };
  return nn.attention({ qkv, out: layer.out }, x, { heads: 2, kvHeads: 1 });
};

const llama =
  (layout: 'halves' | 'interleaved') =>
  (m: Llama, ids: Tensor): nn.Value => {
    let x: nn.Arg = nn.embedding(m.tokens, ids);
    for (const block of Object.values(m.blocks)) {
      x = nn.add(x, turnedHeads(block.attention, nn.rmsNorm(block.norm1, x), layout));
      const y = nn.rmsNorm(block.norm2, x);
      const gate = nn.map(nn.linear(block.gate, y), 'silu');
      x = nn.add(x, nn.linear(block.down, nn.multiply(gate, nn.linear(block.up, y))));
    }
    return nn.linear(m.head, nn.rmsNorm(m.norm, x));
  };

/** Running moments, which a gradient moves on and does not read. */
const moments = ({ device, dtype }: Tensor, channels: number) => ({
  mean: nn.buffer(Tensor.zeros(device, [channels], { dtype })),
  variance: nn.buffer(Tensor.zeros(device, [channels], { dtype })),
});

const cnn = (m: Cnn & Llama, x: Tensor): nn.Value => {
  let y = nn.conv2d(m.conv1, x, { padding: 'same' });
  y = nn.pool2d(nn.relu(nn.batchNorm({ ...m.norm1, ...moments(x, 4) }, y)), { kind: 'max', size: 2 });
  y = nn.conv2d(m.conv2, y, { padding: 'same' });
  y = nn.pool2d(nn.relu(nn.batchNorm({ ...m.norm2, ...moments(x, 5) }, y)), { kind: 'average', size: 2 });
  return nn.linear(m.head, nn.reshape(y, [x.shape[0]!, 20]));
};

/** By the name of the golden problem. */
export const forwards: Readonly<Record<string, (m: Network, x: Tensor) => nn.Value>> = {
  mlp,
  cnn,
  gpt: gpt(byParts),
  'llama, halves': llama('halves'),
  'llama, interleaved': llama('interleaved'),
  'gpt of heads': gpt((layer, x) => nn.attention(layer, x, { heads: 2 })),
};
