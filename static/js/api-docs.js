// Draws the API's description; calls from the page are the reader's own session's.
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
