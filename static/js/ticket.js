// The trade ticket: ask for the check after the last key, keep Place honest, suggest symbols.
const WAIT_MS = 250;
const FRESH_MS = 10000;
const form = document.querySelector("form[data-ticket]");
const result = document.getElementById("ticket-check");
const IGNORED = new Set(["csrfmiddlewaretoken", "idempotency_key"]);

let timer = null;
let asking = null;
let last = { inputs: "", state: "", at: 0 };

function inputs() {
	return JSON.stringify([...new FormData(form)].filter(([name]) => !IGNORED.has(name)));
}

const approved = () => ["approved", "warned"].includes(last.state) && last.inputs === inputs();
const complete = () => [...form.elements].every((field) => !field.required || field.disabled || field.value.trim());

const size = (text) => Number(text || 0).toLocaleString("en-US", { maximumFractionDigits: 8 });

// A type has exactly its own prices: the others are neither shown nor sent.
function fit() {
	const type = form.elements.namedItem("order_type")?.value;
	for (const box of form.querySelectorAll("[data-types]")) {
		const fits = box.dataset.types.split(" ").includes(type);
		box.hidden = !fits;
		box.querySelector("label .mut")?.toggleAttribute("hidden", fits);
		for (const field of box.querySelectorAll("input, select")) {
			field.disabled = !fits;
			field.required = fits && field.name.endsWith("_price");
		}
	}
}

function draw() {
	for (const button of form.querySelectorAll("[data-place]")) {
		button.disabled = !approved();
		button.title = approved() ? "" : "The check must approve exactly this order first";
	}
	const answer = result.querySelector("[data-check-state]");
	const { suggested, maxQuantity } = answer?.dataset ?? {};
	for (const row of form.querySelectorAll("[data-use-row]")) {
		row.hidden = !suggested || Number(suggested) <= 0;
		row.querySelector("[data-max]").textContent = size(suggested);
		row.querySelector("[data-largest]").textContent = size(maxQuantity);
		row.querySelector("[data-use-note]").hidden = suggested === maxQuantity;
	}
}

async function check() {
	clearTimeout(timer);
	asking?.abort();
	if (!complete()) { empty(); return; }
	const asked = inputs();
	const control = new AbortController();
	asking = control;
	result.classList.add("checking");
	result.setAttribute("aria-busy", "true");
	try {
		const answer = await fetch(form.dataset.checkUrl, {
			method: "POST",
			body: new FormData(form),
			headers: { "HX-Request": "true", "X-CSRFToken": document.body.dataset.csrf },
			signal: control.signal,
		});
		const text = await answer.text();
		// a refusal comes in the same form; anything else is no answer to the check
		if (!text.includes("data-check-state")) throw new Error(String(answer.status));
		result.innerHTML = text;
		window.htmx?.process(result);
		const state = result.querySelector("[data-check-state]")?.dataset.checkState || "error";
		last = { inputs: asked, state, at: Date.now() };
	} catch (error) {
		if (error.name === "AbortError") return;
		last = { inputs: "", state: "error", at: 0 };
		fail(Number(error.message));
	}
	result.classList.remove("checking");
	result.removeAttribute("aria-busy");
	draw();
}

function say(state, title, text = "") {
	const box = document.createElement("div");
	box.className = `verdict ${state}`;
	box.setAttribute("role", state === "error" ? "alert" : "status");
	const word = document.createElement("b");
	word.textContent = title;
	box.append(word, text);
	result.replaceChildren(box);
}

function fail(status) {
	const why = status === 403 ? "This page was open too long: reload it." : status ? `The server answered ${status}.` : "The server did not answer.";
	say("error", "Cannot be checked", ` ${why} Nothing was placed.`);
}

// Nothing is approved while the ticket is not filled in.
function empty() {
	last = { inputs: "", state: "", at: 0 };
	say("pending", "Fill in the ticket");
	result.classList.remove("checking");
	result.removeAttribute("aria-busy");
	draw();
}

function later() {
	clearTimeout(timer);
	if (!complete()) {
		asking?.abort();
		empty();
		return;
	}
	timer = setTimeout(check, WAIT_MS);
	draw();
}

async function place(event) {
	if (approved() && Date.now() - last.at < FRESH_MS) return;
	event.preventDefault();
	event.stopImmediatePropagation();
	await check();
	if (approved()) form.requestSubmit(event.submitter);
}

// Suggestions

function suggest(box) {
	const input = box.querySelector("input");
	const list = box.querySelector("[role=listbox]");
	let wait = null;
	let at = -1;
	const close = () => { list.hidden = true; at = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
	const choose = (option) => { input.value = option.dataset.symbol; close(); input.dispatchEvent(new Event("input", { bubbles: true })); close(); };
	const mark = (step) => {
		const options = [...list.children].filter((each) => each.dataset.symbol);
		if (!options.length) return;
		at = (at + step + options.length) % options.length;
		options.forEach((each, index) => each.setAttribute("aria-selected", String(index === at)));
		input.setAttribute("aria-activedescendant", options[at].id);
	};
	const fill = (found) => {
		list.replaceChildren(...found.map((each, index) => {
			const option = document.createElement("div");
			option.setAttribute("role", "option");
			option.id = `${list.id}-${index}`;
			option.dataset.symbol = each.symbol;
			const symbol = document.createElement("b");
			symbol.textContent = each.symbol;
			const name = document.createElement("small");
			name.textContent = each.name || "";
			option.append(symbol, name);
			option.addEventListener("mousedown", (event) => { event.preventDefault(); choose(option); });
			return option;
		}));
		if (!found.length) list.textContent = " No such symbol";
		list.hidden = false;
		at = -1;
		input.setAttribute("aria-expanded", "true");
	};
	const ask = async () => {
		const text = input.value.trim();
		if (!text || document.activeElement !== input) { close(); return; }
		const answer = await fetch(`${box.dataset.typeahead}?q=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" } });
		if (!answer.ok || input.value.trim() !== text) return;
		const found = (await answer.json()).results.slice(0, 8);
		if (found.length === 1 && found[0].symbol === text.toUpperCase()) close();
		else fill(found);
	};
	input.addEventListener("input", (event) => { clearTimeout(wait); if (event.isTrusted) wait = setTimeout(ask, 150); });
	input.addEventListener("blur", () => setTimeout(close, 120));
	input.addEventListener("keydown", (event) => {
		if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); mark(event.key === "ArrowDown" ? 1 : -1); }
		else if (event.key === "Escape") close();
		else if (event.key === "Enter" && at >= 0 && !list.hidden) { event.preventDefault(); choose(list.children[at]); }
	});
}

for (const box of document.querySelectorAll("[data-typeahead]")) if (box.dataset.typeahead) suggest(box);

if (form && result) {
	form.addEventListener("input", () => { fit(); later(); });
	form.addEventListener("change", later);
	form.addEventListener("submit", place, { capture: true });
	form.addEventListener("click", (event) => {
		if (!event.target.closest("[data-use-max]")) return;
		const wanted = result.querySelector("[data-check-state]")?.dataset.suggested;
		const field = form.elements.namedItem("quantity");
		if (wanted && field) { field.value = wanted; form.elements.namedItem("sized_by").value = "units"; check(); }
	});
	// A tick moves the risk: an approved check on the screen is made again, at most every five seconds.
	document.body.addEventListener("live:data", (event) => {
		const moved = /\.risk$|^quotes$/.test(event.detail.channel) && !event.detail.paused;
		if (moved && last.at && Date.now() - last.at > FRESH_MS / 2 && last.inputs === inputs() && !document.hidden) check();
	});
	fit();
	draw();
	if (complete()) later();
}
