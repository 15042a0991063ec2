/** Bits of a code that tells so many numbers apart. */
export const bitsFor = (codes: number): number => Math.max(1, Math.ceil(Math.log2(codes)));
