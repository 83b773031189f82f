// What all pages share: elements, links, numbers as text, and the state that the address keeps.
window.FuseLab = {};
(function () {
  "use strict";

  // make("a", { class: "x", href: "#", onclick: function }, child, "text", ...): text stays text, whatever it holds.
  FuseLab.make = function (tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };

  FuseLab.makeButton = (text, title, action, attributes = {}) =>
    FuseLab.make("button", { type: "button", title, "aria-label": title, onclick: action, ...attributes }, text);

  // entries: [value, text] pairs.
  FuseLab.makeSelect = function (label, entries, action) {
    const select = FuseLab.make("select", { "aria-label": label, onchange: () => action(select.value) });
    FuseLab.fillSelect(select, entries);
    return select;
  };

  FuseLab.fillSelect = function (select, entries, value = select.value) {
    select.replaceChildren(...entries.map(([key, text]) => FuseLab.make("option", { value: key }, text)));
    select.value = value;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  };

  FuseLab.toUrl = (path) => path.split("/").map(encodeURIComponent).join("/");

  // As format_number of parts.py.
  FuseLab.formatNumber = function (value) {
    if (Number.isNaN(value)) return "n/a";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
    const size = Math.abs(value);
    return value.toFixed(size < 10 ? 4 : size < 100 ? 3 : 2);
  };

  // Four significant digits, for where there is little room.
  FuseLab.shortenNumber = function (value) {
    const size = Math.abs(value);
    return size < 1e5 ? value.toFixed(size < 1 ? 4 : size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0) : FuseLab.formatNumber(value);
  };

  // What is kept behind the "#" of the address: {scene: "name", view: "all", ...}.
  FuseLab.address = {
    read() {
      return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    },
    // Changes some values (null takes one away); push makes a new step for the back button.
    write(values, push = false) {
      const all = { ...this.read(), ...values };
      const words = Object.entries(all).filter(([, value]) => value !== null)
        .map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
      const url = words.length ? `#${words.join("&")}` : location.href.split("#")[0];
      if (push) history.pushState(null, "", url);
      else history.replaceState(null, "", url);
    },
  };

  FuseLab.linkToScene = (name) => `#scene=${encodeURIComponent(name)}`;

  // A key that belongs to a box one is typing in, or that means something to the browser, is not ours.
  FuseLab.isTyping = (event) => event.ctrlKey || event.metaKey || event.altKey
    || event.target.matches("select, textarea, input:not([type=range]):not([type=checkbox])");

  // A file from disk may not use the clipboard's own interface in every browser.
  FuseLab.copyText = function (text) {
    const box = FuseLab.make("textarea", { class: "unseen" });
    box.value = text;
    document.body.append(box);
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    return done;
  };
})();
