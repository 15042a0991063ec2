// Devices: cpu
// npm run experiment -- policy: its environments, a tiny run, and the page of runs that are made up. Values of one step of CartPole are
// those of Gym.
import { describe, expect, it } from 'vitest';
import { acrobot } from '../../scripts/experiments/policy/acrobot.mjs';
import { cartpole } from '../../scripts/experiments/policy/cartpole.mjs';
import { experiment } from '../../scripts/experiments/policy/index.mjs';
import { bestRate, compared, pageOf, places, seeds, winsOf } from '../../scripts/experiments/policy/page.mjs';
import { drawn, play, uniform } from '../../scripts/experiments/policy/play.mjs';
import { methods, rates, run } from '../../scripts/experiments/policy/run.mjs';
import { shownQuickly } from './quick.ts';

describe('the experiment of policies', () => {
  it('has the cart of Gym, which moves as it is pushed, and ends where the pole falls', () => {
    const state = [0, 0, 0, 0];
    expect(cartpole.step(state, 1)).toEqual({ reward: 1, isOver: false });
    expect(state.map((x) => x.toFixed(8))).toEqual(['0.00000000', '0.19512195', '0.00000000', '-0.29268293']);
    const [always] = play(cartpole, [0, 0, 0, 0, 0, 0, 0, 0, -50, 50], 1, uniform(1));
    expect(always!.actions.every((action: number) => action === 1)).toBe(true);
    expect(always!.actions.length).toBeLessThan(12);
  });

  it('has links whose energy stays without the motor, and that end above', () => {
    const energy = ([one, two, fast1, fast2]: number[]) => {
      const d1 = 0.25 + (1.25 + Math.cos(two!)) + 2;
      const d2 = 1.25 + 0.5 * Math.cos(two!);
      const kinetic = 0.5 * d1 * fast1! ** 2 + d2 * fast1! * fast2! + 0.5 * 1.25 * fast2! ** 2;
      return kinetic - 9.8 * (1.5 * Math.cos(one!) + 0.5 * Math.cos(one! + two!));
    };
    const state = [0.5, -0.3, 0.2, 0.1];
    const before = energy(state);
    for (let t = 0; t < 5; ++t) acrobot.step(state, 1);
    expect(energy(state)).toBeCloseTo(before, 1);
    expect(acrobot.step([3.1, 0, 0, 0], 1)).toEqual({ reward: 0, isOver: true });
    expect(acrobot.step([0, 0, 0, 0], 1)).toEqual({ reward: -4, isOver: false });
  });

  it('draws actions by their probabilities', () => {
    const random = uniform(3);
    let second = 0;
    for (let i = 0; i < 4000; ++i) second += drawn([1], [0, Math.log(3)], 2, random);
    expect(second / 4000).toBeCloseTo(0.75, 1);
  });

  it.each(methods)('%s runs in small', async (method) => {
    const { curve, end } = await run({ revision: 1, size: 'quick', place: 'cartpole', method, rate: rates.cartpole[method][0]!, seed: 1 }); // biome-ignore format: one line
    expect(curve.map(([at]) => at)).toEqual([0, 1000, 2000, 3000]);
    expect(end).toBeGreaterThan(8);
  });

  it('makes all tiny runs in little time', { timeout: 60_000 }, async () => {
    const shown = await shownQuickly(experiment);
    for (const text of ['cartpole', 'acrobot', 'N-HARPG', 'policy gradient', 'tiny runs prove nothing'])
      expect(shown).toContain(text);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = places.flatMap((place) =>
      methods.flatMap((method, m) =>
        rates[place][method].flatMap((rate, k) =>
          [...seeds.chosen, ...(k === 1 ? seeds.judged : [])].map((seed) => {
            const end = (place === 'cartpole' ? 195 : -110) - 5 * m - (k === 1 ? 0 : 50) - (seed % 7);
            return { place, method, rate, seed, end, curve: [[0, end - 9], [500, end]] as [number, number][] }; // biome-ignore format: one line
          }),
        ),
      ),
    );
    expect(bestRate(made, 'acrobot', 'HARPG')).toBe(rates.acrobot.HARPG[1]);
    expect(bestRate(made.slice(1), 'cartpole', methods[0]!)).toBeUndefined();
    expect(winsOf(made, 'cartpole', 'HARPG')).toBe(10);
    expect([10, 9, 8, 2, 1].map(compared)).toEqual(['better', 'better', ...Array(2).fill('no difference beyond the spread of seeds'), 'worse']); // biome-ignore format: one line
    const page = pageOf(made, 'runs took 2 s');
    for (const text of ['10 of 10', '*better*', ' cases only*', 'runs took 2 s']) expect(page).toContain(text);
  });
});
