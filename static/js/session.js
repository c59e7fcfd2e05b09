// A page speaks of one session: when the market leaves it, the page is drawn anew, not patched.
const SOON_MS = 250;
const SPACE_MS = 1500;
const TRIES = 3; // for one session a channel tells of: what is drawn may be all there is
const tried = new Map();

let planned = null;
let drawing = false;
let drawnAt = 0;

const main = () => document.getElementById("main");
const ownMark = (channel) => `drawn${channel.split(".").pop().replace(/./, (first) => first.toUpperCase())}`;

function sessionOf(channel, data, known) {
	if (/(^|\.)(market|risk|value)$/.test(channel) && data.session_date) return `${data.session_date} ${(data.played ?? data.simulated) ? "open" : "close"}`;
	if (!channel.endsWith(".limits")) return null;
	// limits are measured with the risk of the same moment
	const risk = known.get(channel.replace(/limits$/, "risk"))?.data;
	return risk?.as_of === data.as_of ? sessionOf(channel.replace(/limits$/, "risk"), risk, known) : "another";
}

// Whether a channel's value is of the session that the page shows.
export function belongs(channel, data, known) {
	const marks = main().dataset;
	const drawn = marks[ownMark(channel)] ?? marks.drawnMarket;
	const told = sessionOf(channel, data, known);
	return !drawn || !told || told === drawn;
}

export const follows = () => Boolean(main().dataset.drawnMarket);

// Draws the page anew if this value says that it shows another session.
export function compare(channel, data, known) {
	if (!follows() || belongs(channel, data, known)) return;
	if (channel !== "market" && !(ownMark(channel) in main().dataset)) return;
	again(`${channel} ${sessionOf(channel, data, known)}`);
}

function again(why) {
	const count = (tried.get(why) || 0) + 1;
	tried.set(why, count);
	if (count <= TRIES) plan();
}

export function plan() {
	planned ??= setTimeout(run, Math.max(SOON_MS, drawnAt + SPACE_MS - Date.now()));
}

async function run() {
	planned = null;
	if (drawing) { plan(); return; }
	drawing = true;
	try {
		await (await import("./redraw.js")).draw();
	} catch {
		plan();
	}
	drawnAt = Date.now();
	drawing = false;
}

// One panel came of another session than the rest.
function parts() {
	for (const part of document.querySelectorAll("[data-drawn-part]")) {
		if (part.dataset.drawnPart !== main().dataset.drawnMarket) again(`part ${part.dataset.drawnPart}`);
	}
}

document.body.addEventListener("htmx:afterSwap", parts);
