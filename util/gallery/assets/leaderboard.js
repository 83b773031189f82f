// Tables that sort by any column: a head's first click puts the best first, the second the worst, the third the order
// of the page.
(function () {
  "use strict";

  const byName = new Intl.Collator(undefined, { numeric: true });
  const turns = ["ascending", "descending", "none"]; // of the loss: the best is the smallest

  // What a cell is sorted by: a number that is smaller the better, or a name.
  function read(cell, direction) {
    const text = cell.dataset.value ?? cell.textContent.replace("∞", "Infinity");
    if (direction === "name") return text;
    const value = text === "" ? NaN : Number(text);
    return direction === "up" ? -value : direction === "zero" ? Math.abs(value) : value;
  }

  // Cells without a value come last in either order.
  function compare(one, other, sign) {
    if (typeof one === "string") return sign * byName.compare(one, other);
    if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
    return one === other ? 0 : one < other ? -sign : sign;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const heads = Array.from(table.tHead.rows[0].cells);

    function sortBy(index) {
      const head = heads[index];
      const turn = turns[(turns.indexOf(head.ariaSort ?? "none") + 1) % turns.length];
      for (const each of heads) each.removeAttribute("aria-sort");
      if (turn !== "none") head.ariaSort = turn;
      const sign = turn === "ascending" ? 1 : -1;
      const keyed = rows.map((row) => [read(row.cells[index], head.dataset.direction), row]);
      if (turn !== "none") keyed.sort(([one], [other]) => compare(one, other, sign));
      body.append(...keyed.map(([, row]) => row));
    }

    heads.forEach((head, index) => head.querySelector("button")?.addEventListener("click", () => sortBy(index)));
  }
})();
