// A quote's pages: age and class count on while the market is live, the spread follows; new Greeks
// of what is shown draw the page anew.
import { show } from "./format.js";
import { plan } from "./session.js";

const control = document.getElementById("live-control");
const find = (name) => document.querySelector(name);
// classes that go by age or by a newer price that is held back; others stay as they were drawn
const KINDS = { live: "ok", delayed: "plain", stale: "watch", suspect: "bad" };
let heard = null;

function count() {
	const [cell, tag, state] = [find("[data-quote-age]"), find("[data-quote-class]"), control?.dataset.state];
	if (!cell || !heard || state === "paused") return;
	// between sessions the market clock stands still, and so do the ages
	const running = state !== "closed" && state !== "off";
	const age = heard.age + (running ? (Date.now() - heard.at) / 1000 : 0);
	cell.textContent = show(Math.floor(age), "age");
	if (!running || !(heard.word in KINDS)) return;
	const aged = age <= 60 ? "live" : age <= 900 ? "delayed" : "stale";
	const word = heard.word === "suspect" ? heard.word : aged;
	tag.textContent = word.toUpperCase();
	tag.className = `tag ${KINDS[word]}`;
	tag.title = tag.getAttribute(`data-title-${word}`);
}

document.body.addEventListener("live:data", ({ detail: { channel, data, paused } }) => {
	const quote = channel === "quotes" && !paused && data[find("[data-quote]")?.dataset.quote];
	if (!quote || quote.age_seconds === null) return;
	heard = { at: Date.now(), age: quote.age_seconds, word: quote.quality };
	const [bid, ask] = [Number(quote.bid), Number(quote.ask)];
	const cell = find('[data-live="quotes:spread"]');
	if (cell) cell.textContent = show(bid && ask ? ((ask - bid) / (ask + bid)) * 20000 : null, "bp1");
	count();
});
document.body.addEventListener("live:greeks.updated", ({ detail: { data } }) => {
	const shown = document.getElementById("main").dataset.greeks;
	if (!data.symbols || data.symbols.includes(shown)) plan();
});
setInterval(count, 1000);
