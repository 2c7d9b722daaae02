"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  // Told apart by people who see few colours, and light enough for a dark ground.
  const palette = ["#3b7dc4", "#e08a3c", "#2f9e83", "#9375c9", "#cf5f86", "#46a7c0", "#8a94a1"];
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const family = () => getComputedStyle(document.body).fontFamily;
  // More of them are of no use to the eye; the table under a chart has them all.
  const BARS = 12, SERIES = 6;

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  const shown = (value, unit, format) => {
    if (value === null || !Number.isFinite(value)) return "–";
    return unit === "percent" ? `${format.format(100 * value)} %` : format.format(value);
  };

  const words = (name) => (name ?? "").replaceAll("_", " ");
  const title = (name) => { const text = words(name); return text.charAt(0).toUpperCase() + text.slice(1); };
  const facilityName = (id) => data.facilities[id] ?? id;
  const label = (chart, column, value) => (chart[column] === "facility_id" ? facilityName(value) : value);
  const weekdays = ["", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const MONTH = /^(\d{4})-(0[1-9]|1[0-2])$/, DAY = /^(\d{4})-(0[1-9]|1[0-2])-(\d\d)$/;
  const calendar = (value) => {
    const day = DAY.exec(value), month = MONTH.exec(value);
    if (day) return `${Number(day[3])} ${months[day[2] - 1]} ${day[1]}`;
    return month ? `${months[month[2] - 1]} ${month[1]}` : value;
  };
  const axis = (chart, value) => {
    switch (chart.x) {
      case "weekday": return weekdays[Number(value)] ?? value;
      case "hour": return /^\d\d?$/.test(value) ? `${value.padStart(2, "0")}:00` : value;
      // The number in front is for their order.
      case "age": case "expires_in": return value.replace(/^\d+ (?=\D)/, "");
      default: return calendar(label(chart, "x", value));
    }
  };

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

  // Keys and datasets of a chart: for each series or measure one value a key. `keys` are at most `bars` of `all`, and
  // `series` beyond so many become one.
  const figures = (chart, filters, bars = BARS, series = SERIES) => {
    const cells = narrowed(chart, filters);
    const perX = summed(cells, (cell) => cell.x);
    const ordered = chart.kind === "line" || /^(date|month|weekday|hour|age|expires_in|triage_level)$/.test(chart.x);
    const weight = (key) => Math.abs(chart.measures.reduce((sum, m) => sum + (measured(m, perX.get(key)) || 0), 0));
    let keys = [...perX.keys()];
    const all = keys.length;
    keys = ordered ? inOrder(keys) : inOrder(keys).sort((a, b) => weight(b) - weight(a)).slice(0, bars);
    const one = (sums, measure) => { const value = measured(measure, sums); return Number.isFinite(value) ? value : null; };
    if (!chart.series || chart.kind === "bar" || chart.kind === "doughnut") {
      const of = (m) => ({ key: m.label, label: words(m.label), values: keys.map((key) => one(perX.get(key), m)) });
      return { keys, all, datasets: chart.measures.map(of) };
    }
    const measure = chart.measures[0];
    const perSeries = summed(cells, (cell) => cell.s);
    const size = (key) => Math.abs(measured(measure, perSeries.get(key)) || 0);
    const found = inOrder([...perSeries.keys()]).sort((a, b) => size(b) - size(a));
    const rest = found.length > series;
    const named = found.slice(0, rest ? series : found.length);
    const of = (cell) => (named.includes(cell.s) ? cell.s : null);
    const perBoth = summed(cells, (cell) => JSON.stringify([cell.x, of(cell)]));
    const dataset = (s) => ({
      key: s, label: s === null ? `${found.length - named.length} others` : label(chart, "series", s),
      values: keys.map((key) => { const sums = perBoth.get(JSON.stringify([key, s])); return sums ? one(sums, measure) : null; }),
    });
    return { keys, all, datasets: [...named, ...(rest ? [null] : [])].map(dataset) };
  };

  const table = (columns, rows) => {
    const numeric = columns.map((_, i) => i > 0 && rows.every((row) => /^[-\d.,\s%–]*$/.test(row[i])));
    const cell = (tag) => (text, i) => make(tag, { textContent: text, className: numeric[i] ? "number" : "" });
    return make("table", {},
      make("thead", {}, make("tr", {}, ...columns.map(title).map(cell("th")))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell("td"))))));
  };

  const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
  const vertical = (chart) => chart.kind === "line" || (chart.kind === "stacked-bar" && /^(month|weekday|date|hour)$/.test(chart.x));

  const options = (chart, keys, narrow) => {
    const flat = !vertical(chart) && chart.kind !== "doughnut";
    const font = { size: 12, family: family() };
    const ticks = { color: style("--quiet"), font };
    // Percent of a whole need no more room than that.
    const values = { grid: { color: style("--line") }, border: { display: false }, beginAtZero: true, stacked: chart.kind === "stacked-bar",
      ticks: { ...ticks, maxTicksLimit: narrow ? 5 : 7, maxRotation: 0, callback: (value) => shown(value, chart.unit, compact) } };
    const said = /^(hour|triage_level)$/.test(chart.x);
    const names = { grid: { display: false }, border: { color: style("--line") }, stacked: chart.kind === "stacked-bar",
      title: { display: said, text: title(chart.x), color: style("--quiet"), font },
      ticks: { ...ticks, autoSkip: !flat, autoSkipPadding: 14, maxRotation: 0,
        callback(value) {
          const name = String(this.getLabelForValue(value));
          return DAY.test(keys[value]) ? name.replace(/ \d{4}$/, "") : cut(name, narrow ? 19 : 26);
        } } };
    const total = (set) => set.data.reduce((sum, value) => sum + (value ?? 0), 0);
    const share = (drawing) => {
      const [set] = drawing.data.datasets;
      return drawing.data.labels.map((name, i) => ({
        text: `${cut(name, 22)}  ${shown(set.data[i] / total(set), "percent", compact)}`, index: i, fontColor: style("--ink"),
        fillStyle: set.backgroundColor[i], strokeStyle: set.backgroundColor[i], lineWidth: 0, hidden: !drawing.getDataVisibility(i),
      }));
    };
    const round = chart.kind === "doughnut";
    return {
      responsive: true, maintainAspectRatio: false, animation: false, indexAxis: flat ? "y" : "x",
      scales: round ? {} : flat ? { x: values, y: names } : { x: names, y: values }, cutout: "62%",
      interaction: { mode: round ? "nearest" : "index", axis: flat ? "y" : "x", intersect: false },
      plugins: {
        legend: { display: round || Boolean(chart.series && chart.kind !== "bar") || chart.measures.length > 1,
          position: round && !narrow ? "right" : "bottom",
          labels: { color: style("--ink"), boxWidth: 11, boxHeight: 11, padding: 10, font, ...(round ? { generateLabels: share } : {}) } },
        tooltip: { titleFont: font, bodyFont: font,
          callbacks: { label: (item) => `${round ? item.label : item.dataset.label}: ${shown(item.raw, chart.unit, exact)}` } },
      },
    };
  };

  // For those who look at the page from outside: what is drawn, by the chart's name.
  const drawn = new Map();
  window.lakefold = { data, figures, drawn };

  const draw = (chart, card, filters) => {
    const { keys, all, datasets } = figures(chart, filters);
    const names = keys.map((key) => axis(chart, key));
    const bare = datasets.every((set) => set.values.every((value) => value === null));
    card.canvas.hidden = bare;
    card.empty.hidden = !bare;
    card.note.textContent = all > keys.length ? `The ${keys.length} largest of ${all}; all of them are in the figures.` : "";
    card.note.hidden = all <= keys.length;
    const whole = figures(chart, filters, Infinity, Infinity);
    card.rows.replaceChildren(table(
      [chart.x === "facility_id" ? "facility" : chart.x, ...whole.datasets.map((set) => set.label)],
      whole.keys.map((key, i) => [axis(chart, key), ...whole.datasets.map((set) => shown(set.values[i], chart.unit, exact))])));
    const round = chart.kind === "doughnut";
    const sets = datasets.map((set, i) => {
      const color = palette[i % palette.length];
      return { label: set.label, data: set.values, borderColor: round ? style("--card") : color, borderWidth: round || chart.kind === "line" ? 2 : 0,
        backgroundColor: round ? keys.map((_, j) => palette[j % palette.length]) : color, pointRadius: keys.length === 1 ? 3 : 0, pointHitRadius: 8,
        cubicInterpolationMode: "monotone", maxBarThickness: vertical(chart) ? 52 : 22, borderRadius: chart.kind === "bar" ? 2 : 0 };
    });
    const narrow = card.canvas.parentElement.clientWidth < 340;
    const kind = chart.kind === "stacked-bar" ? "bar" : chart.kind;
    const drawing = drawn.get(chart.name);
    if (!drawing) {
      drawn.set(chart.name, new Chart(card.canvas, { type: kind, data: { labels: names, datasets: sets }, options: options(chart, keys, narrow) }));
    } else {
      drawing.data = { labels: names, datasets: sets };
      drawing.options = options(chart, keys, narrow);
      drawing.update();
    }
  };

  const filters = () => ({ from: at("from").value, to: at("to").value, facility: at("facility").value });
  const cards = [];
  let first = "", last = "";
  const refresh = () => {
    const now = filters();
    const from = now.from > first ? now.from : first, to = now.to && now.to < last ? now.to : last;
    const start = from.slice(0, 4) === to.slice(0, 4) ? calendar(from).replace(/ \d{4}$/, "") : calendar(from);
    const days = from === to ? calendar(from) : `${start} – ${calendar(to)}`;
    at("selection").textContent = [days, now.facility ? facilityName(now.facility) : "all facilities"].filter(Boolean).join(" · ");
    for (const [chart, card] of cards) draw(chart, card, now);
  };

  const build = () => {
    at("made").textContent = `as of ${new Date(data.made_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}`;
    const days = data.charts.flatMap((chart) => chart.cells.map((cell) => cell.d)).filter((day) => DAY.test(day ?? ""));
    [first, last] = days.reduce(([a, b], day) => [a && a < day ? a : day, b > day ? b : day], ["", ""]);
    if (first) for (const id of ["from", "to"]) Object.assign(at(id), { min: first, max: last });
    const ids = new Set(data.charts.flatMap((chart) => chart.cells.map((cell) => cell.f)).filter(Boolean));
    for (const id of [...ids].sort()) at("facility").append(make("option", { value: id, textContent: facilityName(id) }));
    for (const subject of [...new Set(data.charts.map((chart) => chart.subject))]) {
      at("subjects").append(make("a", { href: `#${subject}`, textContent: subject }));
      const grid = make("div", { className: "grid" });
      for (const chart of data.charts.filter((one) => one.subject === subject)) {
        const parts = { canvas: make("canvas"), empty: make("div", { className: "empty", textContent: "Nothing in this selection", hidden: true }),
          note: make("p", { className: "note", hidden: true }), rows: make("div", { className: "scroll", tabIndex: 0 }) };
        const heading = make("h3", {}, make("span", { textContent: chart.title }));
        if (chart.unit && chart.kind !== "table") heading.append(make("span", { className: "unit", textContent: chart.unit === "percent" ? "%" : chart.unit }));
        const fixed = chart.kind === "table" || chart.dated ? "" : " As of now, whatever the dates above.";
        const card = make("article", { className: chart.kind === "line" && chart.x === "date" ? "card wide" : "card", id: chart.name },
          heading, make("p", { textContent: chart.question + fixed }));
        const sql = make("details", {}, make("summary", { textContent: "Query" }), make("pre", { textContent: chart.sql, tabIndex: 0 }));
        if (chart.table) {
          card.append(make("div", { className: "scroll", tabIndex: 0 }, table(chart.table.columns, chart.table.rows)), make("div", { className: "more" }, sql));
        } else {
          parts.canvas.setAttribute("role", "img");
          parts.canvas.setAttribute("aria-label", `${chart.title}. The figures stand in the table below.`);
          card.append(make("div", { className: "canvas" }, parts.canvas, parts.empty), parts.note,
            make("div", { className: "more" }, make("details", {}, make("summary", { textContent: "Figures" }), parts.rows), sql));
          cards.push([chart, parts]);
        }
        grid.append(card);
      }
      at("charts").append(make("section", {}, make("h2", { id: subject, textContent: subject }), grid));
    }
    at("filters").addEventListener("input", refresh);
    at("filters").addEventListener("reset", () => setTimeout(refresh));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
    const onPaper = (is) => { document.documentElement.classList.toggle("paper", is); refresh(); };
    matchMedia("print").addEventListener("change", (event) => onPaper(event.matches));
    addEventListener("beforeprint", () => onPaper(true));
    addEventListener("afterprint", () => onPaper(false));
    refresh();
  };
  build();
})();
