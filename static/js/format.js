// The formats of templatetags/display.py under the same names; both are held to format_cases.json.
const MINUS = "\u2212";
const DASH = "—";
const SYMBOLS = { USD: "$", EUR: "€", GBP: "£", JPY: "¥" };
const formatters = new Map();

function cached(key, make) {
	if (!formatters.has(key)) formatters.set(key, make());
	return formatters.get(key);
}

// Decimal text is formatted as written ("1.005" is no binary fraction).
function plain(text, places, shift = 0) {
	const format = cached(`n${places}`, () => new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }));
	const negative = text.startsWith("-");
	const digits = format.format(`${negative ? text.slice(1) : text}e${shift}`);
	return negative && /[1-9]/.test(digits) ? MINUS + digits : digits;
}

const num = (text, places, shift = 0) => { const [digits, power = 0] = text.split(/e/i); return plain(digits, places, Number(power) + shift); };
const prefixed = (text, symbol) => (text.startsWith(MINUS) ? MINUS + symbol + text.slice(1) : symbol + text);
const unit = (places, word, shift) => (text) => num(text, places, shift) + word;
// An amount without a currency is in that of the page's book.
const money = (places) => (text, given) => {
	const code = given || globalThis.document?.body.dataset.currency || "USD";
	return prefixed(num(text, places), SYMBOLS[code] || `${code} `);
};

function thousands(text) {
	const size = Math.abs(Number(text));
	if (size < 999.5) return num(text, 0);
	if (size < 999950) return `${num(text, 1, -3)}k`;
	if (size < 999995000) return `${num(text, 2, -6)}M`;
	return `${num(text, 2, -9)}B`;
}

function age(text) {
	const seconds = Math.max(Number(text), 0);
	if (seconds < 9.95) return `${plain(String(seconds), 1)} s`;
	if (seconds < 59.5) return `${plain(String(seconds), 0)} s`;
	const whole = (length) => Math.floor(seconds / length);
	if (seconds < 3600) return `${whole(60) || 1} min`;
	if (seconds < 86400) return `${whole(3600)} h`;
	return whole(86400) === 1 ? "1 day" : `${whole(86400)} days`;
}

const FORMATS = {
	money0: money(0),
	money2: money(2),
	moneyk: thousands,
	qty: (text) => num(text, 8).replace(/\.?0+$/, ""),
	price: (text, places) => num(text, Number(places || 2)),
	pct0: unit(0, "%", 2),
	pct1: unit(1, "%", 2),
	pct2: unit(2, "%", 2),
	bp0: unit(0, " bp"),
	bp1: unit(1, " bp"),
	ratio2: (text, sign) => num(text, 2) + (sign === "x" ? "×" : ""),
	greek: (text) => num(text, 4),
	pval: (text) => (Number(text) < 0.01 ? "<0.01" : num(text, 2)),
	int: (text) => num(text, 0),
	age,
	signed: (text, inner) => {
		const [kind, argument] = (inner || "pct2").split(":");
		const shown = FORMATS[kind](text, argument || "");
		return /[1-9]/.test(shown) && !shown.startsWith(MINUS) ? `+${shown}` : shown;
	},
};

export function et(value, kind = "time") {
	const moment = new Date(value ?? NaN);
	if (Number.isNaN(moment.getTime()) || value === null) return DASH;
	const parts = cached("et", () => new Intl.DateTimeFormat("en-US", { timeZone: "America/New_York", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }))
		.formatToParts(moment)
		.reduce((all, part) => ({ ...all, [part.type]: part.value }), {});
	const day = `${parts.day} ${parts.month} ${parts.year}`;
	const clock = `${parts.hour}:${parts.minute}`;
	return { time: `${clock}:${parts.second} ET`, minute: `${clock} ET`, date: day, full: `${day} ${clock} ET`, clock }[kind || "time"];
}

export function show(value, name) {
	const [kind, ...rest] = (name || "text").split(":");
	const argument = rest.join(":") || undefined;
	if (kind === "et") return et(value, argument);
	if (value === null || value === undefined || value === "") return DASH;
	if (kind === "text") return String(value);
	return Number.isFinite(Number(value)) ? FORMATS[kind](String(value), argument) : DASH;
}
