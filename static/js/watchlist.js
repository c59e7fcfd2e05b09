// A watchlist: spreads and ages beside the live prices; order by arrows, keys and dragging.
import { show } from "./format.js";

const LIVE_S = 60;
const DELAYED_S = 900;
const KINDS = { live: "ok", delayed: "plain", stale: "watch", suspect: "bad" };
const DOUBT = "suspect";
const body = document.body;
let asOf = null;
let playing = false;
let dragged = null;

function mark(box, word) {
	box.dataset.word = word;
	box.toggleAttribute("data-stale", word === "stale");
	const tag = box.querySelector(".tag");
	tag.className = `tag ${KINDS[word] || "plain"}`;
	tag.textContent = word[0].toUpperCase() + word.slice(1);
}

function spread({ bid, ask }) {
	const middle = (Number(bid) + Number(ask)) / 2;
	return bid === null || ask === null || !(middle > 0) ? null : ((ask - bid) / middle) * 10000;
}

function take(quotes) {
	for (const box of document.querySelectorAll("[data-age]")) {
		const quote = quotes[box.dataset.age];
		if (!quote?.timestamp) continue;
		// a price that was told before ages by itself, and may come into doubt or out of it
		const same = Date.parse(quote.timestamp) === Date.parse(box.dataset.at);
		if (same && (quote.quality === DOUBT) === (box.dataset.word === DOUBT)) continue;
		box.dataset.at = quote.timestamp;
		if (KINDS[quote.quality] && box.dataset.word !== quote.quality) mark(box, quote.quality);
		const cell = box.closest("tr").querySelector(".spread");
		const width = spread(quote);
		if (!cell || (width === null && cell.querySelector(".missing"))) continue;
		cell.textContent = show(width, "bp1");
		cell.classList.toggle("missing", width === null);
	}
}

// A price ages while the market runs; between sessions the clock stands still.
function age() {
	const wall = document.querySelector("[data-clock]")?.dataset.clock === "wall";
	const now = wall ? Date.now() : Date.parse(asOf ?? "");
	if (!playing || Number.isNaN(now)) return;
	for (const box of document.querySelectorAll("[data-age][data-at]")) {
		if (!KINDS[box.dataset.word]) continue;
		const seconds = Math.max(0, (now - Date.parse(box.dataset.at)) / 1000);
		const aged = seconds <= LIVE_S ? "live" : seconds <= DELAYED_S ? "delayed" : "stale";
		const word = box.dataset.word === DOUBT ? DOUBT : aged;
		if (box.dataset.word !== word) mark(box, word);
		box.querySelector("small").textContent = show(seconds, "age");
	}
}

function settle(table) {
	const rows = [...table.tBodies[0].rows];
	rows.forEach((row, at) => {
		const [up, down] = row.querySelectorAll("[name=move]");
		up.disabled = at === 0;
		down.disabled = at === rows.length - 1;
	});
}

function say(row) {
	const rows = [...row.parentNode.rows];
	const told = row.closest("form").querySelector("[data-said]");
	told.textContent = `${row.dataset.item} is number ${rows.indexOf(row) + 1} of ${rows.length}. Save keeps the order.`;
}

function shift(row, step, focus) {
	const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
	if (!other) return;
	if (step < 0) other.before(row);
	else other.after(row);
	settle(row.closest("table"));
	// a button that cannot go on hands the focus to its twin
	(focus.disabled ? row.querySelector("[name=move]:enabled") : focus)?.focus();
	say(row);
}

document.addEventListener("click", (event) => {
	const jump = event.target.closest("[data-focus]");
	if (jump) setTimeout(() => document.getElementById(jump.dataset.focus)?.focus());
	const button = event.target.closest("[data-arrange] [name=move]");
	if (!button) return;
	event.preventDefault();
	shift(button.closest("tr"), Number(button.value.split(":")[1]), button);
});

document.addEventListener("keydown", (event) => {
	const row = event.target.closest("[data-arrange] tr[data-item]");
	const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
	if (!row || !step || !event.altKey) return;
	event.preventDefault();
	shift(row, step, event.target);
});

document.addEventListener("dragstart", (event) => {
	dragged = event.target.closest?.("tr[data-item]");
	if (dragged) event.dataTransfer.effectAllowed = "move";
});
document.addEventListener("dragover", (event) => {
	const over = event.target.closest?.("tr[data-item]");
	if (!dragged || !over) return;
	event.preventDefault();
	if (over === dragged) return;
	const { top, height } = over.getBoundingClientRect();
	if (event.clientY > top + height / 2) over.after(dragged);
	else over.before(dragged);
});
document.addEventListener("dragend", () => {
	if (!dragged) return;
	settle(dragged.closest("table"));
	say(dragged);
	dragged = null;
});

body.addEventListener("live:data", ({ detail: { channel, data, paused } }) => {
	if (channel === "market") [asOf, playing] = [data.as_of, data.state === "open"];
	if (channel === "quotes" && !paused) take(data);
});
setInterval(age, 1000);
