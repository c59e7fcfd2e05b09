// Tables that are whole on the page: sort, filter rows, choose columns.
const kept = (id) => `etf-columns-${id}`;
const hiddenColumns = (id) => new Set(JSON.parse(localStorage.getItem(kept(id)) || "[]"));

// What is missing stays last, whichever way the others go.
function compare(a, b, sign) {
	if (!a || !b) return Number(!a) - Number(!b);
	const difference = a - b;
	return sign * (Number.isNaN(difference) ? a.localeCompare(b) : difference);
}

function sort(button) {
	const head = button.closest("th");
	const table = head.closest("table");
	const at = [...head.parentNode.children].indexOf(head);
	const order = ["descending", "ascending"];
	if (!head.matches(".r,.bar")) order.reverse();
	const direction = order[Number(head.getAttribute("aria-sort") === order[0])];
	for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
	head.setAttribute("aria-sort", direction);
	const sign = direction === "ascending" ? 1 : -1;
	const value = (row) => row.children[at].dataset.v ?? row.children[at].dataset.was ?? row.children[at].textContent.trim();
	const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
	rows.sort(([a], [b]) => compare(a, b, sign));
	table.tBodies[0].append(...rows.map(([, row]) => row));
}

function filter(input) {
	const table = document.getElementById(input.dataset.filter);
	if (!table) return;
	const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
	let left = 0;
	for (const row of table.tBodies[0].rows) {
		const text = row.textContent.toLowerCase();
		row.hidden = !words.every((word) => text.includes(word));
		left += row.hidden ? 0 : 1;
	}
	const count = document.querySelector(`[data-count="${CSS.escape(table.id)}"]`);
	if (count) count.textContent = words.length ? `${left} of ${table.tBodies[0].rows.length}` : "";
}

function applyColumns(table) {
	const hidden = hiddenColumns(table.id);
	[...table.tHead.rows[0].cells].forEach((head, at) => {
		const gone = hidden.has(head.dataset.key);
		for (const row of table.rows) if (row.cells[at]) row.cells[at].hidden = gone;
	});
}

function fillMenu(box) {
	const table = document.getElementById(box.dataset.columns);
	if (!table || box.childElementCount) return;
	const hidden = hiddenColumns(table.id);
	for (const head of [...table.tHead.rows[0].cells].slice(1)) {
		const label = document.createElement("label");
		label.className = "it";
		const tick = document.createElement("input");
		tick.type = "checkbox";
		tick.checked = !hidden.has(head.dataset.key);
		tick.addEventListener("change", () => {
			if (tick.checked) hidden.delete(head.dataset.key);
			else hidden.add(head.dataset.key);
			localStorage.setItem(kept(table.id), JSON.stringify([...hidden]));
			applyColumns(table);
		});
		label.append(head.textContent.trim(), tick);
		box.append(label);
	}
}

export function prepare() {
	for (const table of document.querySelectorAll("table[data-table][id]")) if (table.tHead && hiddenColumns(table.id).size) applyColumns(table);
	for (const box of document.querySelectorAll("[data-columns]")) fillMenu(box);
	for (const input of document.querySelectorAll("[data-filter]")) if (input.value) filter(input);
}

document.addEventListener("click", (event) => {
	const button = event.target.closest("[data-sort]");
	if (button) sort(button);
});
document.addEventListener("input", (event) => { if (event.target.dataset.filter) filter(event.target); });
