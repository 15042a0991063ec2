"""Data of golden values: SplitMix64, the same as test/support/splitmix.ts."""
import numpy as np

MASK = (1 << 64) - 1


def uniform(seed):
    """Numbers u in [0, 1), without end."""
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        yield (z >> 11) * 2.0**-53


def splitmix(rows, columns, seed):
    """A matrix of 2u - 1, row by row."""
    stream = uniform(seed)
    return np.array([2 * next(stream) - 1 for _ in range(rows * columns)]).reshape(rows, columns)
