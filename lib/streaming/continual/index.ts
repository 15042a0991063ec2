/**
 * Layers that take endless sequences step by step: each step costs the same, and gives what the layer over the whole
 * sequence would give.
 *
 * @example
 * const net = continual.sequential(continual.conv1d(w, b), continual.residual(continual.conv1d(u, c, { padding: 1 })));
 *
 * @module
 */
export { attention } from './attention.ts';
export { parallel, residual, sequential } from './containers.ts';
export { averagePool1d, conv1d, delay, linear, map, maxPool1d, positional } from './layers.ts';
