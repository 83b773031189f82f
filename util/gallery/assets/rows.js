// A row for every scene, of which only those near the window have pictures: a page of thousands stays small and quick.
(function () {
  "use strict";
  const { make } = FuseLab;
  const MARGIN = 1200; // CSS pixels above and below the window that are ready before one gets there
  const MOST_PRINTED = 200;

  FuseLab.Rows = class {
    // container: holds the rows; makeHead(scene), makeBody(scene): a row's parts; measurePictures(scene): the height of
    // its pictures in CSS pixels, before they are there.
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
        this.#empty(row);
        this.observer.unobserve(row);
        row.remove();
      }
      this.container.append(...rows, this.note);
      // Rows that have moved tell their new place only when they are watched anew.
      for (const row of rows) {
        this.observer.unobserve(row);
        this.observer.observe(row);
      }
      this.#fillFirst();
    }

    // Makes all rows anew that have pictures: their columns, scores or the page's width have changed.
    refresh() {
      this.width = this.container.clientWidth;
      this.note.hidden = true;
      for (const scene of this.scenes) {
        const row = this.#rowOf(scene);
        if (row.body) {
          this.#empty(row);
          this.#fill(row);
        } else {
          row.style.height = `${this.#estimate(scene)}px`;
        }
      }
      for (const scene of this.scenes) { // a row that is far away now is emptied by the observer's word
        const row = this.#rowOf(scene);
        this.observer.unobserve(row);
        this.observer.observe(row);
      }
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
        row = make("article", { class: "scene", "data-scene": scene.name, tabindex: -1, "aria-label": scene.name },
          this.makeHead(scene));
        row.scene = scene;
        row.body = null;
        row.style.height = `${this.#estimate(scene)}px`;
        this.rows.set(scene, row);
      }
      return row;
    }

    #estimate(scene) {
      return Math.round(this.rest + this.measurePictures(scene));
    }

    #fill(row) {
      if (row.body) return;
      row.body = this.makeBody(row.scene);
      row.append(row.body);
      row.style.height = "";
    }

    #empty(row, height = this.#estimate(row.scene)) {
      if (!row.body) return;
      row.body.remove();
      row.body = null;
      row.style.height = `${height}px`;
    }

    // What one sees first does not wait for the observer.
    #fillFirst() {
      const first = this.scenes[0];
      if (!first) return;
      const row = this.#rowOf(first);
      this.#fill(row);
      this.rest = row.offsetHeight - this.measurePictures(first);
      for (const scene of this.scenes) {
        const other = this.#rowOf(scene);
        if (!other.body) other.style.height = `${this.#estimate(scene)}px`;
      }
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
      for (const scene of this.scenes.slice(MOST_PRINTED)) this.#empty(this.#rowOf(scene)); // the style sheet hides these
      for (const image of this.container.querySelectorAll("img[loading=lazy]")) image.loading = "eager";
      this.note.hidden = printed.length === this.scenes.length;
      this.note.textContent = `The first ${printed.length} of ${this.scenes.length} scenes are printed.`;
    }
  };
})();
