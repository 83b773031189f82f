// The gallery's data: scenes with their pictures and scores, and which of them are shown in which order.
(function () {
  "use strict";
  const byName = new Intl.Collator(undefined, { numeric: true });
  const SPELLED = { inf: Infinity, "-inf": -Infinity }; // JSON knows no infinity; null is "no value"

  const readNumber = (value) => (value === null ? NaN : SPELLED[value] ?? value);

  // -> {columns, methods, metrics, means[method][metric], scenes: [{name, pictures[column], scores[method][metric]}]}
  FuseLab.readGallery = function (text) {
    const gallery = JSON.parse(text);
    gallery.columns.forEach((column, index) => { column.index = index; });
    gallery.metrics.forEach((metric, index) => { metric.index = index; });
    gallery.means = gallery.means.map((row) => row.map(readNumber));
    for (const scene of gallery.scenes) {
      scene.scores = scene.scores.map((row) => row.map(readNumber));
      scene.pictures = scene.pictures.map((picture) => {
        if (!picture) return null;
        const [file, thumbnail, width = 0, height = 0] = picture;
        return { file, thumbnail, width, height };
      });
    }
    return gallery;
  };

  // A number that is smaller the better the value is, as Metric.loss.
  FuseLab.findLoss = (metric, value) => ({ up: -value, down: value, zero: Math.abs(value) }[metric.direction]);

  // Compares two losses; no value comes last.
  FuseLab.compareLosses = function (one, other, sign = 1) {
    if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
    return one === other ? 0 : one < other ? -sign : sign;
  };

  // order: {filter, sort: "" (as given), "name" or a metric's name, method: its index, reverse: worst or Z first, count}
  FuseLab.chooseScenes = function (gallery, { filter, sort, method, reverse, count }) {
    const wanted = filter.trim().toLowerCase();
    const found = gallery.scenes.filter((scene) => scene.name.toLowerCase().includes(wanted));
    const sign = reverse ? -1 : 1;
    const metric = gallery.metrics.find((each) => each.name === sort);
    if (metric) {
      const lossOf = (scene) => FuseLab.findLoss(metric, scene.scores[method][metric.index]);
      found.sort((one, other) => FuseLab.compareLosses(lossOf(one), lossOf(other), sign));
    } else if (sort === "name") {
      found.sort((one, other) => sign * byName.compare(one.name, other.name));
    }
    return { found: found.length, scenes: found.slice(0, count) };
  };

  // The methods (indices) that are best in a scene, where several have a value.
  FuseLab.findBest = function (scene, metric) {
    const losses = scene.scores.map((row) => FuseLab.findLoss(metric, row[metric.index]));
    const known = losses.filter((loss) => !Number.isNaN(loss));
    if (known.length < 2) return [];
    const best = Math.min(...known);
    return losses.flatMap((loss, method) => (loss === best ? [method] : []));
  };
})();
