// A row for every scene, of which only those near the window have pictures: a page of thousands stays small and quick.
(function () {
  "use strict";
  const { make } = FuseLab;
  const MARGIN = 1200; // CSS pixels above and below the window that are ready before one gets there
  const MOST_PRINTED = 200;

  FuseLab.Rows = class {
    // container: holds the rows; makeHead(scene), makeBody(scene): a row's parts; measurePictures() -> scene -> the
    // height of its pictures in CSS pixels, before they are there.
    constructor(container, { makeHead, makeBody, measurePictures }) {
      Object.assign(this, { container, makeHead, makeBody, measurePictures });
      this.rows = new Map(); // scene -> row
      this.scenes = [];
      this.rest = 120; // height of a row without its pictures, until one has been measured
      this.width = container.clientWidth;
      this.note = make("p", { class: "note", hidden: true });
      container.append(this.note);
      this.observer = new IntersectionObserver((entries) => this.#follow(entries), { rootMargin: `${MARGIN}px 0px` });
      new ResizeObserver(() => {
        if (container.clientWidth !== this.width) this.refresh();
      }).observe(container);
      addEventListener("beforeprint", () => this.#fillForPrint());
      addEventListener("afterprint", () => this.refresh());
    }

    // Shows these scenes in this order.
    show(scenes) {
      this.scenes = scenes;
      const rows = scenes.map((scene) => this.#rowOf(scene));
      const wanted = new Set(rows);
      for (const row of this.container.querySelectorAll(":scope > .scene")) {
        if (wanted.has(row)) continue;
        this.#empty(row, 0);
        this.observer.unobserve(row);
        row.remove();
      }
      this.container.append(...rows, this.note);
      if (rows.length) this.#fill(rows[0]); // what one sees first does not wait
      this.#setHeights();
      this.#watch();
    }

    // Makes all rows anew that have pictures: their columns, scores or the page's width have changed.
    refresh() {
      this.width = this.container.clientWidth;
      this.note.hidden = true;
      for (const scene of this.scenes) {
        const row = this.#rowOf(scene);
        if (!row.body) continue;
        this.#empty(row, 0);
        this.#fill(row);
      }
      this.#setHeights();
      this.#watch();
    }

    // Scrolls to a scene; returns its row, or null where it is not shown.
    reveal(scene, block = "start") {
      if (!this.scenes.includes(scene)) return null;
      const row = this.#rowOf(scene);
      const at = this.scenes.indexOf(scene);
      for (const near of this.scenes.slice(Math.max(0, at - 2), at + 3)) this.#fill(this.#rowOf(near));
      row.scrollIntoView({ block });
      return row;
    }

    rowAt(offset) { // the row `offset` behind the first one whose head is in the window
      const top = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
      const rows = this.scenes.map((scene) => this.#rowOf(scene));
      const first = rows.findIndex((row) => row.getBoundingClientRect().bottom > top + 8);
      return rows[Math.max(0, Math.min(rows.length - 1, (first < 0 ? rows.length : first) + offset))];
    }

    #rowOf(scene) {
      let row = this.rows.get(scene);
      if (!row) {
        row = make("article", { class: "scene empty", "data-scene": scene.name, tabindex: -1, "aria-label": scene.name },
          this.makeHead(scene));
        row.scene = scene;
        row.body = null;
        this.rows.set(scene, row);
      }
      return row;
    }

    // Rows that have moved tell whether they are near only when they are watched anew.
    #watch() {
      for (const scene of this.scenes) {
        const row = this.#rowOf(scene);
        this.observer.unobserve(row);
        this.observer.observe(row);
      }
    }

    // Gives rows without pictures the height that they will have with them.
    #setHeights() {
      const measure = this.measurePictures();
      const filled = this.scenes.find((scene) => this.#rowOf(scene).body);
      if (filled) this.rest = this.#rowOf(filled).offsetHeight - measure(filled);
      for (const scene of this.scenes) {
        const row = this.#rowOf(scene);
        if (!row.body) row.style.height = `${Math.round(this.rest + measure(scene))}px`;
      }
    }

    #fill(row) {
      if (row.body) return;
      row.body = this.makeBody(row.scene);
      row.append(row.body);
      row.classList.remove("empty");
      row.style.height = "";
    }

    #empty(row, height) {
      if (!row.body) return;
      row.body.remove();
      row.body = null;
      row.classList.add("empty");
      row.style.height = `${height}px`;
    }

    #follow(entries) {
      for (const { target: row, isIntersecting, boundingClientRect } of entries) {
        const focused = row !== document.activeElement && row.contains(document.activeElement);
        if (isIntersecting) this.#fill(row);
        else if (!focused) this.#empty(row, boundingClientRect.height);
      }
    }

    #fillForPrint() {
      const printed = this.scenes.slice(0, MOST_PRINTED);
      for (const scene of printed) this.#fill(this.#rowOf(scene));
      for (const scene of this.scenes.slice(MOST_PRINTED)) this.#empty(this.#rowOf(scene), 0); // the style sheet hides these
      for (const image of this.container.querySelectorAll("img[loading=lazy]")) image.loading = "eager";
      this.note.hidden = printed.length === this.scenes.length;
      this.note.textContent = `The first ${printed.length} of ${this.scenes.length} scenes are printed.`;
    }
  };
})();
