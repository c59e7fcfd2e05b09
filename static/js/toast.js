// Messages at the corner; each key once a session.
const shown = new Set(JSON.parse(sessionStorage.getItem("etf-toasts") || "[]"));

export function toast({ level = "info", title = "", text = "", url = "", key = "" }) {
	if (key && shown.has(key)) return;
	if (key) sessionStorage.setItem("etf-toasts", JSON.stringify([...shown.add(key)].slice(-200)));
	const box = document.createElement("div");
	const bad = level === "bad" || level === "error";
	box.className = `toast ${level}`;
	if (bad) box.role = "alert";
	box.innerHTML = '<a></a><p></p><button type="button" data-close aria-label="Close">×</button>';
	box.firstChild.textContent = title;
	if (url) box.firstChild.href = url;
	box.children[1].textContent = text;
	document.getElementById("toasts")?.append(box);
	if (!bad) setTimeout(() => box.remove(), 8000);
}
