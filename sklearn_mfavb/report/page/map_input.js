// The map: pointer, keys, lasso and buttons.

const REACH = 16; // pixels within which the pointer finds an image
const tip = byId("map-shown");

function choose(i) {
  if (i === chosen) return;
  chosen = i;
  Object.assign(byId("shown-picture"), { src: source(i), alt: data.names[i], hidden: false });
  byId("shown-name").textContent = data.names[i];
  const name = nameOf(i);
  const known = name === undefined ? "outlier" : (name ?? "rejected");
  byId("shown-cluster").textContent = `${known}, ${likelihood(i)}`;
  tip.hidden = false;
  requestDraw(false);
}

function unchoose() {
  chosen = -1;
  tip.hidden = true;
  requestDraw();
}

// The picture stands beside the image, on the side that has room.
function moveTip() {
  if (chosen < 0) return;
  const [x, y] = place(chosen);
  tip.hidden = !isInSight([x, y], 0);
  const left = x > width / 2 ? x - tip.offsetWidth - 18 : x + 18;
  const top = Math.max(4, Math.min(y - tip.offsetHeight / 2, height - tip.offsetHeight - 4));
  Object.assign(tip.style, { left: `${Math.max(4, left)}px`, top: `${top}px` });
}

function nearest(x, y, isFit) {
  let best = -1;
  let least = Infinity;
  for (const i of everyImage) {
    const [px, py] = place(i);
    const distance = Math.hypot(px - x, py - y);
    if (distance < least && isShown(i) && isFit(px - x, py - y, i)) {
      best = i;
      least = distance;
    }
  }
  return best;
}

function step(dx, dy) {
  const [x, y] = chosen < 0 ? [width / 2, height / 2] : place(chosen);
  // Within 45 degrees of the arrow, from the image chosen last.
  const isAhead = (ax, ay, i) => i !== chosen && ax * dx + ay * dy >= Math.abs(ax * dy - ay * dx);
  const next = chosen < 0 ? nearest(x, y, () => true) : nearest(x, y, isAhead);
  if (next < 0) return;
  choose(next);
  if (!isInSight(place(next), 0)) center = [data.x[next] / PLACES, data.y[next] / PLACES];
}

// By key or button, the image chosen last stays where it is.
function zoomHere(factor) {
  const at = chosen >= 0 ? place(chosen) : [-1, -1];
  zoomBy(factor, ...(isInSight(at, 0) ? at : [width / 2, height / 2]));
}

function zoomBy(factor, x, y) {
  const before = scale();
  zoom = Math.min(DEEPEST, Math.max(1, zoom * factor));
  // What is under (x, y) stays there.
  const shift = 1 / before - 1 / scale();
  center = [center[0] + (x - width / 2) * shift, center[1] + (y - height / 2) * shift];
  requestDraw();
}

function showAll() {
  zoom = 1;
  center = [0.5, 0.5];
  requestDraw();
}

// All of some images, as large as the plane allows.
function fit(images) {
  const [low, high] = [Math.min, Math.max].map((of) => [data.x, data.y].map((axis) => of(...images.map((i) => axis[i])) / PLACES));
  center = low.map((value, axis) => (value + high[axis]) / 2);
  const extent = Math.max((high[0] - low[0]) / width, (high[1] - low[1]) / height) * Math.min(width, height);
  zoom = Math.min(DEEPEST, Math.max(1, 0.95 / Math.max(extent, 0.01)));
  requestDraw();
}

function showOnMap(i) {
  byId("map-cluster").value = only = "";
  byId("map").scrollIntoView();
  center = [data.x[i] / PLACES, data.y[i] / PLACES];
  zoom = Math.max(zoom, 6);
  choose(i);
  canvas.focus({ preventScroll: true });
}

function drawFilter(groups) {
  const options = [...groups.values()].filter((group) => group.images.length);
  const hasOutliers = listOutliers().length > 0;
  byId("map-cluster").replaceChildren(
    element("option", { value: "" }, "all clusters"),
    ...options.map(({ name }) => element("option", { value: name }, name)),
    ...(hasOutliers ? [element("option", { value: OUTLIERS }, "outliers")] : []),
  );
  if (only === OUTLIERS ? !hasOutliers : !groups.has(only)) only = "";
  byId("map-cluster").value = only;
}

const keys = {
  ArrowLeft: () => step(-1, 0),
  ArrowRight: () => step(1, 0),
  ArrowUp: () => step(0, -1),
  ArrowDown: () => step(0, 1),
  "+": () => zoomHere(1.5),
  "=": () => zoomHere(1.5),
  "-": () => zoomHere(1 / 1.5),
  0: showAll,
  " ": () => chosen >= 0 && toggle(chosen),
  Enter: () => chosen >= 0 && enlarge(chosen, []),
  Escape: unchoose,
};
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
  requestDraw();
});

const lassoButton = byId("map-lasso");
const isLasso = () => lassoButton.getAttribute("aria-pressed") === "true";
lassoButton.addEventListener("click", () => {
  lassoButton.setAttribute("aria-pressed", !isLasso());
  canvas.classList.toggle("lasso", isLasso());
});

let grip = null; // where the pointer took hold of the map
let hasMoved = false;
canvas.addEventListener("pointerdown", (event) => {
  canvas.focus({ preventScroll: true });
  hasMoved = false;
  const draws = isLasso() || event.shiftKey;
  if (draws) lasso = [[event.offsetX, event.offsetY]];
  else grip = event.pointerType === "mouse" ? [event.offsetX, event.offsetY] : null;
  if (draws || grip) {
    try {
      canvas.setPointerCapture(event.pointerId);
    } catch {
      // A pointer that a test has made.
    }
  }
  if (!draws) find(event);
});
canvas.addEventListener("pointermove", (event) => {
  const at = [event.offsetX, event.offsetY];
  if (lasso.length) {
    lasso.push(at);
    requestDraw(false);
  } else if (grip) {
    if (Math.hypot(at[0] - grip[0], at[1] - grip[1]) > 3) hasMoved = true;
    if (!hasMoved) return;
    center = center.map((value, axis) => value - (at[axis] - grip[axis]) / scale());
    grip = at;
    requestDraw();
  } else find(event);
});
canvas.addEventListener("pointerup", (event) => {
  if (lasso.length > 2) select(everyImage.filter((i) => isShown(i) && isInside(place(i), lasso)));
  else if (!hasMoved && find(event) === chosen && chosen >= 0 && event.pointerType === "mouse") enlarge(chosen, []);
  [lasso, grip] = [[], null];
  requestDraw();
});
canvas.addEventListener("pointercancel", () => ([lasso, grip] = [[], null]));
canvas.addEventListener(
  "wheel",
  (event) => {
    // The page scrolls on unless the map was clicked.
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
  },
  { passive: false },
);

function find(event) {
  const i = nearest(event.offsetX, event.offsetY, (dx, dy) => Math.hypot(dx, dy) < REACH);
  if (i >= 0) choose(i);
  return i;
}

byId("map-in").addEventListener("click", () => zoomHere(1.5));
byId("map-out").addEventListener("click", () => zoomHere(1 / 1.5));
byId("map-all").addEventListener("click", showAll);
byId("map-cluster").addEventListener("change", (event) => {
  only = event.target.value;
  if (only) fit(everyImage.filter(isShown));
  else showAll();
  unchoose();
});
tip.addEventListener("click", () => enlarge(chosen, []));
