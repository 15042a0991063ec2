"""What the peers in PyTorch that answer line by line share: tensors that come as text, times, and the loop of answers."""
import base64
import json
import sys
import time

import torch


def tensor(text, shape):
    """Channels last in memory, channels second in shape."""
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32).reshape(shape).permute(0, 3, 1, 2)


def now():
    """Seconds: of the processor on one thread, which neighbours do not lengthen, else of the clock."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def timed(work, repeats):
    start = now()
    for _ in range(repeats):
        work()
    return (now() - start) / repeats * 1e3


def least(works, repeats):
    """Milliseconds of the best of several ways to do the same."""
    return {"milliseconds": min(timed(work, repeats) for work in works)}


def answer_lines(answer):
    """Writes a line of JSON for each that comes, as long as some come."""
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
