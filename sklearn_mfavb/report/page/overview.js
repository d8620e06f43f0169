// The contact sheet: a card for each cluster as it is now.

const N_PICTURES = 4;
const ORDERS = {
  number: (a, b) => a.number - b.number,
  size: (a, b) => b.size - a.size,
  confidence: (a, b) => a.confidence - b.confidence,
  name: (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }),
};

// A cluster whose images have all been moved is gone.
const isLeft = ({ size, clusters }) => size > 0 || clusters.some((cluster) => !data.sizes[cluster]);
const mean = (values) => values.reduce((sum, each) => sum + each, 0) / values.length;

function typical(group) {
  const chosen = group.clusters.flatMap((cluster) => data.typical[cluster]);
  const kept = chosen.filter((i) => nameOf(i) === group.name);
  return (kept.length ? kept : group.images).slice(0, N_PICTURES);
}

function card(group, largest) {
  const pictures = typical(group).map((i) => element("img", { src: source(i), alt: "" }));
  const target = group.clusters.length ? `#cluster-${group.clusters[0]}` : `#${madeId(group.name)}`;
  const bar = element("span", { className: "bar" }, element("span"));
  bar.firstChild.style.width = `${(100 * group.size) / largest}%`;
  const confidence = group.images.length ? probability(group.confidence) : "empty";
  const item = element(
    "li",
    {},
    element("a", { href: target }, element("span", { className: "pictures" }, ...pictures), element("strong", {}, group.name)),
    element("span", { className: "hint" }, `${count(group.size, "image")}, ${confidence}`),
    bar,
  );
  item.style.setProperty("--base", colorOf(group.name));
  return item;
}

function drawOverview(groups) {
  const shown = [...groups.values()].filter(isLeft).map((group) => ({
    ...group,
    number: group.clusters[0] ?? Infinity,
    confidence: mean(group.images.map((i) => data.percents[i])),
  }));
  shown.sort(ORDERS[byId("overview-order").value]);
  const largest = Math.max(1, ...shown.map((group) => group.size));
  byId("overview").replaceChildren(...shown.map((group) => card(group, largest)));
}

byId("overview-order").addEventListener("change", () => drawOverview(listGroups()));
