// Draws the API's description; calls from the page are the reader's own session's.
// Its own dark colours are behind a class, which follows the theme of all pages.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const follow = () => root.classList.toggle("dark-mode", (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark");
follow();
addEventListener("etf:theme", follow);

addEventListener("DOMContentLoaded", () => {
	const place = document.getElementById("docs");
	window.SwaggerUIBundle({
		domNode: place,
		url: place.dataset.schema,
		deepLinking: true,
		validatorUrl: null,
		requestInterceptor: (request) => {
			if (new URL(request.url, location.href).origin === location.origin) request.headers["X-CSRFToken"] = place.dataset.csrf;
			return request;
		},
	});
});
