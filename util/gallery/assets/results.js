// The results page: sorting by a metric or by name, and the filter box.
(function () {
  "use strict";

  const main = document.getElementById("pairs");
  const scenes = Array.from(main.querySelectorAll("[data-scene]"));
  const nothing = main.querySelector(".nothing");
  const filter = document.getElementById("filter");
  const status = document.getElementById("status");
  const heads = Array.from(document.querySelectorAll("[data-sort]"));
  const byName = new Intl.Collator(undefined, { numeric: true });
  // What a head's first, second and third click do.
  const orders = { metric: ["best first", "worst first", ""], name: ["A to Z", "Z to A", ""] };

  const pairs = scenes.map((scene) => ({
    scene,
    name: scene.dataset.scene,
    values: Array.from(scene.querySelectorAll(".scores dd"), (cell) => Number(cell.dataset.value ?? NaN)),
  }));
  let sorted = { head: null, turn: 2 };

  // A pair without a value comes last in either order.
  function compareValues(index, sign) {
    return (one, other) => {
      const [a, b] = [one.values[index], other.values[index]];
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return a === b ? 0 : a < b ? -sign : sign;
    };
  }

  function order() {
    const { head, turn } = sorted;
    if (turn === 2) return pairs;
    if (head.dataset.sort === "name") {
      const sign = turn === 0 ? 1 : -1;
      return [...pairs].sort((one, other) => sign * byName.compare(one.name, other.name));
    }
    const largestFirst = (head.dataset.direction === "up") === (turn === 0);
    return [...pairs].sort(compareValues(Number(head.dataset.sort), largestFirst ? -1 : 1));
  }

  function tell() {
    const shown = scenes.filter((scene) => !scene.hidden).length;
    const counted = shown === scenes.length ? `${shown} pairs` : `${shown} of ${scenes.length} pairs`;
    const { head, turn } = sorted;
    const kind = head && head.dataset.sort === "name" ? "name" : "metric";
    const label = head && (kind === "name" ? "name" : head.querySelector(".metric").textContent);
    status.value = turn === 2 ? counted : `${counted}, ${label}: ${orders[kind][turn]}`;
    nothing.hidden = shown > 0;
  }

  function sortBy(head) {
    sorted = { head, turn: sorted.head === head ? (sorted.turn + 1) % 3 : 0 };
    for (const other of heads) {
      other.setAttribute("aria-pressed", String(other === head && sorted.turn !== 2));
    }
    main.prepend(...order().map((pair) => pair.scene));
    tell();
  }

  function showMatches() {
    const wanted = filter.value.trim().toLowerCase();
    for (const { scene, name } of pairs) scene.hidden = !name.toLowerCase().includes(wanted);
    tell();
  }

  for (const head of heads) head.addEventListener("click", () => sortBy(head));
  filter.addEventListener("input", showMatches);
  showMatches(); // a reload keeps the box's text
})();
