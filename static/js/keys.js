// Keyboard shortcuts, loaded at the first key. Single keys can be turned off; none fires while typing.
const OFF = "etf-keys-off";
const ROUTES = { d: "/", j: "/data/", a: "/alerts/", w: "/watchlists/" };
const TABS = { o: "overview", p: "positions", r: "risk", g: "greeks", t: "trade", b: "orders" };
const dialog = document.getElementById("keys");
const box = dialog?.querySelector("[data-keys-off]");
let chord = 0;

const off = () => localStorage.getItem(OFF) === "1";
box?.addEventListener("change", () => localStorage.setItem(OFF, box.checked ? "1" : "0"));

function open(key) {
	const tab = document.querySelector(`.tabs [href$="/${TABS[key]}/"]`);
	if (tab) location.assign(tab.href);
	else if (ROUTES[key]) location.assign(ROUTES[key]);
}

function move(step) {
	const rows = [...document.querySelectorAll("main table[data-table] tbody tr:not([hidden])")];
	const at = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
	const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
	if (!next) return;
	rows[at]?.removeAttribute("aria-selected");
	next.setAttribute("aria-selected", "true");
	next.scrollIntoView({ block: "nearest" });
	next.querySelector("a")?.focus({ preventScroll: true });
}

export function press({ key }) {
	if (off() && key !== "?") return;
	if (Date.now() - chord < 1200) {
		chord = 0;
		open(key);
		return;
	}
	const bound = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
	if (bound) bound.click();
	else if (key === "g") chord = Date.now();
	else if (key === "?") {
		box.checked = off();
		dialog.showModal();
	} else if (key === "p") document.getElementById("live-control")?.click();
	else if (key === "D") document.querySelector("[data-theme-toggle]")?.click();
	else if (key === "j") move(1);
	else if (key === "k") move(-1);
	else if (key === "x") document.querySelector('tr[aria-selected="true"] input[type=checkbox]')?.click();
}
