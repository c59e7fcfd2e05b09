// The option chain opens with the strike at the money in the middle.
function place() {
	for (const row of document.querySelectorAll(".chain:not([data-placed]) [data-atm]")) {
		const box = row.closest(".chain");
		box.dataset.placed = "1";
		box.scrollTop = row.offsetTop - box.clientHeight / 2;
	}
}

document.body.addEventListener("htmx:afterSwap", place);
place();
