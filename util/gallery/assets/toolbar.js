// The bar above the rows: what is shown, in which order, and what is compared.
(function () {
  "use strict";
  const { make, makeSelect, fillSelect } = FuseLab;
  const COUNTS = [5, 10, 20, 50, 100];

  // state: {filter, sort, method, reverse, count, hidden: Set of labels, chips, compare: {left, right, mode}}; it is
  // changed in place, and onchange(what) is called: "order", "columns" or "scores".
  FuseLab.Toolbar = class {
    constructor(gallery, state, onchange) {
      Object.assign(this, { gallery, state, onchange });
      this.status = make("output", { id: "status", role: "status" });
      this.filter = make("input", {
        type: "search", id: "filter", placeholder: "Filter by name", "aria-label": "filter by name",
        oninput: () => this.change({ filter: this.filter.value }),
      });
      state.filter = this.filter.value;
      const orders = gallery.metrics.map((metric) => [metric.name, `${metric.name} ${metric.arrow}`]);
      this.sort = makeSelect("sort by", [["", "given order"], ["name", "name"], ...orders],
        (sort) => this.change({ sort, reverse: false }));
      this.sort.id = "sort";
      this.method = makeSelect("method to sort by", gallery.methods.map((method, index) => [index, `of ${method}`]),
        (method) => this.change({ method: Number(method) }));
      this.reverse = makeSelect("order", [], (reverse) => this.change({ reverse: reverse === "1" }));
      this.reverse.id = "order";
      this.count = makeSelect("how many", [], (count) => this.change({ count: count ? Number(count) : undefined }));
      this.count.id = "count";
      this.element = make("div", { class: "bar", role: "search", "aria-label": "scenes" },
        make("div", { class: "line" }, this.filter, make("label", {}, "Sort by ", this.sort),
          gallery.methods.length > 1 ? this.method : null, this.reverse, this.count, this.status,
          FuseLab.makeButton("?", "keys", () => FuseLab.openHelp(), { class: "end" })),
        make("div", { class: "line" }, ...this.#makeColumns(), this.#makeCompare(), this.#makeChips()));
      this.tell();
    }

    change(values, what = "order") {
      Object.assign(this.state, values);
      this.tell();
      this.onchange(what);
    }

    // Puts the state into words and controls.
    tell() {
      const { sort, reverse, count, method } = this.state;
      this.sort.value = sort;
      this.method.value = method;
      this.method.hidden = !this.findMetric();
      const [first, last] = this.#nameOrders();
      fillSelect(this.reverse, [["0", first], ["1", last]], reverse ? "1" : "0");
      this.reverse.hidden = sort === "";
      const word = this.findMetric() ? (reverse ? "worst" : "best") : "first";
      fillSelect(this.count, [["", "all"], ...COUNTS.map((number) => [number, `${word} ${number}`])], count ?? "");
    }

    tellStatus(shown, found) {
      const all = this.gallery.scenes.length;
      const { sort, reverse, count, method } = this.state;
      const metric = this.findMetric();
      const counted = shown === all ? `${all} scene${all === 1 ? "" : "s"}` : `${shown} of ${all} scenes`;
      const by = metric ? `${metric.name} ${metric.arrow}` : sort;
      const of = metric && this.gallery.methods.length > 1 ? ` of ${this.gallery.methods[method]}` : "";
      const cut = count && count < found ? `, the first ${count}` : "";
      this.status.value = counted + (by ? `, ${by}${of}: ${this.#nameOrders()[Number(reverse)]}` : "") + cut;
    }

    findMetric() {
      return this.gallery.metrics.find((metric) => metric.name === this.state.sort);
    }

    #nameOrders() {
      if (this.findMetric()) return ["best first", "worst first"];
      return ["A to Z", "Z to A"];
    }

    #makeColumns() {
      const toggles = this.gallery.columns.map((column) => make("button", {
        type: "button", "aria-pressed": String(!this.state.hidden.has(column.label)), "data-toggle": column.label,
        title: `show or hide ${column.title}`,
        onclick: (event) => {
          const hidden = this.state.hidden;
          if (!hidden.delete(column.label)) hidden.add(column.label);
          event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(column.label)));
          this.onchange("columns");
        },
      }, column.title));
      return toggles.length > 1
        ? [make("div", { class: "group", role: "group", "aria-label": "columns shown" }, ...toggles)] : [];
    }

    #makeCompare() {
      const { columns } = this.gallery;
      if (columns.length < 2) return null;
      const { compare } = this.state;
      const entries = columns.map((column) => [column.label, column.title]);
      const set = (values) => {
        Object.assign(compare, values);
        for (const part of [left, between, right]) part.hidden = !compare.mode;
        between.textContent = compare.mode === "slider" ? "|" : "−";
        this.onchange("columns");
      };
      const mode = makeSelect("compare two columns",
        [["", "off"], ["slider", "slider"], ["difference", "difference"]], (value) => set({ mode: value }));
      mode.id = "compare";
      const left = makeSelect("compare this", entries, (value) => set({ left: value }));
      const right = makeSelect("with this", entries, (value) => set({ right: value }));
      const between = make("span");
      left.value = compare.left;
      right.value = compare.right;
      for (const part of [left, between, right]) part.hidden = true;
      return make("div", { class: "group pair" }, make("label", {}, "Compare ", mode), left, between, right);
    }

    #makeChips() {
      const { metrics } = this.gallery;
      if (metrics.every((metric) => metric.leading)) return null;
      const leading = metrics.filter((metric) => metric.leading).length;
      const chips = makeSelect("scores under the pictures",
        [["leading", `${leading} metrics`], ["all", `all ${metrics.length} metrics`], ["none", "no metrics"]],
        (value) => this.change({ chips: value }, "scores"));
      chips.id = "chips";
      return make("label", {}, "Show ", chips);
    }
  };
})();
