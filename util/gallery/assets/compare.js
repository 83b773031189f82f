// Two pictures in one place: a slider between them, or their difference.
(function () {
  "use strict";
  const { make } = FuseLab;

  // left, right: elements of the same size; titles: their names.
  // mode "slider": left is seen left of a line, right at its other side; the line goes by mouse, finger and arrow keys.
  // mode "difference": |left - right|, made brighter. The browser computes it: a script may not read a file's pixels.
  // Returns an element with setPosition(0..1) or setGain(factor).
  FuseLab.makeComparison = function (left, right, titles, { mode, position = 0.5, gain = 4, onchange = () => {} }) {
    return mode === "slider" ? makeSlider(left, right, titles, position, onchange) : makeDifference(left, right, titles, gain);
  };

  function makeSlider(left, right, titles, position, onchange) {
    const over = make("div", { class: "over" }, left);
    const line = make("input", {
      type: "range", min: 0, max: 1, step: 0.005, class: "line",
      "aria-label": `line between ${titles[0]} at the left and ${titles[1]} at the right`,
    });
    const element = make("div", { class: "comparison slider" },
      make("div", { class: "under" }, right), over, line, make("div", { class: "handle", "aria-hidden": "true" }),
      make("span", { class: "corner left" }, titles[0]), make("span", { class: "corner right" }, titles[1]));
    element.setPosition = (value) => {
      line.value = value;
      element.style.setProperty("--at", line.value);
      line.setAttribute("aria-valuetext", `${Math.round(line.value * 100)} % ${titles[0]}`);
    };
    line.addEventListener("input", () => {
      element.setPosition(line.value);
      onchange(Number(line.value));
    });
    element.setPosition(position);
    return element;
  }

  function makeDifference(left, right, titles, gain) {
    const blend = make("div", { class: "blend" }, left, right);
    const element = make("div", { class: "comparison difference" }, blend,
      make("span", { class: "corner left" }, `|${titles[0]} − ${titles[1]}|`));
    element.setGain = (value) => blend.style.setProperty("--gain", value);
    element.setGain(gain);
    return element;
  }
})();
