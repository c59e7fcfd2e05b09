// Theme and privacy before the first paint: a plain script that blocks.
(() => {
	const root = document.documentElement;
	const read = (key) => { try { return localStorage.getItem(`etf-${key}`) || ""; } catch { return ""; } };
	const keep = (key, value) => { try { value ? localStorage.setItem(`etf-${key}`, value) : localStorage.removeItem(`etf-${key}`); } catch { /* private window */ } };
	const apply = () => {
		for (const key of ["theme", "privacy"]) {
			const value = read(key);
			if (value) root.dataset[key] = value;
			else delete root.dataset[key];
		}
	};
	const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
	const name = () => {
		for (const word of document.querySelectorAll("[data-theme-word]")) word.textContent = isDark() ? "light theme" : "dark theme";
	};
	const set = (key, value) => {
		keep(key, value);
		apply();
		name();
		dispatchEvent(new CustomEvent("etf:theme"));
	};
	apply();
	addEventListener("DOMContentLoaded", name);
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new CustomEvent("etf:theme")));
	addEventListener("click", (event) => {
		const control = event.target.closest?.("[data-theme-set],[data-theme-toggle],[data-privacy-toggle]");
		if (!control) return;
		if (control.dataset.themeSet) set("theme", control.dataset.themeSet === "auto" ? "" : control.dataset.themeSet);
		else if ("privacyToggle" in control.dataset) set("privacy", root.dataset.privacy ? "" : "on");
		else set("theme", isDark() ? "light" : "dark");
	});
})();
