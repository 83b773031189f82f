// All pictures of a scene at full size: beside each other, one alone, two with a slider between them, or their difference.
(function () {
  "use strict";
  const { make, makeButton, makeSelect, fillSelect, address } = FuseLab;
  const VIEWS = { all: "Side by side", one: "One", slider: "Slider", difference: "Difference" };
  const STEP = 80; // CSS pixels of an arrow key

  FuseLab.addHelp("Pictures at full size", [
    ["Wheel + −", "zoom all pictures at once (or pinch)"],
    ["Drag ← → ↑ ↓", "move all pictures at once"],
    ["0 F", "1:1, fit to the window"],
    ["B", "hold to blink to the other picture"],
    ["A", "all pictures side by side"],
    ["1 … 9", "one picture alone (or double-click it)"],
    ["S D", "slider, difference"],
    ["X", "exchange the two pictures that are compared"],
    ["PageDown N", "next scene"],
    ["PageUp P", "previous scene"],
    ["Escape", "close"],
  ]);

  FuseLab.Viewer = class {
    // columns: all of them; getColumns(): those that are shown now; getScenes(): the scenes in the order shown;
    // describe(scene, column): a note beside a picture's title; onclose(scene, label).
    constructor({ columns, getColumns, getScenes, describe = () => null, onclose = () => {} }) {
      Object.assign(this, { columns, getColumns, getScenes, describe, onclose });
      this.scene = null;
      this.view = "all";
      this.left = this.right = null; // labels
      this.gain = 4;
      this.position = 0.5;
      this.#build();
      this.panzoom = new FuseLab.PanZoom(this.panes, (zoom) => {
        this.zoomText.textContent = `${Math.round(zoom * 100)} %`;
      });
      new ResizeObserver(() => this.#arrange()).observe(this.panes);
    }

    // state: {view, left, right}; place: what part of the picture to look at; push: make a step for the back button.
    open(scene, state = {}, { place, push = true } = {}) {
      const fresh = !this.dialog.open;
      if (!fresh && scene === this.scene && state.view === this.view) return;
      this.view = state.view in VIEWS ? state.view : "all";
      this.left = state.left ?? this.left;
      this.right = state.right ?? this.right;
      if (fresh) {
        this.dialog.showModal();
        document.documentElement.classList.add("behind");
      }
      this.#show(scene, { push });
      if (fresh) {
        this.panzoom.reset(place);
        this.place = place; // until the size is known
        this.dialog.focus(); // not its first button, which would look chosen
      }
    }

    close() {
      if (this.dialog.open) this.dialog.close();
    }

    // Shows another scene or view of it.
    #show(scene, { push = false } = {}) {
      this.scene = scene;
      const shown = this.getColumns().filter((column) => this.#has(column));
      const all = shown.length ? shown : this.columns.filter((column) => this.#has(column));
      this.choices = all;
      this.left = this.#find(this.left, all.find((column) => column.kind === "fused") ?? all[0]);
      const others = all.filter((column) => column.label !== this.left);
      this.right = this.#find(this.right === this.left ? null : this.right, others[0] ?? all[0]);
      this.#tell();
      this.sized = false;
      const onsize = (width, height) => this.#takeSize(width, height);
      const [left, right] = [this.left, this.right].map((label) => all.find((column) => column.label === label));
      if (!all.length) {
        this.panes.replaceChildren(make("p", { class: "note" }, "This scene has no pictures."));
      } else if (this.view === "slider" || this.view === "difference") {
        const options = {
          mode: this.view, position: this.position, gain: this.gain,
          onchange: (position) => { this.position = position; },
        };
        this.panes.replaceChildren(FuseLab.makeComparisonPane(scene, left, right, options, onsize));
      } else {
        const seen = this.view === "one" ? [left] : all;
        this.panes.replaceChildren(...seen.map((column) =>
          FuseLab.makePane(scene, column, right, this.describe(scene, column), onsize)));
      }
      this.#arrange();
      const compared = this.view === "slider" || this.view === "difference";
      address.write({
        scene: scene.name, view: this.view,
        left: this.view === "all" ? null : this.left, right: compared ? this.right : null,
      }, push);
    }

    #has(column) {
      return this.scene.pictures[column.index]?.width !== 0 && this.scene.pictures[column.index];
    }

    #find(label, preset) {
      return this.choices.some((column) => column.label === label) ? label : preset?.label ?? null;
    }

    #takeSize(width, height) {
      if (this.sized) return;
      this.sized = true;
      this.panzoom.setPicture(width, height);
      this.#arrange();
      if (this.place) this.panzoom.reset(this.place);
      this.place = null;
    }

    #arrange() {
      const count = this.panes.children.length;
      this.panes.style.setProperty("--columns", FuseLab.arrangePanes(count, this.panes, this.panzoom.picture));
      this.panzoom.apply();
    }

    #build() {
      this.title = make("h2");
      this.count = make("span", { class: "count" });
      this.views = make("div", { class: "group", role: "group", "aria-label": "view" },
        ...Object.entries(VIEWS).map(([view, text]) =>
          make("button", { type: "button", "data-view": view, onclick: () => this.#setView(view) }, text)));
      this.leftSelect = makeSelect("picture", [], (label) => this.#set({ left: label }));
      this.rightSelect = makeSelect("other picture", [], (label) => this.#set({ right: label }));
      this.between = make("span");
      const gain = make("input", {
        type: "range", min: 1, max: 16, step: 1, value: this.gain, "aria-label": "brightness of the difference",
        oninput: () => {
          this.gain = Number(gain.value);
          this.gainText.textContent = `×${gain.value}`;
          this.panes.firstElementChild.comparison?.setGain(this.gain);
        },
      });
      this.gainText = make("span", { class: "gain" }, `×${this.gain}`);
      this.gainBox = make("label", { class: "group" }, gain, this.gainText);
      this.blinkButton = make("button", { type: "button", title: "hold to blink (key B)" }, "Blink");
      this.zoomText = make("span", { class: "zoom", role: "status" }, "100 %");
      const zoomBy = (factor) => () => this.panzoom.setZoom(this.panzoom.zoom * factor);
      this.panes = make("div", { class: "panes" });
      this.dialog = make("dialog", { class: "viewer", tabindex: -1, "aria-label": "pictures at full size" },
        make("div", { class: "tools" },
          make("div", { class: "name" },
            makeButton("‹", "previous scene (Page Up)", () => this.#go(-1)),
            makeButton("›", "next scene (Page Down)", () => this.#go(1)), this.title, this.count),
          this.views,
          make("div", { class: "group pair" }, this.leftSelect, this.between, this.rightSelect), this.gainBox,
          this.blinkButton,
          make("div", { class: "group" },
            makeButton("−", "zoom out", zoomBy(0.8)), this.zoomText, makeButton("+", "zoom in", zoomBy(1.25)),
            makeButton("1:1", "one pixel of the picture is one of the page", () => this.panzoom.setZoom(1)),
            makeButton("Fit", "fit to the window", () => this.panzoom.setFit())),
          make("div", { class: "group end" }, makeButton("?", "keys", () => FuseLab.openHelp()),
            makeButton("×", "close", () => this.close(), { class: "close" }))),
        this.panes);
      document.body.append(this.dialog);
      this.#listen();
    }

    #listen() {
      const blink = (on) => () => this.dialog.classList.toggle("blinking", on);
      this.blinkButton.addEventListener("pointerdown", blink(true));
      for (const end of ["pointerup", "pointerleave", "pointercancel"]) {
        this.blinkButton.addEventListener(end, blink(false));
      }
      this.dialog.addEventListener("keydown", (event) => this.#press(event));
      this.dialog.addEventListener("keyup", (event) => {
        if (event.key.toLowerCase() === "b") blink(false)();
      });
      addEventListener("blur", blink(false));
      this.panes.addEventListener("dblclick", (event) => {
        // The pointer was captured by all panes, so that the event does not know which one it was.
        const pane = document.elementFromPoint(event.clientX, event.clientY)?.closest(".pane");
        if (pane && this.view === "all") this.#set({ view: "one", left: pane.dataset.column });
        else if (pane && this.view === "one") this.#setView("all");
      });
      this.dialog.addEventListener("close", () => {
        blink(false)();
        this.panes.replaceChildren();
        document.documentElement.classList.remove("behind");
        address.write({ view: null, left: null, right: null });
        this.onclose(this.scene, this.left);
      });
    }

    #press(event) {
      if (FuseLab.isTyping(event)) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const pan = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key];
      if (event.target.matches("input") && (pan || key.startsWith("Page"))) return; // the slider's own keys
      const actions = {
        b: () => this.dialog.classList.add("blinking"),
        a: () => this.#setView("all"),
        s: () => this.#setView("slider"),
        d: () => this.#setView("difference"),
        x: () => this.#set({ left: this.right, right: this.left }),
        f: () => this.panzoom.toggleFit(),
        0: () => this.panzoom.setZoom(1),
        "+": () => this.panzoom.setZoom(this.panzoom.zoom * 1.25),
        "=": () => this.panzoom.setZoom(this.panzoom.zoom * 1.25),
        "-": () => this.panzoom.setZoom(this.panzoom.zoom * 0.8),
        n: () => this.#go(1),
        PageDown: () => this.#go(1),
        p: () => this.#go(-1),
        PageUp: () => this.#go(-1),
      };
      const column = key >= "1" && key <= "9" && this.choices[Number(key) - 1];
      if (pan) this.panzoom.panBy(pan[0] * STEP, pan[1] * STEP);
      else if (column) this.#set({ view: "one", left: column.label });
      else if (key in actions) actions[key]();
      else return;
      event.preventDefault();
    }

    #go(step) {
      const scenes = this.getScenes();
      const next = scenes[scenes.indexOf(this.scene) + step];
      if (next) this.#show(next);
    }

    #setView(view) {
      this.#set({ view });
    }

    #set(state) {
      Object.assign(this, state);
      this.#show(this.scene);
    }

    #tell() {
      const scenes = this.getScenes();
      const at = scenes.indexOf(this.scene);
      this.title.textContent = this.title.title = this.scene.name;
      this.count.textContent = at < 0 ? "" : `${at + 1} / ${scenes.length}`;
      for (const button of this.views.children) {
        button.setAttribute("aria-pressed", String(button.dataset.view === this.view));
      }
      const entries = this.choices.map((column) => [column.label, column.title]);
      fillSelect(this.leftSelect, entries, this.left);
      fillSelect(this.rightSelect, entries, this.right);
      this.leftSelect.hidden = this.view === "all";
      this.between.textContent = { all: "blink to", one: "blink to", slider: "|", difference: "−" }[this.view];
      this.gainBox.hidden = this.view !== "difference";
    }
  };
})();
