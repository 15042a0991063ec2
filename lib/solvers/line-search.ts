/** A point on the line, beside the point where the search began. */
export interface LinePoint {
  /** The value's change from where the search began; infinite where there is none. */
  readonly change: number;
  /** The value's slope there, along the direction. */
  readonly slope: number;
}

/** Conditions on the point that is looked for. */
export interface SearchOptions<T> {
  /** The slope where the search begins; if it is not below 0, values do not tell points apart. */
  readonly slope: number;
  /** The first length that is tried. Default: 1. */
  readonly first?: number | undefined;
  /** No length above it is tried once it has been. Default: infinity. */
  readonly longest?: number;
  /** Points that are tried at most. Default: 20. */
  readonly evaluations?: number;
  /** Armijo's share of the slope that the value must fall. Default: 1e-4. */
  readonly sufficient?: number;
  /** The strong Wolfe condition's share of the slope that may be left; infinity: any. Default: 0.9. */
  readonly curvature?: number;
  /** A promised change below it is rounding: values do not tell such points apart. Default: 0. */
  readonly rounding?: number;
  /** Judges such points in place of both conditions. */
  readonly isBetter?: (point: T) => boolean;
  /** The number of such points that are tried at most. Default: `evaluations`. */
  readonly tinyEvaluations?: number;
}

/** The point that was found, of the conditions or the best of those that fall enough, or none. */
export interface Found<T> {
  readonly best: { readonly length: number; readonly point: T } | undefined;
  readonly evaluations: number;
  /** Evaluations of points that values do not tell apart. */
  readonly tinyEvaluations: number;
}

/**
 * A step by Armijo's and the strong Wolfe conditions. The bracket is halved, or doubled while there is no end to it.
 * Source: Lewis and Overton 2013, section 2.2; points that rounding hides as in Hager and Zhang 2005.
 */
export async function lineSearch<T extends LinePoint>(
  evaluate: (length: number) => Promise<T>,
  options: SearchOptions<T>,
): Promise<Found<T>> {
  const { slope, longest = Infinity, evaluations: most = 20, sufficient = 1e-4, curvature = 0.9 } = options;
  const { rounding = 0, isBetter = () => false, tinyEvaluations: mostTiny = most } = options;
  let [low, high, length] = [0, Infinity, options.first ?? 1];
  let best: Found<T>['best'];
  let [evaluations, tinyEvaluations] = [0, 0];
  while (evaluations < most && !Number.isNaN(slope)) {
    const point = await evaluate(length);
    evaluations += 1;
    const isTiny = -length * slope < rounding;
    if (isTiny) tinyEvaluations += 1;
    const isLower = isTiny ? point.change < Infinity && isBetter(point) : point.change <= sufficient * length * slope;
    if (isLower && (isTiny || !best || point.change < best.point.change)) best = { length, point };
    if (isLower && (isTiny || Math.abs(point.slope) <= -curvature * slope)) break;
    if (tinyEvaluations >= mostTiny || point.change === -Infinity) break;
    if (isLower && point.slope <= 0) low = length;
    else high = length;
    if (high === Infinity && length >= longest) break;
    length = high === Infinity ? Math.min(2 * length, longest) : (low + high) / 2;
  }
  return { best, evaluations, tinyEvaluations };
}

/** The first of the lengths at which the value falls, else the one at which it rises least. */
export async function firstDecrease<T extends Pick<LinePoint, 'change'>>(
  evaluate: (length: number) => Promise<T>,
  lengths: readonly number[],
): Promise<{ readonly length: number; readonly point: T }> {
  let best: { length: number; point: T } | undefined;
  for (const length of lengths) {
    const point = await evaluate(length);
    if (!best || point.change < best.point.change) best = { length, point };
    if (point.change < 0) break;
  }
  return best!;
}
