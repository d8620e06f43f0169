// Images that people picked, by lasso or one by one, and what to do with them.

const selection = new Set();

function toggle(i) {
  if (!selection.delete(i)) selection.add(i);
  drawSelection();
}

function select(images) {
  for (const i of images) selection.add(i);
  drawSelection();
}

function drawSelection() {
  const images = [...selection].sort((i, j) => i - j);
  byId("selection").hidden = !images.length;
  byId("selection-count").textContent = `${count(images.length, "image")} selected`;
  fillWith(byId("selection-list"), images);
  requestDraw();
}

// Spreadsheets take text that begins with = + - or @ for a formula: such names are
// written ./=name, which is the same file.
function cell(text) {
  const safe = /^[=+\-@\t\r]/.test(text) ? `./${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function table(images) {
  const line = (i) => [data.names[i], String(data.clusters[i]), nameOf(i) ?? "", (data.percents[i] / 100).toFixed(3)];
  const rows = images.map((i) => line(i).map((value, column) => (column === 1 ? value : cell(value))));
  return [["path", "cluster", "name", "probability"], ...rows].map((row) => `${row.join(",")}\n`).join("");
}

function moveSelection(name) {
  const images = [...selection];
  selection.clear();
  move(images, name);
  drawSelection();
}

byId("selection-csv").addEventListener("click", () => download("selection.csv", table([...selection]), "text/csv"));
byId("selection-copy").addEventListener("click", async () => {
  const text = [...selection].map((i) => data.names[i]).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    announce("copied");
  } catch {
    announce("the browser does not let this page copy: download the CSV instead");
  }
});
byId("selection-clear").addEventListener("click", () => {
  selection.clear();
  drawSelection();
});
byId("selection-reject").addEventListener("click", () => moveSelection(null));
byId("selection-move").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId("selection-name");
  if (!input.value.trim()) return;
  moveSelection(input.value.trim());
  input.value = "";
});
