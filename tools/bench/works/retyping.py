"""What a type change costs, by the test of that name; in the dev profile, as tests are built."""

import os
import subprocess

import installed
from report import Table

TITLE = "A type change"
PARTITIONS = 200


def run(bench):
    ended = subprocess.run(
        ["cargo", "test", "--locked", "--test", "it", "--", "the_cost_of_a_type_change", "--nocapture"],
        cwd=installed.ROOT,
        env={**os.environ, "LAKEFOLD_BENCH_RETYPING": str(PARTITIONS)},
        capture_output=True,
        text=True,
    )
    if ended.returncode != 0:
        raise SystemExit(f"bench: the test of a type change failed:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    said = [[line] for line in ended.stdout.splitlines() if line.strip() and not line.startswith(("running", "test "))]
    notes = ["Measured by a test, so by the dev profile's build; it is about requests and files, not seconds."]
    return {"tables": [Table(f"A column of {PARTITIONS} partitions retyped", ["what it said"], said)], "targets": [], "notes": notes}
