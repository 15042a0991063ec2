// Directional sharpness of steps as they are taken: the Hessian of the loss of a batch, at the weights before the step, along the
// step, of unit length. In f64, where the Hessian is known well.
import { Tensor } from 'orthokit';
import { directionalSharpness, flat } from 'orthokit/curvature';
import * as nn from 'orthokit/nn';

export class Sharpness {
  /** @param {any} task @param {any} size @param {any} model */
  constructor(task, size, model) {
    Object.assign(this, { task, size, model });
    this.params = nn.parameters(model);
    /** @type {Float64Array[]} */
    this.weights = [];
  }

  async #read() {
    return Promise.all(this.params.map(async (tensor) => Float64Array.from(await tensor.read())));
  }

  async before() {
    this.weights = await this.#read();
  }

  /** @param {readonly Tensor[]} batch of the step @returns {Promise<number | null>} null for a step of length 0 or not finite */
  async after(batch) {
    const weights = await this.#read();
    const steps = weights.map((numbers, i) => numbers.map((number, j) => number - this.weights[i][j]));
    const length = Math.hypot(...steps.map((step) => Math.sqrt(step.reduce((sum, x) => sum + x * x, 0))));
    if (!(length > 0 && length < Infinity)) return null;
    const { device } = this.params[0];
    const before = new Map(this.params.map((tensor, i) => [tensor, this.weights[i]]));
    /** @type {Tensor[]} */
    const copies = [];
    // Running statistics of a batch normalization are no parameters: the loss of a batch does not depend on them.
    const model = nn.mapTensors(this.model, (tensor) => {
      const numbers = before.get(tensor);
      const copy = numbers ? Tensor.from(device, numbers, tensor.shape) : tensor.cast('f64');
      copies.push(copy);
      return copy;
    });
    const params = nn.parameters(model);
    const direction = steps.map((step, i) => Tensor.from(device, step, params[i].shape));
    const inputs = batch.map((tensor) => (tensor.dtype === 'f32' ? tensor.cast('f64') : tensor));
    const oracle = nn.oracle(this.task.loss, model, () => inputs);
    const sharpness = await directionalSharpness(flat(oracle, 'hessian'), direction);
    oracle.dispose();
    for (const tensor of [...copies, ...direction, ...inputs.filter((input) => !batch.includes(input))])
      tensor.dispose();
    return sharpness;
  }
}
