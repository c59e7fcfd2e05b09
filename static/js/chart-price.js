// uPlot over a server-drawn price: line or bars, volume beneath, what happened; data from the API.
import { et, show } from "./format.js";

const charts = [];

// light-dark() must be computed to be a colour for the canvas.
function colour(name) {
	const probe = document.createElement("i");
	probe.style.color = `var(--${name})`;
	document.body.append(probe);
	const found = getComputedStyle(probe).color;
	probe.remove();
	return found;
}

const seconds = (text) => Math.floor(Date.parse(text) / 1000);
const columns = ({ bars }) => [bars.map((bar) => seconds(bar.at)), ...["open", "high", "low", "close", "volume"].map((name) => bars.map((bar) => bar[name] && Number(bar[name])))];

function size(box) {
	const width = Math.max(box.clientWidth, matchMedia("(max-width:720px)").matches ? 620 : 200);
	return { width, height: Math.round(Math.min(Math.max(width * 0.387, 240), 360)) };
}

// What the hooks draw with, in the plot's own coordinates.
function pen({ ctx, bbox, valToPos }) {
	const r = devicePixelRatio;
	return {
		ctx, r, ...bbox,
		at: (x, y) => [valToPos(x, "x", true), valToPos(y, "y", true)],
		lines(name, width, pairs) {
			ctx.strokeStyle = colour(name);
			ctx.lineWidth = width * r;
			ctx.beginPath();
			for (const [x1, y1, x2, y2] of pairs) { ctx.moveTo(x1, y1); ctx.lineTo(x2, y2); }
			ctx.stroke();
		},
		dot(x, y, name) {
			ctx.fillStyle = colour(name);
			ctx.beginPath();
			ctx.arc(x, y, 3 * r, 0, 7);
			ctx.fill();
		},
		text(words, x, y, name) {
			ctx.fillStyle = colour(name);
			ctx.font = `500 ${11 * r}px Inter, sans-serif`;
			ctx.textBaseline = "middle";
			ctx.fillText(words, x, y);
		},
	};
}

function drawLast(p, [xs, , , , closes]) {
	const [x, y] = p.at(xs.at(-1), closes.at(-1));
	const right = p.left + p.width;
	p.dot(x, y, "series-1");
	p.ctx.fillRect(right + 3 * p.r, y - 10 * p.r, 62 * p.r, 20 * p.r);
	p.text(show(closes.at(-1), "price"), right + 10 * p.r, y, "accent-ink");
}

// From the lowest to the highest price, with room for the volume beneath.
function reach({ data: [, , highs, lows, closes, volumes] }) {
	const known = [...highs, ...lows, ...closes].filter(Boolean);
	const [low, high] = [Math.min(...known), Math.max(...known)];
	const air = (high - low || high || 1) * 0.08;
	return [low - air - (volumes.some(Boolean) ? (high - low + 2 * air) * 0.22 : 0), high + air];
}

function options(box, { interval, actions }, data, bars, more) {
	const daily = interval === "1day";
	const long = data[0].at(-1) - data[0][0] > 120 * 86400;
	// a session is its date, a minute is on the exchange's clock
	const told = (at, from, to) => (daily ? new Date(at * 1000).toUTCString().slice(from, to) : et(at * 1000, "clock"));
	let point = null;
	box.addEventListener("pointerenter", async () => { point = (await import("./chart-more.js")).tip(box, (at) => told(at, 5, 16)); }, { once: true });
	const tick = (at) => told(at, long ? 8 : 5, long ? 16 : 11);
	const axis = { stroke: () => colour("ink-3"), font: "11px Inter, sans-serif", ticks: { stroke: () => colour("line-strong"), size: 4, width: 1 } };
	const draw = (plot) => {
		const p = pen(plot);
		p.ctx.save();
		if (more) more.draw(p, plot.data, actions, bars);
		drawLast(p, plot.data);
		p.ctx.restore();
	};
	return {
		...size(box),
		padding: [14, 0, 0, 4],
		tzDate: (at) => window.uPlot.tzDate(new Date(at * 1000), daily ? "UTC" : "America/New_York"),
		legend: { show: false },
		cursor: { y: false, drag: { x: false }, points: { show: false } },
		scales: { x: { range: (_, low, high) => [low - (high - low) / 90, high] }, y: { range: reach } },
		axes: [
			{ ...axis, grid: { show: false }, size: 26, space: 90, values: (_, splits) => splits.map(tick) },
			{ ...axis, side: 1, size: 66, gap: 8, space: 55, ticks: { show: false }, grid: { stroke: () => colour("line"), width: 1 }, values: (_, splits) => splits.map((each) => show(each, each % 1 ? "price" : "int")) },
		],
		series: [{}, ...[1, 2, 3, 4, 5].map((at) => ({ show: at === 4 && !bars, stroke: () => colour("series-1"), width: 1.6, points: { show: false } }))],
		hooks: { draw: [draw], setCursor: [(plot) => point?.(plot)] },
	};
}

async function enhance(box) {
	box.dataset.asked = "1";
	const answer = await fetch(box.dataset.priceChart);
	if (!answer.ok || !window.uPlot) return; // what the server drew stays
	const told = await answer.json();
	const bars = box.dataset.style === "ohlc";
	const data = columns(told);
	const more = (bars || told.actions.length || data[5].some(Boolean)) && (await import("./chart-more.js"));
	if (told.count < 2 || !box.isConnected) return;
	const plot = new window.uPlot(options(box, told, data, bars, more), data, box.querySelector("figure"));
	plot.root.setAttribute("aria-hidden", "true");
	box.classList.add("enhanced");
	charts.push({ box, plot, data, step: { tick: 1, "1min": 60, "5min": 300 }[told.interval] });
	new ResizeObserver(() => plot.setSize(size(box))).observe(box);
}

// Minutes grow with the quotes; closes come with the next session.
function grow({ channel, data: news, paused }) {
	for (const { box, plot, data, step } of charts) {
		const quote = channel === "quotes" && !paused && step && news[box.dataset.symbol];
		if (!quote?.price) continue;
		const end = Math.ceil(seconds(quote.timestamp) / step) * step;
		const price = Number(quote.price);
		const last = data[0].length - 1;
		if (end === data[0][last]) {
			data[2][last] = Math.max(data[2][last], price);
			data[3][last] = Math.min(data[3][last] ?? price, price);
			data[4][last] = price;
		} else if (end > data[0][last]) [end, price, price, price, price, null].forEach((value, at) => data[at].push(value));
		plot.setData(data);
	}
}

function prepare() {
	for (let at = charts.length - 1; at >= 0; at -= 1) if (!charts[at].box.isConnected) charts.splice(at, 1)[0].plot.destroy();
	document.querySelectorAll("[data-price-chart]:not([data-asked])").forEach(enhance);
}

document.body.addEventListener("live:data", (event) => grow(event.detail));
document.body.addEventListener("htmx:afterSwap", prepare);
addEventListener("etf:theme", () => requestAnimationFrame(() => charts.forEach(({ plot }) => plot.redraw(false, true))));
document.fonts.ready.then(prepare);
