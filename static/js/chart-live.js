// uPlot over a server-drawn line chart, fed by the socket.
import { show } from "./format.js";
import { locate } from "./live.js";
import { walk } from "./patch.js";

const MOST = 2000;
const charts = [];
let colours = {};

// light-dark() must be computed to be a colour for the canvas.
function colour(name) {
	if (colours[name]) return colours[name];
	const probe = document.createElement("i");
	probe.style.color = `var(--${name})`;
	document.body.append(probe);
	colours[name] = getComputedStyle(probe).color;
	probe.remove();
	return colours[name];
}

function readTable(box) {
	const rows = [...box.querySelectorAll(".chart-table tr[data-x]")];
	const column = (at) => rows.map((row) => (row.cells[at].dataset.v === undefined ? null : Number(row.cells[at].dataset.v)));
	return [rows.map((row) => Number(row.dataset.x)), ...[...rows[0].cells].slice(1).map((_, at) => column(at + 1))];
}

function size(box) {
	const width = Math.max(box.clientWidth, matchMedia("(max-width:720px)").matches ? 620 : 200);
	return { width, height: Math.round(Math.min(Math.max(width * 0.352, 220), 330)) };
}

const kept = (draw) => (plot) => { plot.ctx.save(); draw(plot); plot.ctx.restore(); };

function pen({ ctx }) {
	const r = devicePixelRatio;
	return {
		r,
		line(x1, y1, x2, y2, name, dash = [], width = 1) {
			ctx.strokeStyle = colour(name);
			ctx.lineWidth = width * r;
			ctx.setLineDash(dash.map((each) => each * r));
			ctx.beginPath();
			ctx.moveTo(x1, y1);
			ctx.lineTo(x2, y2);
			ctx.stroke();
		},
		dot(x, y, name, radius) {
			ctx.fillStyle = colour(name);
			ctx.beginPath();
			ctx.arc(x, y, radius * r, 0, 7);
			ctx.fill();
		},
		box(x, y, width, height, name) {
			ctx.fillStyle = colour(name);
			ctx.fillRect(x, y, width, height);
		},
		text(words, x, y, name, align = "left", weight = 500) {
			ctx.fillStyle = colour(name);
			ctx.font = `${weight} ${11 * r}px Inter, sans-serif`;
			ctx.textBaseline = "alphabetic";
			ctx.textAlign = align;
			ctx.fillText(words, x, y);
		},
	};
}

function drawLevels({ dataset }) {
	return (plot) => {
		const [p, { left, width }] = [pen(plot), plot.bbox];
		const y = (value) => plot.valToPos(Number(value), "y", true);
		const { limit, watch } = dataset;
		if (limit && watch) p.box(left, y(limit), width, y(watch) - y(limit), "warn-wash");
		if (limit) {
			p.line(left, y(limit), left + width, y(limit), "crit", [], 1.4);
			p.text(dataset.limitLabel || "", left + 6 * p.r, y(limit) - 6 * p.r, "crit");
		}
		if (watch) {
			p.line(left, y(watch), left + width, y(watch), "warn", [5, 4]);
			p.text(dataset.watchLabel || "", left + width - 6 * p.r, y(watch) - 6 * p.r, "warn", "right");
		}
	};
}

function drawMarks({ dataset }) {
	const events = JSON.parse(dataset.events || "[]");
	return (plot) => {
		const [p, { left, top, width, height }, [xs, ys]] = [pen(plot), plot.bbox, plot.data];
		const right = left + width;
		const spot = (at) => [plot.valToPos(xs[at], "x", true), plot.valToPos(ys[at], "y", true)];
		for (const [when, words] of events) {
			const near = xs.findIndex((each) => each >= when);
			if (near < 0 || when < xs[0] || ys[near] === null) continue;
			const [x, y] = spot(near);
			const late = x > right - 110 * p.r;
			const foot = top + height - 14 * p.r;
			p.line(x, y, x, foot, "ink-3", [2, 3]);
			p.text(words, x + (late ? -5 : 5) * p.r, foot + 6 * p.r, "ink-2", late ? "right" : "left");
			p.dot(x, y, "ink", 2.8);
		}
		const last = ys.findLastIndex((value) => value !== null);
		if (plot.data.length !== 2 || last < 0) return;
		const [x, y] = spot(last);
		p.line(x, y, right, y, "series-1", [1, 3], 1.4);
		p.dot(x, y, "series-1", 3.2);
		p.box(right + 3 * p.r, y - 10 * p.r, 62 * p.r, 20 * p.r, "series-1");
		p.text(show(ys[last], dataset.chartFmt).replace("$", ""), right + 34 * p.r, y + 4 * p.r, "accent-ink", "center", 650);
	};
}

function drawTip(box, stamp) {
	const text = document.createElement("div");
	text.className = "chart-tip";
	text.hidden = true;
	box.append(text);
	return ({ cursor: { idx, left }, data, width }) => {
		text.hidden = idx === null || idx === undefined || left < 0;
		if (text.hidden) return;
		text.textContent = [stamp(data[0][idx]), ...data.slice(1).map((column) => show(column[idx], box.dataset.chartFmt))].join("  ");
		text.style.left = `${Math.min(left + 12, width - 150)}px`;
	};
}

function options(box, data) {
	const { span, chartFmt } = box.dataset;
	const daily = data[0].every((x) => x % 86400 === 0);
	const timeZone = daily ? "UTC" : "America/New_York";
	const format = new Intl.DateTimeFormat("en-GB", { timeZone, ...(daily ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" }) });
	const stamp = (at) => format.format(new Date(at * 1000));
	const label = (value) => (chartFmt.startsWith("pct") ? show(value, "pct1") : show(value, "moneyk").replace(/\.0+(?=[kMB])/, ""));
	const levels = () => [box.dataset.limit, box.dataset.watch].filter(Boolean).map(Number);
	const [from, to] = (span || "").split(",").map(Number);
	const axis = { stroke: () => colour("ink-3"), font: "11px Inter, sans-serif", ticks: { stroke: () => colour("line-strong"), size: 4, width: 1 } };
	return {
		...size(box),
		padding: [14, 0, 0, 4],
		tzDate: (at) => window.uPlot.tzDate(new Date(at * 1000), timeZone),
		legend: { show: false },
		cursor: { y: false, drag: { x: false }, points: { size: 6 } },
		scales: {
			x: { range: (_, low, high) => (to ? [Math.min(from, low), Math.max(to, high)] : [low, high]) },
			y: { range: (_, low, high) => {
				const [a, b] = [Math.min(low, ...levels()), Math.max(high, ...levels())];
				const air = (b - a || Math.abs(b) || 1) * 0.08;
				return [a - air, b + air];
			} },
		},
		axes: [
			{ ...axis, grid: { show: false }, size: 26, space: 90, values: (_, splits) => splits.map(stamp) },
			{ ...axis, side: 1, size: 66, gap: 8, space: 55, ticks: { show: false }, grid: { stroke: () => colour("line"), width: 1 }, values: (_, splits) => splits.map(label) },
		],
		series: [{}, ...data.slice(1).map((_, at) => ({ stroke: () => colour(`series-${at + 1}`), width: 1.6, points: { show: false }, dash: at === 1 ? [6, 3] : undefined }))],
		hooks: { drawAxes: [kept(drawLevels(box))], draw: [kept(drawMarks(box))], setCursor: [drawTip(box, stamp)] },
	};
}

function enhance(box) {
	if (!window.uPlot || !box.querySelector("tr[data-x]")) return;
	const data = readTable(box);
	const plot = new window.uPlot(options(box, data), data, box.querySelector("figure"));
	plot.root.setAttribute("aria-hidden", "true");
	box.classList.add("enhanced");
	charts.push({ box, plot, data });
	new ResizeObserver(() => plot.setSize(size(box))).observe(box);
}

// The limit moves with what the portfolio is worth.
function moveLevels(box, { limit, watch }) {
	if (box.dataset.limit && limit) {
		box.dataset.limitLabel = box.dataset.limitLabel.replace(/\S+$/, show(limit, box.dataset.chartFmt));
		box.dataset.limit = limit;
	}
	if (box.dataset.watch && watch) box.dataset.watch = watch;
}

function grow({ channel, data: news, paused }) {
	for (const { box, plot, data } of charts) {
		const [wanted, path] = locate(box.dataset.chart);
		const value = wanted === channel && !paused ? walk(news, path) : undefined;
		const at = Math.floor(Date.parse(walk(news, box.dataset.chartX)) / 1000);
		const newest = data[0].at(-1);
		if (value === undefined || Number.isNaN(at) || at < newest) continue;
		const shown = value === null ? null : Number(value);
		if (at === newest) data[1][data[1].length - 1] = shown;
		else data.forEach((column, index) => column.push(index > 1 ? null : index ? shown : at));
		if (data[0].length > MOST) data.forEach((column) => column.shift());
		moveLevels(box, news);
		plot.setData(data);
	}
}

function prepare() {
	for (let at = charts.length - 1; at >= 0; at -= 1) if (!charts[at].box.isConnected) charts.splice(at, 1)[0].plot.destroy();
	document.querySelectorAll("[data-chart]:not(.enhanced)").forEach(enhance);
}

document.body.addEventListener("live:data", (event) => grow(event.detail));
document.body.addEventListener("htmx:afterSwap", prepare);
addEventListener("etf:theme", () => requestAnimationFrame(() => { colours = {}; charts.forEach(({ plot }) => plot.redraw(false, true)); }));
document.fonts.ready.then(prepare);
