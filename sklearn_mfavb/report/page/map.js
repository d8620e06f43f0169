// The map: where images are, and how they are drawn.

const canvas = byId("map-canvas");
const screen_ = canvas.getContext("2d");
// All but the ring and the lasso, which change with every move of the pointer.
const layer = document.createElement("canvas");
const context = layer.getContext("2d");
const pictures = new Map();
const MARGIN = 0.92; // of the plane is used when all is in sight
const PLACES = 10000; // of a coordinate, from end to end
const MOST_PICTURES = 60; // drawn on the map at once
const SIDE = 44; // pixels of a picture on the map
const DEEPEST = 200; // times

let width = 0;
let height = 0;
let zoom = 1;
let center = [0.5, 0.5];
let chosen = -1; // image
let only = ""; // name of a cluster, or OUTLIERS; empty is all
let lasso = []; // corners, in pixels

const scale = () => zoom * MARGIN * Math.min(width, height);
const toScreen = (x, y) => [
  (x / PLACES - center[0]) * scale() + width / 2,
  (y / PLACES - center[1]) * scale() + height / 2,
];
const place = (i) => toScreen(data.x[i], data.y[i]);
const isShown = (i) => !only || nameOf(i) === (only === OUTLIERS ? undefined : only);
const isInSight = ([x, y], beyond) =>
  x >= -beyond && y >= -beyond && x <= width + beyond && y <= height + beyond;

function picture(i) {
  if (!pictures.has(i)) {
    const image = new Image();
    image.onload = () => requestDraw();
    image.src = source(i);
    pictures.set(i, image);
  }
  return pictures.get(i);
}

let isRequested = false;
let isStale = true;
function requestDraw(isChanged = true) {
  isStale ||= Boolean(isChanged);
  if (isRequested) return;
  isRequested = true;
  requestAnimationFrame(() => {
    isRequested = false;
    draw();
  });
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  const [ink, paper] = ["--ink", "--paper"].map((name) => style.getPropertyValue(name));
  if (isStale) drawLayer(ink, paper);
  screen_.clearRect(0, 0, width, height);
  screen_.drawImage(layer, 0, 0, width, height);
  if (lasso.length) drawLasso(ink);
  if (chosen >= 0) drawRing(place(chosen), hasRoom && isShown(chosen) ? 0.75 * SIDE : 8, ink);
  moveTip();
}

let hasRoom = false; // for pictures
function drawLayer(ink, paper) {
  const color = shades();
  context.clearRect(0, 0, width, height);
  const seen = everyImage.filter((i) => isShown(i) && isInSight(place(i), SIDE / 2));
  drawDots(color, ink);
  hasRoom = seen.length <= MOST_PICTURES;
  if (hasRoom) drawPictures(seen, color);
  drawLabels(ink, paper);
  isStale = false;
}

// Colors as the style sheet shades them, lighter in the dark.
function shades() {
  const known = new Map();
  const probe = byId("color-probe");
  return (i) => {
    const name = nameOf(i);
    if (!known.has(name)) {
      probe.style.setProperty("--base", colorOf(name) ?? "#808080");
      known.set(name, getComputedStyle(probe).color);
    }
    return known.get(name);
  };
}

function drawDots(color, ink) {
  const radius = Math.min(5, (everyImage.length > 2000 ? 1.8 : 2.6) * zoom ** 0.3);
  for (const i of everyImage) {
    const [x, y] = place(i);
    context.globalAlpha = isShown(i) ? 0.85 : 0.1;
    context.fillStyle = color(i);
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
    if (!selection.has(i)) continue;
    context.globalAlpha = 1;
    context.strokeStyle = ink;
    context.lineWidth = 1.2;
    context.stroke();
  }
  context.globalAlpha = 1;
}

// Pictures in one place would hide each other: the first is drawn.
function drawPictures(seen, color) {
  context.imageSmoothingEnabled = !document.body.classList.contains("enlarged");
  const taken = [];
  for (const i of seen) {
    const [x, y] = place(i);
    const isFree = taken.every(([tx, ty]) => Math.abs(tx - x) > 0.8 * SIDE || Math.abs(ty - y) > 0.8 * SIDE);
    const image = picture(i);
    if (!isFree || !image.complete || !image.naturalWidth) continue;
    taken.push([x, y]);
    const grown = SIDE / Math.max(image.naturalWidth, image.naturalHeight);
    const [w, h] = [image.naturalWidth * grown, image.naturalHeight * grown];
    context.drawImage(image, x - w / 2, y - h / 2, w, h);
    context.strokeStyle = color(i);
    context.lineWidth = 2;
    context.strokeRect(x - w / 2, y - h / 2, w, h);
  }
}

// Names of clusters amid their images; where two would overlap, the first stays.
function drawLabels(ink, paper) {
  Object.assign(context, { font: "600 13px system-ui, sans-serif", textAlign: "center", textBaseline: "middle" });
  Object.assign(context, { lineWidth: 4, lineJoin: "round", strokeStyle: paper, fillStyle: ink });
  const taken = [];
  const written = new Set();
  for (const i of data.labels.filter(isShown)) {
    const name = nameOf(i) ?? "rejected";
    const half = context.measureText(name).width / 2 + 2;
    let [x, y] = place(i);
    if (isInSight([x, y], 0)) x = Math.max(half, Math.min(width - half, x));
    const isFree = taken.every(([tx, ty, th]) => Math.abs(tx - x) > th + half || Math.abs(ty - y) > 16);
    if (written.has(name) || !isFree) continue;
    taken.push([x, y, half]);
    written.add(name);
    context.strokeText(name, x, y);
    context.fillText(name, x, y);
  }
}

function drawRing([x, y], radius, ink) {
  screen_.strokeStyle = ink;
  screen_.lineWidth = 2.5;
  screen_.beginPath();
  screen_.arc(x, y, radius, 0, 2 * Math.PI);
  screen_.stroke();
}

function drawLasso(ink) {
  screen_.strokeStyle = ink;
  screen_.lineWidth = 1.5;
  screen_.setLineDash([5, 4]);
  screen_.beginPath();
  for (const [x, y] of lasso) screen_.lineTo(x, y);
  screen_.closePath();
  screen_.stroke();
  screen_.setLineDash([]);
}

// Whether a point lies in a polygon: a ray from it crosses an odd number of sides.
function isInside([x, y], corners) {
  let inside = false;
  corners.forEach(([ax, ay], k) => {
    const [bx, by] = corners[(k + 1) % corners.length];
    if (ay > y !== by > y && x < ax + ((bx - ax) * (y - ay)) / (by - ay)) inside = !inside;
  });
  return inside;
}

function setCanvas(newWidth, newHeight) {
  [width, height] = [newWidth, newHeight];
  for (const each of [screen_, context]) {
    each.canvas.width = width * devicePixelRatio;
    each.canvas.height = height * devicePixelRatio;
    each.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  }
  isStale = true;
  if (width && height) draw();
}

const fitCanvas = () => setCanvas(canvas.clientWidth, canvas.clientHeight);

// Paper is narrower than the screen: the style sheet gives the map this size there.
const drawForPaper = () => setCanvas(640, 480);

new ResizeObserver(fitCanvas).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => requestDraw());
