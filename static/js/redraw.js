// The page drawn anew in place, and what it says when nobody is signed in any more.
const main = () => document.getElementById("main");

// What somebody is writing stays as it is.
function busy(panel) {
	if (panel.querySelector("[data-keep]")) return true;
	return [...panel.querySelectorAll("form[method=post] :is(input:not([type=hidden]),textarea,select)")].some((field) => {
		if (field === document.activeElement) return true;
		if (field.tagName === "SELECT") return [...field.options].some((each) => each.selected !== each.defaultSelected);
		return /checkbox|radio/.test(field.type) ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
	});
}

export async function draw() {
	const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
	if (!answer.ok) throw new Error(String(answer.status));
	if (new URL(answer.url).pathname !== location.pathname) return; // signed out: the socket says so
	const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
	const [old, next] = [main(), fresh.getElementById("main")];
	const [focus, across, down] = [document.activeElement, window.scrollX, window.scrollY];
	for (const panel of old.querySelectorAll(".panel[id]")) {
		if (busy(panel)) next.querySelector(`#${CSS.escape(panel.id)}`)?.replaceWith(panel);
	}
	for (const field of old.querySelectorAll("input[data-filter]")) {
		const same = next.querySelector(`#${CSS.escape(field.id)}`);
		if (same) same.value = field.value;
	}
	for (const box of old.querySelectorAll("details[id][open]")) next.querySelector(`#${CSS.escape(box.id)}`)?.setAttribute("open", "");
	old.replaceWith(next);
	document.getElementById("rail-books")?.replaceWith(fresh.getElementById("rail-books"));
	document.getElementById("toasts")?.append(...fresh.querySelectorAll("#toasts > *"));
	window.htmx?.process(next);
	const focused = focus?.isConnected ? focus : focus?.id && document.getElementById(focus.id);
	if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true });
	window.scrollTo(across, down);
	next.dispatchEvent(new CustomEvent("htmx:afterSwap", { bubbles: true }));
}

// The socket ended because nobody is signed in here any more.
export function signedOut(asOf) {
	if (document.getElementById("signed-out")) return;
	const box = document.createElement("div");
	box.id = "signed-out";
	box.className = "banner bad";
	box.role = "alert";
	const title = document.createElement("b");
	title.textContent = "Signed out.";
	const text = document.createElement("span");
	text.textContent = asOf ? `These figures are as of ${asOf}.` : "These figures are no longer followed.";
	const link = document.createElement("a");
	link.className = "btn sm";
	link.href = `/login/?next=${encodeURIComponent(location.pathname + location.search)}`;
	link.textContent = "Sign in";
	const end = document.createElement("span");
	end.className = "end";
	end.append(link);
	box.append(title, text, end);
	main().prepend(box);
}
