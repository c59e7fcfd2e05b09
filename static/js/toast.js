// Messages at the corner. A bad one is announced at once; each key is shown once a session.
const shown = new Set(JSON.parse(sessionStorage.getItem("etf-toasts") || "[]"));

export function toast({ level = "info", title = "", text = "", url = "", key = "" }) {
  if (key && shown.has(key)) return;
  if (key) {
    shown.add(key);
    sessionStorage.setItem("etf-toasts", JSON.stringify([...shown].slice(-200)));
  }
  const box = document.createElement("div");
  box.className = `toast ${level}`;
  if (level === "bad" || level === "error") box.setAttribute("role", "alert");
  if (title) {
    const head = document.createElement(url ? "a" : "b");
    if (url) head.href = url;
    head.textContent = title;
    box.append(head);
  }
  const body = document.createElement("p");
  body.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.dataset.close = "";
  close.setAttribute("aria-label", "Close");
  close.textContent = "×";
  box.append(body, close);
  document.getElementById("toasts")?.append(box);
  if (level !== "bad" && level !== "error") setTimeout(() => box.remove(), 8000);
}
