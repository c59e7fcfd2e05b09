// What every page needs: CSRF for htmx, menus, dialogs, keys, tables, the socket.
import { start } from "./live.js";
import { toast } from "./toast.js";

const body = document.body;

body.addEventListener("htmx:configRequest", (event) => {
	if (body.dataset.csrf) event.detail.headers["X-CSRFToken"] = body.dataset.csrf;
});
body.addEventListener("htmx:responseError", (event) => {
	const { status } = event.detail.xhr;
	if (status === 401) location.assign("/login/");
	else toast({ level: "bad", title: "That did not work", text: `The server answered ${status}. Reload and try again.` });
});
body.addEventListener("htmx:sendError", () => toast({ level: "watch", text: "The server cannot be reached. The page keeps what it shows." }));

document.addEventListener("click", (event) => {
	const target = event.target;
	for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
	target.closest("[data-close]")?.closest(".toast")?.remove();
	const opener = target.closest("[data-dialog]");
	if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
	if (target.closest("[data-dialog-close]") || target.tagName === "DIALOG") target.closest("dialog")?.close();
	if (target.closest('[aria-disabled="true"]')) event.preventDefault();
});

document.addEventListener("input", (event) => {
	const word = event.target.dataset.confirm;
	if (word === undefined) return;
	const button = event.target.form.querySelector("[data-confirmed]");
	if (button) button.disabled = event.target.value.trim() !== word;
});

document.addEventListener("change", (event) => {
	if ("submit" in event.target.dataset) event.target.form.requestSubmit();
});

document.addEventListener("submit", (event) => {
	const form = event.target;
	if (form.method !== "post" || event.defaultPrevented) return;
	if (form.dataset.sent) { event.preventDefault(); return; }
	form.dataset.sent = "1";
	setTimeout(() => delete form.dataset.sent, 5000);
});

document.addEventListener("keydown", (event) => {
	const menu = document.querySelector("details.menu[open]");
	if (event.key === "Escape" && menu) { menu.open = false; menu.querySelector("summary").focus(); }
	const typing = event.target.closest("input,select,textarea") || document.querySelector("dialog[open]");
	if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey) import("./keys.js").then(({ press }) => press(event));
});

for (const message of document.querySelectorAll("#toasts .toast:not(.error,.warning,.bad)")) setTimeout(() => message.remove(), 8000);

function tables() {
	if (document.querySelector("[data-sort],[data-filter]")) import("./table.js").then(({ prepare }) => prepare());
}

body.addEventListener("htmx:afterSwap", tables);
tables();
if (document.querySelector("[data-sum]")) import("./totals.js").then(({ follow }) => follow());
start();
