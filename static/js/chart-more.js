// What a price chart needs only sometimes: bars, volume, corporate actions, the pointer's figures.
import { show } from "./format.js";

function drawVolume(p, [xs, , , , , volumes]) {
	const most = Math.max(0, ...volumes);
	if (!most) return;
	const [floor, tall] = [p.top + p.height, p.height * 0.16];
	p.ctx.globalAlpha = 0.55;
	p.lines("series-6", Math.min(Math.max(p.width / p.r / xs.length * 0.7, 0.7), 9), xs.map((at, i) => [p.at(at, 0)[0], floor, p.at(at, 0)[0], floor - ((volumes[i] || 0) / most) * tall]));
	p.ctx.globalAlpha = 1;
	p.text(`volume to ${show(most, "moneyk")}`, p.left, floor - tall - 8 * p.r, "ink-3");
}

function drawEvents(p, [xs, , , , closes], actions) {
	for (const { kind, ratio, ex_date: day } of actions) {
		const from = Date.parse(day) / 1000;
		const at = xs.findIndex((each) => each >= from);
		if (at < 0 || from < xs[0] || closes[at] === null) continue;
		const [x, y] = p.at(xs[at], closes[at]);
		p.dot(x, y, "ink");
		if (kind === "split") p.text(`Split ${show(ratio, "qty")} for 1`, x + 6 * p.r, y - 10 * p.r, "ink-2");
	}
}

// From low to high, the open to the left, the close to the right.
function drawBars(p, [xs, opens, highs, lows, closes]) {
	const half = Math.min(4 * p.r, p.width / xs.length / 2.5);
	for (const [name, falling] of [["series-3", false], ["series-4", true]]) {
		const lines = [];
		xs.forEach((at, i) => {
			if (closes[i] === null || (opens[i] !== null && closes[i] < opens[i]) !== falling) return;
			const [x, y] = p.at(at, closes[i]);
			const level = (value) => p.at(at, value)[1];
			lines.push([x, y, x + half, y]);
			if (highs[i] !== null && lows[i] !== null) lines.push([x, level(highs[i]), x, level(lows[i])]);
			if (opens[i] !== null) lines.push([x - half, level(opens[i]), x, level(opens[i])]);
		});
		p.lines(name, 1.4, lines);
	}
}

export function draw(p, data, actions, bars) {
	drawVolume(p, data);
	if (bars) drawBars(p, data);
	drawEvents(p, data, actions);
}

// The point under the pointer in words.
export function tip(box, stamp) {
	const text = document.createElement("div");
	text.className = "chart-tip";
	text.hidden = true;
	box.append(text);
	return ({ cursor: { idx, left }, data, width }) => {
		text.hidden = !(idx >= 0 && left >= 0);
		if (text.hidden) return;
		const volume = data[5][idx];
		text.textContent = [stamp(data[0][idx]), show(data[4][idx], "price"), volume === null ? "" : `volume ${show(volume, "moneyk")}`].join("  ");
		text.style.left = `${Math.min(left + 12, width - 240)}px`;
	};
}
