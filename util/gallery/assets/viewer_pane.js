// The panes of the viewer: one picture, or two in one place, each with its title.
(function () {
  "use strict";
  const { make, toUrl } = FuseLab;

  // onsize(width, height) is told the pictures' size as soon as one of them is there.
  function makeLayer(scene, column, onsize) {
    const image = make("img", { alt: `${column.title} of ${scene.name}`, draggable: "false", decoding: "async" });
    image.addEventListener("load", () => onsize(image.naturalWidth, image.naturalHeight));
    image.addEventListener("error", () => image.closest(".pane")?.classList.add("broken"));
    image.src = toUrl(scene.pictures[column.index].file);
    return make("div", { class: "layer" }, image);
  }

  // other: the column that the pane blinks to.
  FuseLab.makePane = function (scene, column, other, note, onsize) {
    return finishPane(scene, other, onsize, column,
      make("div", { class: "area" }, makeLayer(scene, column, onsize)),
      make("span", { class: "title" }, column.title), note);
  };

  FuseLab.makeComparisonPane = function (scene, left, right, options, onsize) {
    const comparison = FuseLab.makeComparison(
      makeLayer(scene, left, onsize), makeLayer(scene, right, onsize), [left.title, right.title], options);
    comparison.classList.add("area");
    const text = options.mode === "slider" ? `${left.title} | ${right.title}` : `|${left.title} − ${right.title}|`;
    const pane = finishPane(scene, right, onsize, left, comparison, make("span", { class: "title" }, text), null);
    pane.comparison = comparison;
    return pane;
  };

  function finishPane(scene, other, onsize, column, area, title, note) {
    const pane = make("figure", { class: "pane", "data-column": column.label });
    if (other && other !== column) {
      const blink = makeLayer(scene, other, onsize);
      blink.classList.add("blink"); // there beforehand, so that blinking does not wait
      blink.firstChild.decoding = "sync"; // nor shows an empty frame first
      area.append(blink);
    }
    pane.append(area, make("figcaption", {}, title,
      make("span", { class: "title blink" }, other ? other.title : ""), note));
    return pane;
  }

  // The number of columns of panes that leaves most room to the pictures.
  FuseLab.arrangePanes = function (count, surface, picture) {
    let best = { columns: 1, zoom: 0 };
    for (let columns = 1; columns <= count; columns += 1) {
      const lines = Math.ceil(count / columns);
      const zoom = Math.min(
        surface.clientWidth / columns / picture.width, (surface.clientHeight / lines - 30) / picture.height);
      if (zoom > best.zoom) best = { columns, zoom };
    }
    return best.columns;
  };
})();
