// Pictures with captions, and the box that shows one large.

function caption(i) {
  const name = nameOf(i);
  const isTold = name === undefined || name !== data.clusterNames[data.clusters[i]];
  return [
    element("span", { className: "name" }, shorten(data.names[i])),
    likelihood(i),
    ...(isTold ? [element("br"), name === undefined ? "outlier" : (name ?? "rejected")] : []),
  ];
}

function figure(i) {
  const image = element("img", { src: source(i), alt: data.names[i], title: data.names[i], loading: "lazy" });
  const button = element("button", { type: "button", className: "picture", "data-image": i }, image);
  return element("li", {}, element("figure", {}, button, element("figcaption", {}, ...caption(i))));
}

// Many pictures take long to lay out: more come when they are asked for.
const AT_ONCE = 300;
function fillWith(list, images, from = 0) {
  if (!from) list.replaceChildren();
  list.append(...images.slice(from, from + AT_ONCE).map(figure));
  if (images.length <= from + AT_ONCE) return;
  const more = element("button", { type: "button" }, `${count(images.length - from - AT_ONCE, "more image")}`);
  const item = element("li", { className: "more" }, more);
  more.addEventListener("click", () => {
    item.remove();
    fillWith(list, images, from + AT_ONCE);
    list.querySelectorAll(".picture")[from + AT_ONCE].focus();
  });
  list.append(item);
}

const lightbox = byId("lightbox");
let inBox = -1; // image
let around = []; // images that the arrows step through

function enlarge(i, neighbors) {
  inBox = i;
  around = neighbors ?? around;
  const name = nameOf(i);
  const address_ = address(i);
  Object.assign(byId("large-picture"), { src: source(i), alt: data.names[i] });
  byId("large-name").textContent = data.names[i];
  const known = typeof name === "string" ? name : name === null ? "rejected" : "outlier";
  const second = data.others.length ? ` Next likely: ${data.clusterNames[data.others[i]]}, ${probability(data.otherPercents[i])}.` : "";
  byId("large-cluster").textContent = `${known}, ${likelihood(i)}.${second}`;
  byId("large-original").hidden = address_ === null;
  if (address_ !== null) byId("large-original").href = address_;
  byId("large-select").setAttribute("aria-pressed", selection.has(i));
  byId("large-alike").replaceChildren(...data.alike[i].map(figure));
  if (!lightbox.open) lightbox.showModal();
}

function stepInBox(by) {
  const next = around[around.indexOf(inBox) + by];
  if (next !== undefined) enlarge(next);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-image]");
  if (!button) return;
  const list = button.closest("ul");
  const images = [...(list?.querySelectorAll("[data-image]") ?? [])].map((each) => Number(each.dataset.image));
  const isAlike = list?.id === "large-alike";
  enlarge(Number(button.dataset.image), isAlike ? undefined : images);
});
lightbox.addEventListener("click", (event) => event.target === lightbox && lightbox.close());
lightbox.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") stepInBox(-1);
  if (event.key === "ArrowRight") stepInBox(1);
});
byId("large-close").addEventListener("click", () => lightbox.close());
byId("large-before").addEventListener("click", () => stepInBox(-1));
byId("large-after").addEventListener("click", () => stepInBox(1));
byId("large-select").addEventListener("click", () => {
  toggle(inBox);
  byId("large-select").setAttribute("aria-pressed", selection.has(inBox));
});
byId("large-map").addEventListener("click", () => {
  lightbox.close();
  showOnMap(inBox);
});
