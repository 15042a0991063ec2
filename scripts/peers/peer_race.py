"""What the peers in Python share: the cases, rounds of a piece of work, and the line that tells their time."""
import json
import pathlib
import statistics
import time

CASES = json.loads((pathlib.Path(__file__).parent / "cases.json").read_text())


def gpt2_like():
    """The same 148 tensors as shapes.mjs."""
    width = 384
    layer = [(width,), (width,), (3 * width, width), (3 * width,), (width, width), (width,), (width,), (width,),
             (4 * width, width), (4 * width,), (width, 4 * width), (width,)]
    return [(20000, width), (1024, width)] + 12 * layer + [(width,), (width,)]


def race(peer, version, name, work, rounds=7, threads=1):
    """Runs work until a round is long enough to be measured, for some rounds; prints one line of JSON, with `reached`, what it
    returns where that is a number. Times are of the processor on one thread, which neighbours do not lengthen, else of the clock."""
    now = time.process_time if threads == 1 else time.perf_counter
    reached = work()

    def one(repeats):
        start = now()
        for _ in range(repeats):
            work()
        return (now() - start) * 1e3 / repeats

    first = one(1)
    repeats = min(200, int(10 / max(first, 0.05)) + 1)
    # Of what takes a second, one round a turn: turns repeat it.
    times = [first] if first > 1000 else [one(repeats) for _ in range(rounds)]
    print_times(peer, version, name, times, reached if isinstance(reached, (int, float)) else None)


def print_times(peer, version, name, times, reached=None):
    print(json.dumps({"peer": peer, "version": version, "case": name,
                      "median_ms": statistics.median(times), "min_ms": min(times), "reached": reached}))


def skip(peer, name, reason, reached=None, spent=None):
    print(json.dumps({"peer": peer, "case": name, "skipped": reason, "reached": reached, "spent_ms": spent}))
