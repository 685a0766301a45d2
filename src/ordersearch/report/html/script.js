"use strict";
// Sorting: a button in each heading; what has no value stays at the end.
for (const button of document.querySelectorAll("button.sort")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th"), table = heading.closest("table"), body = table.tBodies[0];
    const up = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.querySelectorAll("th")) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const isNumber = button.dataset.kind === "number";
    const keyed = [...body.rows].map((row) => [row.cells[heading.cellIndex].dataset.value, row]);
    keyed.sort(([a], [b]) => {
      if (!a || !b) return !a - !b;
      return (isNumber ? a - b : a.localeCompare(b)) * (up ? 1 : -1);
    });
    body.append(...keyed.map(([, row]) => row));
  });
}
// Copying: a page that was opened as a file may lack the clipboard's interface.
const said = document.getElementById("said");
function copied(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.className = "said";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
for (const button of document.querySelectorAll("button.copy")) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copies).textContent;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      done = copied(text);
    }
    button.focus();
    button.textContent = done ? "Copied" : "Select and copy it by hand";
    said.textContent = button.textContent;
    setTimeout(() => { button.textContent = label; said.textContent = ""; }, 2000);
  });
}
// On paper nothing can be unfolded.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => { for (const one of folded) one.open = false; });
