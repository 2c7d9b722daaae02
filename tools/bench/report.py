"""Tables, targets and BENCH.md."""

import dataclasses

import measuring

MEASURES = {"wall": "wall", "cpu": "CPU", "rss_mb": "RSS"}


def number(value, digits):
    return f"{value:,.{digits}f}"


def spread_text(spread, digits, unit=""):
    """`1.23 s (1.20 to 1.40)`"""
    middle, least, most = (number(spread[part], digits) for part in ("median", "min", "max"))
    return middle + unit + ("" if least == most else f" ({least} to {most})")


def ratio_text(spread):
    """With three digits where two would not tell it from its target."""
    digits = 3 if spread["median"] < 0.3 or abs(spread["median"] - 1) < 0.2 else 2
    return spread_text(spread, digits, "x")


def amount(size):
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


@dataclasses.dataclass
class Table:
    title: str
    header: list
    rows: list

    def text(self):
        lines = [f"**{self.title}**", "", "| " + " | ".join(self.header) + " |"]
        lines.append("|" + "---|" * len(self.header))
        lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in self.rows]
        return "\n".join(lines)


@dataclasses.dataclass
class Target:
    """One line of the table: `met` is None where it could not be judged."""

    work: str
    against: str
    measure: str
    target: str
    reached: str
    met: bool | None

    @classmethod
    def of(cls, work, peer, measure, limit, text, costs, failures, ours="lakefold"):
        """Ours against a peer, from the costs of rounds."""
        name = MEASURES[measure]
        for tool in (ours, peer):
            wrong = next((cost["wrong"] for cost in costs[tool] if cost.get("wrong")), "")
            if tool in failures or wrong or not costs[tool]:
                return cls(work, peer, name, text, f"{tool}: {failures.get(tool) or wrong or 'did not run'}", None)
        spread = measuring.ratios(costs[ours], costs[peer], measure)
        return cls(work, peer, name, text, ratio_text(spread), spread["median"] <= limit)

    @classmethod
    def at_most(cls, work, against, measure, limit, text, reached, value):
        """A single figure with its limit."""
        return cls(work, against, measure, text, reached, None if value is None else value <= limit)

    def cells(self):
        met = {True: "yes", False: "**no**", None: "not judged"}[self.met]
        return [self.work, self.against, self.measure, self.target, self.reached, met]


def plain(title, result):
    """A work's result as JSON keeps it."""
    return {
        "title": title,
        "tables": [dataclasses.asdict(table) for table in result["tables"]],
        "targets": [dataclasses.asdict(target) for target in result["targets"]],
        "notes": result["notes"],
    }


def targets_table(results):
    rows = [Target(**target).cells() for result in results for target in result["targets"]]
    return Table("What was to be reached", ["work", "against", "of", "to reach", "reached", "met"], rows)


def page(about, results, profile):
    """BENCH.md, of works' results as `plain` makes them."""
    parts = [
        "# Measured",
        "Written by `make bench`; do not edit. lakefold against what one would use instead, on the same documents and "
        "machine, in the same run. Figures are medians, with least and most of all rounds in parentheses; ratios are "
        "taken round by round, lakefold over the other. Every round runs each tool once, beginning with another tool "
        "each time. CPU is user and system time of the tool and all processes it started, not of the MongoDB server, "
        "which runs on the same cores. RSS is the peak of the largest process. Each output is read back and checked: "
        "rows, distinct ids, sums of two columns, latest change.",
        "\n".join(f"- {line}" for line in about),
        targets_table(results).text(),
    ]
    for result in results:
        parts.append(f"## {result['title']}")
        parts += [Table(**table).text() for table in result["tables"]]
        parts += result["notes"]
    if profile.strip():
        parts.append(profile.strip())
    return "\n\n".join(parts) + "\n"
