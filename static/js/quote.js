// The head of a quote's page: age and class count on while the market is live, the spread follows.
import { show } from "./format.js";

const control = document.getElementById("live-control");
const find = (name) => document.querySelector(name);
let heard = null;

function count() {
	const [cell, tag, state] = [find("[data-quote-age]"), find("[data-quote-class]"), control?.dataset.state];
	if (!cell || !heard || state === "paused") return;
	// between sessions the market clock stands still, and so do the ages
	const running = state !== "closed" && state !== "off";
	const age = heard.age + (running ? (Date.now() - heard.at) / 1000 : 0);
	cell.textContent = show(Math.floor(age), "age");
	if (!running) return;
	tag.textContent = age <= 60 ? "LIVE" : age <= 900 ? "DELAYED" : "STALE";
	tag.className = `tag ${age <= 60 ? "ok" : age <= 900 ? "" : "watch"}`;
}

document.body.addEventListener("live:data", ({ detail: { channel, data, paused } }) => {
	const quote = channel === "quotes" && !paused && data[find("[data-quote]")?.dataset.quote];
	if (!quote || quote.age_seconds === null) return;
	heard = { at: Date.now(), age: quote.age_seconds };
	const [bid, ask] = [Number(quote.bid), Number(quote.ask)];
	const cell = find('[data-live="quotes:spread"]');
	if (cell) cell.textContent = show(bid && ask ? ((ask - bid) / (ask + bid)) * 20000 : null, "bp1");
	count();
});
setInterval(count, 1000);
