// The one socket of a page: follows numbers, patches.
import { et } from "./format.js";
import { patchCell, patchStrip } from "./patch.js";
import { belongs, compare, follows, plan } from "./session.js";
import { toast } from "./toast.js";

const SILENCE_MS = 25000;
const POLL_MS = 30000;
const PATCH_MS = 500;
const CLOSED = { ended: "No more history", waiting: "Between sessions", closed: "Market closed" };
const body = document.body;
const control = document.getElementById("live-control");
const wanted = [...new Set((body.dataset.channels || "").split(/\s+/).filter(Boolean))];
const symbols = (body.dataset.symbols || "").split(/\s+/).filter(Boolean);
const known = new Map(); // channel -> {seq, epoch, data, at, asked}
const started = Date.now();

let socket = null;
let attempts = 0;
let heardAt = 0;
let downSince = started;
let polledAt = started;
let paused = false;
let away = false;
let ended = false;
let asOf = control?.dataset.asOf || null;
let ids = 0;
let pending = null;
const dirty = new Set();

export function locate(key) {
	const colon = key.indexOf(":");
	if (colon > 0) return [key.slice(0, colon), key.slice(colon + 1)];
	const dot = key.indexOf(".");
	const short = key.slice(0, dot);
	const channel = [...known.keys(), ...wanted].find((name) => name === short || name.endsWith(`.${short}`));
	return [channel, key.slice(dot + 1)];
}

function send(message) {
	ids += 1;
	if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ id: String(ids), ...message }));
}

function tell(name, detail) {
	body.dispatchEvent(new CustomEvent(`live:${name}`, { detail, bubbles: true }));
}

function flush() {
	pending = null;
	if (paused) return;
	for (const cell of document.querySelectorAll("[data-live]")) {
		const [channel, path] = locate(cell.dataset.live);
		if (dirty.has(channel) && belongs(channel, known.get(channel).data, known)) patchCell(cell, known.get(channel).data, path);
	}
	dirty.clear();
}

function countAlerts(event, data) {
	const badge = document.querySelector("[data-alert-count]");
	const count = badge?.firstChild;
	if (!count) return;
	const step = event === "alert.opened" ? 1 : /acknowledged|resolved/.test(event) ? -1 : 0;
	const open = data.open_alerts ?? Math.max(0, Number(count.textContent) + step);
	count.textContent = open;
	badge.hidden = !open;
}

function take(channel, event, message) {
	const data = message.data ?? message.quotes ?? {};
	const whole = channel === "quotes" ? { ...known.get(channel)?.data, ...data } : data;
	known.set(channel, { seq: message.seq, epoch: message.epoch, data: whole, at: Date.now(), asked: 0 });
	if (channel === "market") {
		if (!paused) patchStrip(data.strip);
		const note = document.getElementById("clock-note");
		if (note && data.note) note.textContent = data.note;
	}
	const moment = data.as_of || (channel === "market" ? message.ts : null);
	if (moment && (!asOf || moment > asOf)) asOf = moment;
	if (event?.startsWith("alert.")) {
		countAlerts(event, data);
		if (event === "alert.opened" && /breach|critical|bad/.test(data.severity)) {
			toast({ level: "bad", title: data.title, text: data.detail || data.text || "", url: data.url, key: `alert-${data.id}` });
		}
	}
	dirty.add(channel);
	pending ??= setTimeout(flush, PATCH_MS);
	tell("data", { channel, event, data: whole, paused: paused || !belongs(channel, whole, known) });
	if (paused) return;
	compare(channel, whole, known);
	if (event === "data.updated" && follows()) plan();
	else if (event) tell(event, { channel, data });
}

function resync(channel, state) {
	if (state.asked && Date.now() - state.asked < 5000) return;
	state.asked = Date.now();
	send({ type: "resync", channel, ...(state.seq === undefined ? {} : { since: state.seq }) });
}

function receive(message) {
	const { type, channel } = message;
	const state = known.get(channel);
	if (type === "welcome") {
		if (wanted.length) send({ type: "subscribe", channels: wanted });
		if (symbols.length) send({ type: "subscribe", symbols });
	} else if (type === "snapshot") {
		take(channel || "quotes", null, message);
	} else if (type === "update") {
		// the counter was lost: numbers start over, the value is whole all the same
		if (state && state.epoch !== message.epoch) take(channel, message.event, message);
		else if (state && message.seq <= state.seq) return;
		else {
			if (state && message.seq !== state.seq + 1 && !message.conflated) resync(channel, state);
			if (!state?.asked || !/(alerts|orders|jobs)$/.test(channel)) take(channel, message.event, message);
		}
	} else if (type === "heartbeat") {
		away = message.live === "away";
		for (const [name, seq] of Object.entries(message.seq || {})) {
			if (seq > known.get(name)?.seq) resync(name, known.get(name));
		}
	} else if (type === "error") {
		if (message.code === "live_unavailable") away = true;
		if (message.code === "revoked") location.reload();
	}
	draw();
}

function connect() {
	const scheme = location.protocol === "https:" ? "wss" : "ws";
	const opened = new WebSocket(`${scheme}://${location.host}${body.dataset.socket}`);
	socket = opened;
	heardAt = Date.now();
	opened.onmessage = (event) => {
		if (socket !== opened) return;
		heardAt = Date.now();
		downSince = 0;
		attempts = 0;
		receive(JSON.parse(event.data));
	};
	opened.onclose = (event) => { if (socket === opened) lost(event.code); };
}

function lost(code) {
	socket = null;
	downSince ||= Date.now();
	// not accepted, or nobody came in: only a new sign-in helps
	ended = [4401, 4403, 4408].includes(code);
	draw();
	if (ended) {
		import("./redraw.js").then(({ signedOut }) => signedOut(asOf && et(asOf, "full")));
		return;
	}
	const wait = code === 1012 ? 0 : Math.min(30, 2 ** attempts) * 1000;
	attempts += 1;
	setTimeout(connect, wait * (0.75 + Math.random() / 2) + Math.random() * 400);
}

function standing() {
	if (ended) return ["signed-out", "Signed out, as of"];
	if (paused) return ["paused", "Paused"];
	if (!socket || (downSince && Date.now() - started > 4000)) return ["reconnecting", "Reconnecting, last"];
	if (away) return ["away", "Live updates paused, as of"];
	const market = known.get("market")?.data?.state;
	if (market in CLOSED) return ["closed", `${CLOSED[market]}, as of`];
	return downSince ? [control.dataset.state, null] : ["live", "Live"];
}

function draw() {
	if (!control) return;
	const [state, word] = standing();
	if (control.dataset.state !== state) tell("state", { state });
	control.dataset.state = state;
	control.setAttribute("aria-pressed", String(paused));
	control.title = `${paused ? "Resume" : "Pause"} live updates (P)`;
	if (word) control.querySelector("span").textContent = `${word} ${asOf ? et(asOf, /closed|away/.test(state) ? "full" : "time") : ""}`.trim();
}

function everySecond() {
	const now = Date.now();
	if (socket && now - heardAt > SILENCE_MS) {
		const silent = socket;
		lost(1006);
		silent.onclose = null;
		silent.close();
	}
	const idle = control?.dataset.state === "closed" || paused || ended;
	for (const cell of document.querySelectorAll("[data-live][data-max-age]")) {
		const at = known.get(locate(cell.dataset.live)[0])?.at || started;
		cell.toggleAttribute("data-stale", !idle && now - at > Number(cell.dataset.maxAge) * 1000);
	}
	if (!ended && downSince && now - downSince > POLL_MS && now - polledAt > POLL_MS) {
		polledAt = now;
		for (const panel of document.querySelectorAll("[data-poll]")) window.htmx?.trigger(panel, "refresh");
	}
	draw();
}

function toggle() {
	paused = !paused;
	if (!paused) {
		for (const [channel, { data }] of known) { dirty.add(channel); compare(channel, data, known); }
		flush();
		tell("resumed", {});
	}
	draw();
}

export function start() {
	if (!body.dataset.socket || !control) return;
	control.addEventListener("click", toggle);
	body.addEventListener("htmx:afterSwap", () => { for (const channel of known.keys()) dirty.add(channel); pending ??= setTimeout(flush, 50); });
	setInterval(everySecond, 1000);
	connect();
}
