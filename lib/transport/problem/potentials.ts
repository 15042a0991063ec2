export const sumOf = (x: Float64Array): number => x.reduce((a, b) => a + b, 0);

/** True for the potential of a mass: a mass of 0 has the potential −infinity. */
export const hasMass = (potential: number): boolean => potential > -Infinity;

/** Mean of those that belong to masses. */
export function meanPotential(potentials: Float64Array): number {
  const some = potentials.filter(hasMass);
  return sumOf(some) / some.length;
}
