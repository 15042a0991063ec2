// The linear maps of a network's layers: matrices of whole signals, or convolutions of images of any size.
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';

/** Products of weights and units `[b, …, inputs]`, one after another in the last axis. */
export interface LayerMaps {
  /** The shape of the weights of so many outputs for so many inputs. */
  weights(outputs: number, inputs: number): readonly number[];
  /** out = factor · W x + bias, and what was in out, if that is to be added. */
  forward(x: Tensor, weight: Tensor, out: Tensor, more?: { factor?: number; bias?: Tensor; adds?: boolean }): void;
  /** out = Wᵀ delta, and what was in out, if that is to be added. */
  adjoint(delta: Tensor, weight: Tensor, out: Tensor, adds?: boolean): void;
  /** out = Wᵀ delta + factor · x + bias, the bias a number for each of the last axis. */
  adjointAnd(delta: Tensor, weight: Tensor, out: Tensor, more: { factor: number; x: Tensor; bias: Tensor }): void;
  /** out = the derivative of Σ delta ⊙ W x by W. */
  gradient(delta: Tensor, x: Tensor, out: Tensor): void;
}

export const dense = (device: Device): LayerMaps => ({
  weights: (outputs, inputs) => [outputs, inputs],
  forward(x, weight, out, { factor = 1, bias, adds } = {}) {
    ops.gemm(device, { a: x, b: weight, c: out, alpha: factor, beta: adds ? 1 : 0, transB: 'transposed', bias });
  },
  adjoint(delta, weight, out, adds) {
    ops.gemm(device, { a: delta, b: weight, c: out, beta: adds ? 1 : 0 });
  },
  adjointAnd(delta, weight, out, { factor, x, bias }) {
    ops.gemm(device, { a: delta, b: weight, c: out, addend: x, beta: factor, bias });
  },
  gradient(delta, x, out) {
    ops.gemm(device, { a: delta, b: x, c: out, transA: 'transposed' });
  },
});

/** Kernels of `size` × `size`, odd, at each pixel; images are 0 beyond their edges. */
export const convolutions = (device: Device, size: number): LayerMaps => {
  const padding = [(size - 1) / 2];
  const addBias = (bias: Tensor, out: Tensor): void => {
    using rows = out.reshape([out.size / bias.size, bias.size]);
    ops.addBias(device, { x: rows, bias, out: rows });
  };
  const maps: LayerMaps = {
    weights: (outputs, inputs) => [outputs, size, size, inputs],
    forward(x, kernel, out, { factor = 1, bias, adds = false } = {}) {
      if (adds || factor !== 1) {
        using product = new Tensor(device, out.shape, out.dtype);
        ops.conv2d(device, { x, kernel, out: product, padding });
        if (adds) vectors.axpy(device, factor, product, out);
        else vectors.scale(device, factor, product, out);
        if (bias) addBias(bias, out);
      } else ops.conv2d(device, { x, kernel, out, padding, bias });
    },
    adjoint(delta, kernel, out, adds) {
      ops.conv2dBackwardInput(device, { grad: delta, kernel, gradX: out, padding, beta: adds ? 1 : 0 });
    },
    adjointAnd(delta, kernel, out, { factor, x, bias }) {
      vectors.scale(device, factor, x, out);
      addBias(bias, out);
      maps.adjoint(delta, kernel, out, true);
    },
    gradient(delta, x, out) {
      ops.conv2dBackwardKernel(device, { grad: delta, x, gradKernel: out, padding });
    },
  };
  return maps;
};
