"""Runs one command and writes what it cost. Started by measuring.py in a small Python of its own.

    python3 -IS measured_process.py RESULT.json SYNC COMMAND...

Whatever the command starts is counted, also what outlives it (Spark's Java does): this process adopts orphans and waits
until nobody is left. SYNC is a folder whose file system is flushed before the clock stops, or empty.
"""

import ctypes
import json
import os
import resource
import sys
import time

PR_SET_CHILD_SUBREAPER = 36

libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

result, sync, *command = sys.argv[1:]
started = time.monotonic()
child = os.posix_spawnp(command[0], command, os.environ)
status = None
while True:
    try:
        pid, ended = os.waitpid(-1, 0)
    except ChildProcessError:
        break
    if pid == child:
        status = os.waitstatus_to_exitcode(ended)
computed = time.monotonic()
if sync:
    folder = os.open(sync, os.O_RDONLY)
    if libc.syncfs(folder) != 0:
        sys.exit("syncfs: " + os.strerror(ctypes.get_errno()))
ended = time.monotonic()
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(result, "w") as out:
    json.dump(
        {
            "status": status,
            "wall": ended - started,
            "syncing": ended - computed,
            "user": usage.ru_utime,
            "system": usage.ru_stime,
            "cpu": usage.ru_utime + usage.ru_stime,
            # Of the largest process, not a sum.
            "rss_mb": usage.ru_maxrss / 1024,
        },
        out,
    )
