// uPlot over a server-drawn line chart: reads the chart's own table, grows with each update.
import { show } from "./format.js";
import { locate } from "./live.js";
import { walk } from "./patch.js";

const MOST = 2000;
const charts = [];

// A custom property may hold light-dark(); only a computed colour is a colour for the canvas.
function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function readTable(box) {
  const xs = [];
  const columns = [];
  for (const row of box.querySelectorAll(".chart-table tr[data-x]")) {
    xs.push(Number(row.dataset.x));
    [...row.cells].slice(1).forEach((cell, at) => {
      columns[at] ??= [];
      columns[at].push(cell.dataset.v === undefined ? null : Number(cell.dataset.v));
    });
  }
  return [xs, ...columns];
}

function size(box) {
  const width = Math.max(box.clientWidth, matchMedia("(max-width:720px)").matches ? 620 : 200);
  return { width, height: Math.round(Math.min(Math.max(width * 0.352, 220), 330)) };
}

function drawLevels(box) {
  return (plot) => {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    const y = (value) => plot.valToPos(Number(value), "y", true);
    const { limit, watch } = box.dataset;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    if (limit && watch) {
      ctx.fillStyle = colour("--warn-wash");
      ctx.fillRect(bbox.left, y(limit), bbox.width, y(watch) - y(limit));
    }
    for (const [value, label, name, dash] of [[limit, box.dataset.limitLabel, "--crit", []], [watch, box.dataset.watchLabel, "--warn", [5, 4]]]) {
      if (!value) continue;
      ctx.strokeStyle = ctx.fillStyle = colour(name);
      ctx.lineWidth = ratio * (dash.length ? 1 : 1.4);
      ctx.setLineDash(dash.map((each) => each * ratio));
      ctx.beginPath();
      ctx.moveTo(bbox.left, y(value));
      ctx.lineTo(bbox.left + bbox.width, y(value));
      ctx.stroke();
      ctx.font = `500 ${11 * ratio}px Inter, sans-serif`;
      ctx.textAlign = dash.length ? "right" : "left";
      ctx.fillText(label || "", dash.length ? bbox.left + bbox.width - 6 * ratio : bbox.left + 6 * ratio, y(value) - 6 * ratio);
    }
    ctx.restore();
  };
}

function drawEvents(box) {
  const events = JSON.parse(box.dataset.events || "[]");
  return (plot) => {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `500 ${11 * ratio}px Inter, sans-serif`;
    for (const [at, label] of events) {
      const x = plot.valToPos(at, "x", true);
      const near = plot.data[0].findIndex((each) => each >= at);
      if (near < 0 || x < bbox.left) continue;
      const y = plot.valToPos(plot.data[1][near], "y", true);
      const late = x > bbox.left + bbox.width - 110 * ratio;
      const foot = bbox.top + bbox.height - 14 * ratio;
      ctx.strokeStyle = colour("--ink-3");
      ctx.setLineDash([2 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(x, foot);
      ctx.stroke();
      ctx.fillStyle = colour("--ink-2");
      ctx.textAlign = late ? "right" : "left";
      ctx.fillText(label, x + (late ? -5 : 5) * ratio, foot + 6 * ratio);
      ctx.fillStyle = colour("--ink");
      ctx.beginPath();
      ctx.arc(x, y, 2.8 * ratio, 0, 7);
      ctx.fill();
    }
    ctx.restore();
  };
}

// The newest value of a single line, as a tag at the right edge.
function drawLast(box) {
  return (plot) => {
    if (plot.data.length !== 2) return;
    const at = plot.data[1].findLastIndex((value) => value !== null);
    if (at < 0) return;
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    const [x, y] = [plot.valToPos(plot.data[0][at], "x", true), plot.valToPos(plot.data[1][at], "y", true)];
    const right = bbox.left + bbox.width;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("--series-1");
    ctx.lineWidth = 1.4 * ratio;
    ctx.setLineDash([ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(right, y);
    ctx.stroke();
    ctx.beginPath();
    ctx.arc(x, y, 3.2 * ratio, 0, 7);
    ctx.fill();
    ctx.fillRect(right + 3 * ratio, y - 10 * ratio, 62 * ratio, 20 * ratio);
    ctx.fillStyle = colour("--accent-ink");
    ctx.font = `650 ${11 * ratio}px Inter, sans-serif`;
    ctx.textAlign = "center";
    ctx.fillText(show(plot.data[1][at], box.dataset.chartFmt).replace("$", ""), right + 34 * ratio, y + 4 * ratio);
    ctx.restore();
  };
}

function options(box, data) {
  const daily = data[0].every((x) => x % 86400 === 0);
  const zone = daily ? "UTC" : "America/New_York";
  const percent = box.dataset.chartFmt.startsWith("pct");
  const axis = { stroke: () => colour("--ink-3"), font: "11px Inter, sans-serif", ticks: { stroke: () => colour("--line-strong"), size: 4, width: 1 } };
  const span = box.dataset.span ? box.dataset.span.split(",").map(Number) : null;
  const short = (value, step) => (percent ? show(value, "pct1") : Math.abs(value) >= 1e6 ? `${(value / 1e6).toFixed(step < 1e4 ? 3 : 2)}M` : Math.abs(value) >= 1e4 ? `${(value / 1e3).toFixed(step < 1e3 ? 1 : 0)}k` : value.toLocaleString("en-US")).replace("-", "\u2212");
  const levels = [box.dataset.limit, box.dataset.watch].filter(Boolean).map(Number);
  const stamp = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...(daily ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" }) });
  return {
    ...size(box),
    padding: [14, 0, 0, 4],
    tzDate: (at) => window.uPlot.tzDate(new Date(at * 1000), zone),
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      x: { range: (plot, low, high) => (span ? [Math.min(span[0], low), Math.max(span[1], high)] : [low, high]) },
      y: { range: (plot, low, high) => { const [a, b] = [Math.min(low, ...levels), Math.max(high, ...levels)]; const air = (b - a || Math.abs(b) * 0.1 || 1) * 0.08; return [a - air, b + air]; } },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 26, space: 90, values: (plot, splits) => splits.map((at) => stamp.format(new Date(at * 1000))) },
      { ...axis, side: 1, size: 66, gap: 8, space: 55, ticks: { show: false }, grid: { stroke: () => colour("--line"), width: 1 }, values: (plot, splits) => splits.map((value) => short(value, splits[1] - splits[0])) },
    ],
    series: [{}, ...data.slice(1).map((_, at) => ({ stroke: () => colour(`--series-${at + 1}`), width: 1.6, points: { show: false }, dash: at === 1 ? [6, 3] : undefined }))],
    hooks: { drawAxes: [drawLevels(box)], draw: [drawEvents(box), drawLast(box)], setCursor: [tip(box, stamp)] },
  };
}

function tip(box, stamp) {
  const text = document.createElement("div");
  text.className = "chart-tip";
  text.hidden = true;
  box.append(text);
  return (plot) => {
    const { idx, left } = plot.cursor;
    text.hidden = idx === null || idx === undefined || left < 0;
    if (text.hidden) return;
    const values = plot.data.slice(1).map((column) => show(column[idx], box.dataset.chartFmt));
    text.textContent = `${stamp.format(new Date(plot.data[0][idx] * 1000))}  ${values.join("  ")}`;
    text.style.left = `${Math.min(left + 12, plot.width - 150)}px`;
    text.style.top = "8px";
  };
}

function enhance(box) {
  const data = readTable(box);
  if (data[0].length < 1 || !window.uPlot) return;
  const figure = box.querySelector("figure");
  const plot = new window.uPlot(options(box, data), data, figure);
  plot.root.setAttribute("aria-hidden", "true");
  box.classList.add("enhanced");
  charts.push({ box, plot, data });
  new ResizeObserver(() => plot.setSize(size(box))).observe(box);
}

function grow({ channel, data: news }) {
  for (const { box, plot, data } of charts) {
    const [wanted, path] = locate(box.dataset.chart);
    if (wanted !== channel) continue;
    const value = walk(news, path);
    const at = Math.floor(Date.parse(walk(news, box.dataset.chartX)) / 1000);
    const newest = data[0].at(-1);
    if (value === undefined || Number.isNaN(at) || at < newest) continue;
    if (at === newest) data[1][data[1].length - 1] = value === null ? null : Number(value);
    else {
      data[0].push(at);
      data.slice(1).forEach((column, index) => column.push(index || value === null ? null : Number(value)));
      if (data[0].length > MOST) data.forEach((column) => column.shift());
    }
    plot.setData(data);
  }
}

function prepare() {
  for (let at = charts.length - 1; at >= 0; at -= 1) if (!charts[at].box.isConnected) charts.splice(at, 1)[0].plot.destroy();
  for (const box of document.querySelectorAll("[data-chart]:not(.enhanced)")) enhance(box);
}

document.body.addEventListener("live:data", (event) => { if (!event.detail.paused) grow(event.detail); });
document.body.addEventListener("htmx:afterSwap", prepare);
addEventListener("etf:theme", () => requestAnimationFrame(() => charts.forEach(({ plot }) => plot.redraw(false, true))));
document.fonts.ready.then(prepare);
