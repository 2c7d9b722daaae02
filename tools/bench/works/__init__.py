"""The rows of the table, a module each: `run(bench)` measures and returns what report.py prints."""
