"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const palette = ["#1f6feb", "#e8833a", "#2da44e", "#a371f7", "#d63384", "#0aa2c0", "#b08800", "#8b5e3c", "#6e7781"];
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Bars beyond these are of no use to the eye; the table under a chart has them all.
  const BARS = 12, SERIES = 8;

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  const shown = (value, unit, format) => {
    if (value === null || !Number.isFinite(value)) return "–";
    return unit === "percent" ? `${exact.format(100 * value)} %` : format.format(value);
  };

  const words = (name) => (name ?? "").replaceAll("_", " ");
  const facilityName = (id) => data.facilities[id] ?? id;
  const label = (chart, column, value) => (chart[column] === "facility_id" ? facilityName(value) : value);
  const weekdays = ["", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
  const axis = (chart, value) => (chart.x === "weekday" ? weekdays[Number(value)] ?? value : label(chart, "x", value));

  // What of a chart the filters leave.
  const narrowed = (chart, filters) => chart.cells.filter((cell) => {
    const day = cell.d ?? "";
    if (chart.dated && filters.from && day < filters.from.slice(0, day.length)) return false;
    if (chart.dated && filters.to && day > filters.to.slice(0, day.length)) return false;
    return !(chart.by_facility && filters.facility && cell.f !== filters.facility);
  });

  const measured = (measure, sums) => measure.terms.reduce((value, term) => {
    const operand = "sum" in term ? sums[term.sum] : term.number;
    return term.divides ? (operand === 0 ? NaN : value / operand) : value * operand;
  }, 1);

  const summed = (cells, keyOf) => {
    const groups = new Map();
    for (const cell of cells) {
      const key = keyOf(cell);
      const sums = groups.get(key);
      if (sums) cell.v.forEach((value, i) => { sums[i] += value; });
      else groups.set(key, cell.v.slice());
    }
    return groups;
  };

  const inOrder = (keys) => {
    const numeric = keys.every((key) => key !== "" && Number.isFinite(Number(key)));
    return keys.sort((a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0));
  };

  // Labels and datasets of a chart: for each series or measure one value a label.
  const figures = (chart, filters) => {
    const cells = narrowed(chart, filters);
    const perX = summed(cells, (cell) => cell.x);
    const ordered = chart.kind === "line" || /^(date|month|weekday|hour|age|expires_in|triage_level)$/.test(chart.x);
    const weight = (key) => Math.abs(chart.measures.reduce((sum, m) => sum + (measured(m, perX.get(key)) || 0), 0));
    let keys = [...perX.keys()];
    keys = ordered ? inOrder(keys) : keys.sort((a, b) => weight(b) - weight(a));
    if (!ordered) keys = keys.slice(0, BARS);
    const one = (sums, measure) => { const value = measured(measure, sums); return Number.isFinite(value) ? value : null; };
    if (!chart.series || chart.kind === "bar" || chart.kind === "doughnut") {
      return {
        labels: keys,
        datasets: chart.measures.map((m) => ({ label: words(m.label), values: keys.map((key) => one(perX.get(key), m)) })),
      };
    }
    const measure = chart.measures[0];
    const perSeries = summed(cells, (cell) => cell.s);
    const size = (key) => Math.abs(measured(measure, perSeries.get(key)) || 0);
    const all = [...perSeries.keys()].sort((a, b) => size(b) - size(a));
    const named = new Set(all.length > SERIES ? all.slice(0, SERIES) : all);
    const of = (cell) => (named.has(cell.s) ? cell.s : "others");
    const perBoth = summed(cells, (cell) => JSON.stringify([cell.x, of(cell)]));
    const series = all.length > SERIES ? [...named, "others"] : [...named];
    return {
      labels: keys,
      datasets: series.map((s) => ({
        label: label(chart, "series", s),
        values: keys.map((key) => { const sums = perBoth.get(JSON.stringify([key, s])); return sums ? one(sums, measure) : null; }),
      })),
    };
  };

  const table = (columns, rows) => {
    const cell = (tag) => (text, i) => make(tag, { textContent: text, className: i > 0 && /^[-\d.,\s%–]+$/.test(text) ? "number" : "" });
    return make("table", {},
      make("thead", {}, make("tr", {}, ...columns.map((name) => make("th", { textContent: words(name) })))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell("td"))))));
  };

  const options = (chart) => {
    const flat = chart.kind === "bar" || (chart.kind === "stacked-bar" && !/^(month|weekday|date)$/.test(chart.x));
    const ticks = { color: style("--quiet"), font: { size: 11 } };
    const values = { grid: { color: style("--line") }, beginAtZero: true, stacked: chart.kind === "stacked-bar",
      ticks: { ...ticks, callback: (value) => shown(value, chart.unit, compact) } };
    const keys = { grid: { display: false }, stacked: chart.kind === "stacked-bar",
      ticks: { ...ticks, autoSkip: !flat, maxRotation: 0,
        callback(value) { const text = String(this.getLabelForValue(value)); return text.length > 26 ? `${text.slice(0, 25)}…` : text; } } };
    return {
      responsive: true, maintainAspectRatio: false, animation: false, indexAxis: flat ? "y" : "x",
      scales: chart.kind === "doughnut" ? {} : flat ? { x: values, y: keys } : { x: keys, y: values },
      interaction: { mode: chart.kind === "doughnut" ? "nearest" : "index", axis: flat ? "y" : "x", intersect: false },
      plugins: {
        legend: { display: chart.kind === "doughnut" || Boolean(chart.series && chart.kind !== "bar") || chart.measures.length > 1,
          position: "bottom", labels: { color: style("--ink"), boxWidth: 10, font: { size: 11 } } },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label ?? item.label}: ${shown(item.raw, chart.unit, exact)}` } },
      },
    };
  };

  const drawn = new Map();
  window.lakefold = { data, figures, drawn };

  const draw = (chart, card, filters) => {
    const { labels, datasets } = figures(chart, filters);
    const names = labels.map((key) => axis(chart, key));
    const bare = datasets.every((set) => set.values.every((value) => value === null));
    card.canvas.hidden = bare;
    card.empty.hidden = !bare;
    card.rows.replaceChildren(table(
      [chart.x, ...datasets.map((set) => set.label)],
      names.map((name, i) => [name, ...datasets.map((set) => shown(set.values[i], chart.unit, exact))])));
    const sets = datasets.map((set, i) => {
      const color = palette[i % palette.length];
      const many = chart.kind === "doughnut";
      return { label: set.label, data: set.values, borderColor: many ? style("--card") : color, borderWidth: many ? 1 : chart.kind === "line" ? 2 : 0,
        backgroundColor: many ? labels.map((_, j) => palette[j % palette.length]) : color, pointRadius: 0, pointHitRadius: 8, tension: .2, maxBarThickness: 26 };
    });
    const kind = chart.kind === "stacked-bar" ? "bar" : chart.kind;
    let drawing = drawn.get(chart.name);
    if (!drawing) {
      drawing = new Chart(card.canvas, { type: kind, data: { labels: names, datasets: sets }, options: options(chart) });
      drawn.set(chart.name, drawing);
    } else {
      drawing.data = { labels: names, datasets: sets };
      drawing.options = options(chart);
      drawing.update();
    }
  };

  const filters = () => ({ from: at("from").value, to: at("to").value, facility: at("facility").value });
  const cards = [];
  const refresh = () => { const now = filters(); for (const [chart, card] of cards) draw(chart, card, now); };

  const build = () => {
    at("made").textContent = `as of ${new Date(data.made_at).toLocaleString()}`;
    const days = data.charts.flatMap((chart) => chart.cells.map((cell) => cell.d)).filter((day) => /^\d{4}-\d\d-\d\d$/.test(day ?? ""));
    const [first, last] = days.reduce(([a, b], day) => [day < a ? day : a, day > b ? day : b], ["9999-12-31", "0000-01-01"]);
    if (first <= last) for (const id of ["from", "to"]) Object.assign(at(id), { min: first, max: last });
    const ids = new Set(data.charts.flatMap((chart) => chart.cells.map((cell) => cell.f)).filter(Boolean));
    for (const id of [...ids].sort()) at("facility").append(make("option", { value: id, textContent: facilityName(id) }));
    for (const subject of [...new Set(data.charts.map((chart) => chart.subject))]) {
      at("subjects").append(make("a", { href: `#${subject}`, textContent: subject }));
      const grid = make("div", { className: "grid" });
      for (const chart of data.charts.filter((one) => one.subject === subject)) {
        const parts = { canvas: make("canvas"), empty: make("div", { className: "empty", textContent: "Nothing in this selection", hidden: true }), rows: make("div", { className: "scroll" }) };
        const card = make("article", { className: "card", id: chart.name },
          make("h3", { textContent: chart.unit && chart.kind !== "table" ? `${chart.title} (${chart.unit})` : chart.title }),
          make("p", { textContent: chart.question + (chart.dated || chart.kind === "table" ? "" : " Not narrowed by date.") }));
        const sql = make("details", {}, make("summary", { textContent: "Query" }), make("pre", { textContent: chart.sql }));
        if (chart.table) {
          card.append(make("div", { className: "scroll" }, table(chart.table.columns, chart.table.rows)), sql);
        } else {
          parts.canvas.setAttribute("role", "img");
          parts.canvas.setAttribute("aria-label", `${chart.title}. The figures stand in the table below.`);
          card.append(make("div", { className: "canvas" }, parts.canvas, parts.empty),
            make("details", {}, make("summary", { textContent: "Figures" }), parts.rows), sql);
          cards.push([chart, parts]);
        }
        grid.append(card);
      }
      at("charts").append(make("section", {}, make("h2", { id: subject, textContent: subject }), grid));
    }
    at("filters").addEventListener("input", refresh);
    at("filters").addEventListener("reset", () => setTimeout(refresh));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
    refresh();
  };
  build();
})();
