export const sumOf = (x: Float64Array): number => x.reduce((a, b) => a + b, 0);
