"""What lakefold is measured against, each a program of its own: `python -m peers.NAME ...` in this folder."""
