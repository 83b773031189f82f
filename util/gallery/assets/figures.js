// The pictures of a scene beside each other, each with its title and its scores.
(function () {
  "use strict";
  const { make, toUrl } = FuseLab;
  const NARROWEST = 148; // CSS pixels of a column: where all do not fit, they go in several lines
  const LARGEST = 440; // as in rows.css

  // How many columns go into a line, so that all lines are about equally full.
  FuseLab.countColumns = function (width, count) {
    const fitting = Math.max(Math.min(2, count), Math.floor(width / NARROWEST));
    const lines = Math.ceil(count / fitting);
    return Math.max(1, Math.ceil(count / lines));
  };

  // Height by width of a scene's pictures.
  FuseLab.findRatio = function (scene) {
    if (scene.ratio) return scene.ratio;
    const picture = scene.pictures.find((each) => each?.width);
    return picture ? Math.min(picture.height / picture.width, 1.6) : 0.75;
  };

  // -> scene -> the height in CSS pixels that its pictures will have in `container`, without their titles. The page is
  // measured once, for all scenes: a measurement between two changes costs the layout of the whole page.
  FuseLab.measurePictures = function (container, count) {
    const columns = FuseLab.countColumns(container.clientWidth, count);
    const gap = parseFloat(getComputedStyle(container).columnGap) || 0;
    const width = Math.min(LARGEST, (container.clientWidth - gap * (columns - 1)) / columns);
    return (scene) => Math.ceil(count / columns) * width * FuseLab.findRatio(scene);
  };

  // The part of the link that a click follows: the viewer reads data-label.
  FuseLab.makePicture = function (scene, column, picture, link = {}) {
    if (!picture) return make("p", { class: "picture missing" }, "none");
    if (picture.width === 0) {
      return make("p", { class: "picture missing" }, "missing or unreadable: ", make("span", {}, picture.file));
    }
    return make("a", { class: "picture", href: toUrl(picture.file), "data-label": column.label, ...link },
      FuseLab.makeThumbnail(picture, `${column.title} of ${scene.name}`));
  };

  FuseLab.makeThumbnail = (picture, alt) => make("img", {
    src: toUrl(picture.thumbnail), width: picture.width, height: picture.height, alt, loading: "lazy", decoding: "async",
    draggable: "false",
  });

  // makeExtras(scene, column) gives what goes below a picture's title, or null.
  FuseLab.makeFigures = function (scene, columns, makeExtras = () => null) {
    const figures = make("div", { class: "figures", style: `--ratio: ${FuseLab.findRatio(scene)}` });
    for (const column of columns) {
      figures.append(make("figure", { class: column.kind, "data-column": column.label },
        FuseLab.makePicture(scene, column, scene.pictures[column.index]),
        make("figcaption", {}, column.title), makeExtras(scene, column)));
    }
    return figures;
  };
})();
