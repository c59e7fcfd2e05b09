// Draws the API's description as a reference.
// Its footer asks another host for a picture; this page asks nobody but its own.
const element = Document.prototype.createElement;
const own = (url) => new URL(url, location.href).host === location.host;

Document.prototype.createElement = function create(name, ...rest) {
	const made = element.call(this, name, ...rest);
	if (String(name).toLowerCase() === "img") {
		const set = made.setAttribute;
		made.setAttribute = (key, value) => { if (key !== "src" || own(value)) set.call(made, key, value); };
		Object.defineProperty(made, "src", { get: () => made.getAttribute("src") ?? "", set: (value) => made.setAttribute("src", value) });
	}
	return made;
};

addEventListener("DOMContentLoaded", () => {
	const place = document.getElementById("docs");
	window.Redoc.init(place.dataset.schema, {
		disableSearch: true, // it would start a program from a blob
		hideHostname: true,
		nativeScrollbars: true,
		scrollYOffset: ".api-bar",
		sortTagsAlphabetically: true,
		theme: { typography: { fontSize: "14px", fontFamily: "Inter, system-ui, sans-serif", headings: { fontFamily: "Inter, system-ui, sans-serif" } }, colors: { primary: { main: getComputedStyle(document.querySelector(".api-bar [aria-current]")).color } }, sidebar: { width: "250px" } },
	}, place);
});
