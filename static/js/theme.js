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
	const system = matchMedia("(prefers-color-scheme: dark)");
	const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
	const tell = () => dispatchEvent(new CustomEvent("etf:theme"));
	const name = () => {
		for (const word of document.querySelectorAll("[data-theme-word]")) word.textContent = isDark() ? "light theme" : "dark theme";
	};
	const set = (key, value) => {
		keep(key, value);
		apply();
		name();
		tell();
	};
	apply();
	addEventListener("DOMContentLoaded", name);
	system.addEventListener("change", tell);
	addEventListener("click", (event) => {
		const control = event.target.closest?.("[data-theme-set],[data-theme-toggle],[data-privacy-toggle]");
		if (!control) return;
		if (control.dataset.themeSet) set("theme", control.dataset.themeSet === "auto" ? "" : control.dataset.themeSet);
		else if ("privacyToggle" in control.dataset) set("privacy", root.dataset.privacy ? "" : "on");
		else set("theme", isDark() ? "light" : "dark");
	});
})();
