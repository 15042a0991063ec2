// Shared by the peers in JavaScript: rounds of a piece of work, and the line that tells their time.

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** CPU time of the process, in milliseconds: neighbours do not lengthen it. */
const spent = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
};

/** Runs `work` until a round is long enough to be measured, for some rounds; prints one line of JSON, with `reached`, what it returns. */
export async function race(peer, version, name, work, rounds = 7) {
  const reached = await work();
  let repeats = 1;
  const round = async () => {
    const start = spent();
    for (let i = 0; i < repeats; i++) await work();
    return (spent() - start) / repeats;
  };
  repeats = Math.min(200, Math.ceil(10 / Math.max(await round(), 0.05)));
  const times = [];
  for (let i = 0; i < rounds; i++) times.push(await round());
  console.log(
    JSON.stringify({ peer, version, case: name, median_ms: median(times), min_ms: Math.min(...times), reached }),
  );
}

export const skip = (peer, name, reason) => console.log(JSON.stringify({ peer, case: name, skipped: reason }));
