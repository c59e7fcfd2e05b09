// Puts a channel's values into the page: one cell, or the market strip.
import { show } from "./format.js";

export function walk(data, path) {
	const parts = path.split(".");
	let at = data;
	for (let i = 0; i < parts.length; i += 1) {
		if (at === null || typeof at !== "object") return undefined;
		const rest = parts.slice(i).join(".");
		if (Array.isArray(at)) { at = at.find((row) => row.symbol === parts[i]); continue; }
		if (rest in at) return at[rest];
		const pair = parts.slice(i, i + 2).join(".");
		if (!(parts[i] in at) && pair in at) { at = at[pair]; i += 1; } else at = at[parts[i]];
	}
	return at;
}

// A gain: exposure less cost, perhaps of the cost.
function part(value, { less, per }) {
	return less && value ? (value - less) / (per || 1) : value;
}

function tint(place, sign) {
	place.classList.toggle("up", sign > 0);
	place.classList.toggle("dn", sign < 0);
}

// Why a figure is missing: its row's word before the channel's.
function why(data, path) {
	const row = walk(data, path.replace(/\.?[^.]*$/, ""));
	return (row?.reason || data.reason || "Not available").replaceAll("_", " ");
}

export function patchCell(cell, data, path) {
	const value = part(walk(data, path), cell.dataset);
	if (value === undefined) return;
	if (cell.dataset.liveAttr === "width") {
		const used = Math.max(0, Number(value) || 0);
		cell.classList.remove("within", "watch", "breach", "missing");
		cell.classList.add(value === null ? "missing" : used > 1 ? "breach" : used >= Number(cell.dataset.watch || 0.8) ? "watch" : "within");
		const share = Math.min(used, 1) * 100;
		const bar = cell.querySelector("i");
		if (bar) bar.style.width = `${share}%`;
		cell.setAttribute("aria-valuenow", Math.round(share));
		return;
	}
	const { fmt, unit, was, tone } = cell.dataset;
	const text = show(value, fmt) + (value === null ? "" : unit || "");
	const holder = cell.firstElementChild?.tagName === "A" ? cell.firstElementChild : cell;
	if ("v" in cell.dataset) cell.dataset.v = value ?? ""; // exact, for sums
	if (holder.textContent === text) return;
	holder.textContent = text;
	if (value === null) cell.title = why(data, path);
	else if (cell.matches(".missing")) cell.title = "";
	cell.classList.toggle("missing", value === null);
	if (tone) tint(cell, value);
	cell.dataset.flash = was === undefined || !tone ? "ch" : Number(value) >= Number(was) ? "up" : "dn";
	cell.dataset.was = value;
	setTimeout(() => delete cell.dataset.flash, 750);
}

export function patchStrip(strip) {
	for (const mark of strip || []) {
		const yielding = mark.kind === "yield";
		const plain = !mark.kind || mark.kind === "price";
		for (const box of document.querySelectorAll(`[data-strip="${CSS.escape(mark.symbol)}"]`)) {
			const change = box.querySelector(".ch");
			box.querySelector(".last").textContent = show(mark.last, yielding ? "pct2" : "price");
			if (mark.change === null) continue;
			change.textContent = show(mark.change, yielding ? "signed:bp0" : plain ? "signed" : "signed:ratio2");
			tint(change, plain && mark.change);
		}
	}
}
