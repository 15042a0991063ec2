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


def race(peer, version, name, work, rounds=7):
    """Runs work until a round is long enough to be measured, for some rounds; prints one line of JSON."""
    work()

    def one(repeats):
        start = time.process_time()
        for _ in range(repeats):
            work()
        return (time.process_time() - start) * 1e3 / repeats

    repeats = min(200, int(10 / max(one(1), 0.05)) + 1)
    print_times(peer, version, name, [one(repeats) for _ in range(rounds)])


def print_times(peer, version, name, times):
    print(json.dumps({"peer": peer, "version": version, "case": name,
                      "median_ms": statistics.median(times), "min_ms": min(times)}))


def skip(peer, name, reason):
    print(json.dumps({"peer": peer, "case": name, "skipped": reason}))
