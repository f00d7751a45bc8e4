"""Timing of calls and of commands."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison: ours and the peer's best time in seconds, and the limit of the ratio."""

    job: str
    ours: float
    peer_name: str
    peer: float
    limit: str

    def line(self) -> str:
        ratio = self.ours / self.peer
        return (
            f"{self.job:<46} {self.ours:>9.4f} s   {self.peer_name:<34} {self.peer:>9.4f} s   "
            f"ours/peer {ratio:>8.3f}   goal {self.limit}"
        )


def best_of(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest of several timings of ``call``, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def best_of_python(*arguments: str, repeats: int = 5) -> float:
    """Return the shortest time of ``python *arguments`` as a whole process, in seconds."""
    return best_of(
        lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True),
        repeats,
    )
