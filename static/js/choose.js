// Decisions over rows: how many are ticked, whether the buttons may be pressed, the dialog that asks.
const boxes = (form) => [...document.querySelectorAll(`[data-choose="${CSS.escape(form)}"]`)];

function count(form) {
	const all = boxes(form);
	const chosen = all.filter((box) => box.checked).length;
	const told = document.querySelector(`[data-chosen="${CSS.escape(form)}"]`);
	if (told) told.textContent = chosen ? `${chosen} chosen` : "";
	const every = document.querySelector(`[data-choose-all="${CSS.escape(form)}"]`);
	if (every) {
		every.checked = chosen > 0 && chosen === all.length;
		every.indeterminate = chosen > 0 && chosen < all.length;
	}
	for (const button of document.querySelectorAll(`[data-needs-chosen="${CSS.escape(form)}"]`)) button.disabled = !chosen;
}

document.addEventListener("change", (event) => {
	const { choose, chooseAll } = event.target.dataset;
	if (chooseAll) for (const box of boxes(chooseAll)) box.checked = event.target.checked;
	if (choose || chooseAll) count(choose || chooseAll);
});

for (const form of new Set([...document.querySelectorAll("[data-choose]")].map((box) => box.dataset.choose))) count(form);

// A dialog that came from the server opens where it was put.
document.body.addEventListener("htmx:afterSwap", (event) => {
	const dialog = event.target.querySelector?.("dialog[data-open]");
	if (dialog && !dialog.open) dialog.showModal();
});
