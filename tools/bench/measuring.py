"""Times, CPU and memory of a command; rounds of several; medians."""

import json
import os
import statistics
import subprocess
import sys
import tempfile

PROCESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "measured_process.py")
LIMIT_SECONDS = 7200
MEASURES = ("wall", "cpu", "rss_mb")


class Failed(Exception):
    """A tool that did not end well; what it said last."""


def run(command, *, environment=None, folder=None, sync=""):
    """Runs `command` alone and returns what it cost, with its `stdout`."""
    # What others have written is flushed before, not on this command's clock.
    os.sync()
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        result = f"{work}/result.json"
        with open(f"{work}/out", "w+b") as out, open(f"{work}/err", "w+b") as err:
            subprocess.run(
                [sys.executable, "-IS", PROCESS, result, sync, *map(str, command)],
                env={**os.environ, **(environment or {})},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=LIMIT_SECONDS,
            )
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read().decode(errors="replace"))
        if not os.path.exists(result):
            raise Failed(last_lines(texts[1]))
        with open(result) as measured:
            cost = json.load(measured)
    if cost["status"] != 0:
        raise Failed(f"ended with {cost['status']}: {last_lines(texts[1] or texts[0])}")
    cost["stdout"] = texts[0]
    return cost


def last_lines(text, count=3):
    return " / ".join(text.strip().splitlines()[-count:])[-600:]


def rounds(tools, runs, say):
    """Each of `tools` (name to a function that returns a cost) once per round, each round beginning with another.

    Returns name to the list of its costs. A tool that fails is left out from then on; its list ends with the failure.
    """
    costs = {name: [] for name in tools}
    failures = {}
    names = list(tools)
    for number in range(runs):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if name in failures:
                continue
            try:
                cost = tools[name]()
            except (Failed, subprocess.TimeoutExpired) as failure:
                failures[name] = str(failure)
                say(f"  round {number + 1}: {name}: FAILED: {failure}")
                continue
            costs[name].append(cost)
            say(
                f"  round {number + 1}: {name}: {cost['wall']:.2f} s wall, {cost['cpu']:.2f} s CPU, "
                f"{cost['rss_mb']:.0f} MB"
            )
    return costs, failures


def spread(values):
    """Median, least and most."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(costs):
    """The spread of each measure over the rounds."""
    return {measure: spread([cost[measure] for cost in costs]) for measure in MEASURES}


def ratios(ours, theirs, measure):
    """The spread of ours / theirs, round by round: what disturbs a round disturbs both."""
    return spread([a[measure] / b[measure] for a, b in zip(ours, theirs)])
