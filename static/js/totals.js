// Sums of a table's last row and of its groups, made again from the rows as they move.
import { show } from "./format.js";

const WAIT_MS = 600; // after the cells, which are patched twice a second
let waiting = null;

const columns = (table) => new Map([...table.tHead.rows[0].cells].map((head, at) => [head.dataset.key, at]));
const known = (cell) => cell && cell.dataset.v !== undefined && cell.dataset.v !== "";

function sum(rows, at) {
	const cells = rows.map((row) => row.cells[at]).filter(known);
	return cells.length ? cells.reduce((all, cell) => all + Number(cell.dataset.v), 0) : null;
}

// a fraction of several costs, each weighing as much as it is
function mean(rows, at) {
	const cells = rows.map((row) => row.cells[at]).filter((cell) => known(cell) && cell.dataset.per);
	const whole = cells.reduce((all, cell) => all + Number(cell.dataset.per), 0);
	return whole ? cells.reduce((all, cell) => all + Number(cell.dataset.v) * Number(cell.dataset.per), 0) / whole : null;
}

function total(how, rows, places) {
	if (how.endsWith("*")) return mean(rows, places.get(how.slice(0, -1)));
	const [top, bottom] = how.split("/");
	const above = sum(rows, places.get(top));
	if (!bottom) return above;
	const [whole, part] = bottom.split("-").map((key) => sum(rows, places.get(key)));
	return above === null || whole === null || whole - part === 0 ? null : above / (whole - part);
}

function write(cell, value, fmt, toned) {
	if (!cell) return;
	const text = show(value, fmt);
	if (cell.textContent === text) return;
	cell.textContent = text;
	if (!toned) return;
	cell.classList.toggle("up", Number(value) > 0);
	cell.classList.toggle("dn", Number(value) < 0);
}

function draw(table) {
	const places = columns(table);
	const groups = [];
	const rows = [];
	for (const row of table.tBodies[0].rows) {
		if (row.classList.contains("total")) groups.push({ row, rows: [] });
		else { rows.push(row); groups.at(-1)?.rows.push(row); }
	}
	for (const cell of table.tFoot.querySelectorAll("[data-sum]")) {
		const { sum: how, fmt, tone } = cell.dataset;
		write(cell, total(how, rows, places), fmt, tone);
		for (const group of groups) write(group.row.cells[cell.cellIndex], total(how, group.rows, places), fmt, tone);
	}
}

function all() {
	waiting = null;
	for (const table of document.querySelectorAll("table[data-table]")) if (table.tFoot?.querySelector("[data-sum]")) draw(table);
}

export function follow() {
	for (const name of ["live:data", "live:resumed"]) {
		document.body.addEventListener(name, (event) => { if (!event.detail.paused) waiting ??= setTimeout(all, WAIT_MS); });
	}
}
