// A model on another device, where nothing else takes memory.
import { Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';

/** @import { Device } from 'orthokit' */

/** The same model on another device. @template {object} M @param {Device} device @param {M} model @returns {Promise<M>} */
export async function movedTo(device, model) {
  /** @type {Tensor[]} */
  const all = [];
  nn.mapTensors(model, (tensor) => {
    all.push(tensor);
    return tensor;
  });
  const numbers = new Map();
  for (const tensor of all) numbers.set(tensor, await tensor.read());
  return nn.mapTensors(model, (tensor) =>
    Tensor.from(device, numbers.get(tensor), tensor.shape, { dtype: tensor.dtype }),
  );
}
