"""`make bench`: measures lakefold against what a user would pick instead, and writes BENCH.md.

    SCALE=0.1 RUNS=5 ONLY=full,incremental python3 tools/bench path/to/lakefold path/to/drain

Works: full, incremental, idle, growth, output, mixed, memory, retyping; what was measured before with the same binary,
SCALE and RUNS is put on the page beside them. Raw figures go to target/bench/*.json. A first run installs the peers
into .tools/bench.
"""

import os
import sys

import installed

# A quarter of an hour or two on two cores; the full size takes hours.
DEFAULT_SCALE = 0.1
DEFAULT_RUNS = 5


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    installed.install()
    installed.continue_there()
    import bench

    bench.run(
        binary=os.path.abspath(sys.argv[1]),
        drain=os.path.abspath(sys.argv[2]),
        scale=float(os.environ.get("SCALE") or DEFAULT_SCALE),
        runs=int(os.environ.get("RUNS") or DEFAULT_RUNS),
        only=[name for name in os.environ.get("ONLY", "").replace(",", " ").split()],
    )


if __name__ == "__main__":
    main()
