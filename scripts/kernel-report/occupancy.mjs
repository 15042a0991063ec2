// Blocks of a kernel that a multiprocessor holds at once: CUDA C++ Programming Guide, "Compute Capabilities"; registers
// are handed out in pieces of 256 a warp, shared memory in pieces of 256 bytes, and from 8.0 on each block takes 1 KB more.

const kB = 1024;
const limits = {
  75: { warps: 32, blocks: 16, shared: 64 * kB, reserved: 0 },
  80: { warps: 64, blocks: 32, shared: 164 * kB, reserved: kB },
  86: { warps: 48, blocks: 16, shared: 100 * kB, reserved: kB },
  89: { warps: 48, blocks: 24, shared: 100 * kB, reserved: kB },
  90: { warps: 64, blocks: 32, shared: 228 * kB, reserved: kB },
  100: { warps: 64, blocks: 32, shared: 228 * kB, reserved: kB },
  120: { warps: 48, blocks: 24, shared: 100 * kB, reserved: kB },
};
const registers = 65536;
const upTo = (value, piece) => Math.ceil(value / piece) * piece;

/** Blocks at once, and the share of the warps that could be there. `shared`: static and dynamic bytes of a block. */
export function occupancy(architecture, { regs, threads, shared }) {
  const limit = limits[architecture];
  const warps = Math.ceil(threads / 32);
  // Each quarter of a multiprocessor has its own registers.
  const warpsByRegisters = 4 * Math.floor(registers / 4 / upTo(Math.max(regs, 1) * 32, 256));
  const bytes = upTo(shared + limit.reserved, 256);
  const blocks = Math.min(
    limit.blocks,
    Math.floor(limit.warps / warps),
    Math.floor(warpsByRegisters / warps),
    bytes > 0 ? Math.floor(limit.shared / bytes) : Infinity,
  );
  return { blocks, share: (blocks * warps) / limit.warps };
}
