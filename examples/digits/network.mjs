// A network of dense layers with ReLU between them, trained on the mean cross-entropy. Everything it computes is an
// operation on the device; its buffers are made once, so that a training step allocates nothing and awaits nothing.
import { ops, Tensor } from 'orthokit';

/** @import { Device, Dtype } from 'orthokit' */

export class Mlp {
  /**
   * Weights are normal with variance 2 / inputs (He et al. 2015, for ReLU), biases zero.
   *
   * @param {Device} device
   * @param {readonly number[]} sizes inputs, hidden units of each layer, outputs
   * @param {{ seed: number, dtype?: Dtype }} options
   */
  constructor(device, sizes, { seed, dtype = 'f32' }) {
    this.device = device;
    this.dtype = dtype;
    this.outputs = sizes.slice(1);
    /** The weights of every layer, `[outputs, inputs]`. */
    this.weights = this.outputs.map((size, layer) => new Tensor(device, [size, sizes[layer]], dtype));
    ops.random(device, { x: this.weights, seed, distribution: 'normal' });
    for (const weight of this.weights) {
      const deviation = Math.sqrt(2 / weight.shape[1]);
      ops.linearCombination(device, { out: [weight], terms: [weight], coefficients: [deviation] });
    }
    this.biases = this.outputs.map((size) => Tensor.zeros(device, [size], { dtype }));
    /** Gradients, filled by {@link Mlp.backward}. */
    this.weightGrads = this.weights.map(({ shape }) => Tensor.zeros(device, shape, { dtype }));
    this.biasGrads = this.biases.map(({ shape }) => Tensor.zeros(device, shape, { dtype }));
  }

  /**
   * Buffers to run a batch of so many examples.
   *
   * @param {number} examples
   */
  buffers(examples) {
    const perLayer = () => this.outputs.map((size) => new Tensor(this.device, [examples, size], this.dtype));
    return { activations: perLayer(), deltas: perLayer() };
  }

  /**
   * Fills `activations`; the last are the logits.
   *
   * @param {Tensor} x one example per row
   * @param {Buffers} buffers
   */
  forward(x, { activations }) {
    const { device } = this;
    for (const [layer, out] of activations.entries()) {
      const input = layer === 0 ? x : activations[layer - 1];
      ops.gemm(device, { a: input, b: this.weights[layer], c: out, transB: 'transposed' });
      ops.addBias(device, { x: out, bias: this.biases[layer], out });
      if (layer < activations.length - 1) ops.relu(device, { x: out, out });
    }
  }

  /**
   * The mean cross-entropy and, if asked for, how many examples are classified rightly, of the last forward pass.
   *
   * @param {Tensor} labels i32, one per example
   * @param {Buffers} buffers
   * @param {{ loss: Tensor, correct?: Tensor }} results f64[1] and i32[1]
   */
  evaluate(labels, { activations }, results) {
    const logits = activations[activations.length - 1];
    ops.softmaxCrossEntropy(this.device, { logits, labels, ...results });
  }

  /**
   * Fills `weightGrads` and `biasGrads` with the gradient of the mean cross-entropy of the last forward pass.
   *
   * @param {Tensor} x the batch that the forward pass was given
   * @param {Tensor} labels i32, one per example
   * @param {Buffers} buffers
   */
  backward(x, labels, { activations, deltas }) {
    const { device } = this;
    const last = activations.length - 1;
    ops.softmaxCrossEntropyBackward(device, { logits: activations[last], labels, grad: deltas[last] });
    for (let layer = last; layer >= 0; layer--) {
      const delta = deltas[layer];
      const input = layer === 0 ? x : activations[layer - 1];
      ops.gemm(device, { a: delta, b: input, c: this.weightGrads[layer], transA: 'transposed' });
      ops.columnSum(device, { x: delta, out: this.biasGrads[layer] });
      if (layer > 0) {
        const out = deltas[layer - 1];
        ops.gemm(device, { a: delta, b: this.weights[layer], c: out });
        // The activations after ReLU are positive exactly where those before it were.
        ops.reluBackward(device, { grad: out, x: input, out });
      }
    }
  }
}

/** @typedef {ReturnType<Mlp['buffers']>} Buffers */
