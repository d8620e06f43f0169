"use strict";
{
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const canvas = document.getElementById("map-canvas");
  const context = canvas.getContext("2d");
  const points = data.rows.map((_, i) => i);
  const pictures = new Map();
  const MARGIN = 0.92; // of the plane is used when all is in sight
  const REACH = 16; // pixels within which the pointer finds an image
  const MOST_PICTURES = 60; // drawn on the map at once
  const SIDE = 44; // pixels of a picture on the map
  const DEEPEST = 200; // times

  let width = 0;
  let height = 0;
  let zoom = 1;
  let center = [0.5, 0.5];
  let chosen = -1; // point
  let only = -1; // cluster; -1 is all

  const scale = () => zoom * MARGIN * Math.min(width, height);
  const toScreen = (x, y) => [
    (x - center[0]) * scale() + width / 2,
    (y - center[1]) * scale() + height / 2,
  ];
  const place = (i) => toScreen(data.x[i], data.y[i]);
  const isShown = (i) => only < 0 || data.clusters[i] === only;
  const isInSight = ([x, y], beyond) =>
    x >= -beyond && y >= -beyond && x <= width + beyond && y <= height + beyond;


  function picture(i) {
    if (!pictures.has(i)) {
      const image = new Image();
      image.onload = requestDraw;
      image.src = source(i);
      pictures.set(i, image);
    }
    return pictures.get(i);
  }

  function source(i) {
    return data.pictures[i] === null
      ? document.getElementById(`image-${data.rows[i]}`).getAttribute("src")
      : `data:image/webp;base64,${data.pictures[i]}`;
  }

  let isRequested = false;
  function requestDraw() {
    if (isRequested) return;
    isRequested = true;
    requestAnimationFrame(() => {
      isRequested = false;
      draw();
    });
  }

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const colors = new Map(data.labels.map((i) => [data.clusters[i], colorOf(data.clusters[i])]));
    const color = (cluster) => colors.get(cluster);
    const ink = style.getPropertyValue("--ink");
    const paper = style.getPropertyValue("--paper");
    context.clearRect(0, 0, width, height);
    const seen = points.filter((i) => isShown(i) && isInSight(place(i), SIDE / 2));
    drawDots(color);
    const hasRoom = seen.length <= MOST_PICTURES;
    if (hasRoom) drawPictures(seen, color);
    drawLabels(ink, paper);
    if (chosen >= 0) drawRing(place(chosen), hasRoom ? 0.75 * SIDE : 8, ink);
  }

  function colorOf(cluster) {
    return getComputedStyle(document.getElementById(`cluster-${cluster}`)).borderLeftColor;
  }

  function drawDots(color) {
    const radius = Math.min(5, (points.length > 2000 ? 1.8 : 2.6) * zoom ** 0.3);
    for (const i of points) {
      const [x, y] = place(i);
      context.globalAlpha = isShown(i) ? 0.85 : 0.1;
      context.fillStyle = color(data.clusters[i]);
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  function drawPictures(seen, color) {
    context.imageSmoothingEnabled = !document.body.classList.contains("enlarged");
    for (const i of seen) {
      const image = picture(i);
      if (!image.complete || !image.naturalWidth) continue;
      const [x, y] = place(i);
      const grown = SIDE / Math.max(image.naturalWidth, image.naturalHeight);
      const [w, h] = [image.naturalWidth * grown, image.naturalHeight * grown];
      context.drawImage(image, x - w / 2, y - h / 2, w, h);
      context.strokeStyle = color(data.clusters[i]);
      context.lineWidth = 2;
      context.strokeRect(x - w / 2, y - h / 2, w, h);
    }
  }

  function drawLabels(ink, paper) {
    context.font = "600 13px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 4;
    context.lineJoin = "round";
    for (const i of data.labels.filter(isShown)) {
      const [x, y] = place(i);
      const name = data.clusters[i] < 0 ? "outliers" : data.clusters[i];
      context.strokeStyle = paper;
      context.strokeText(name, x, y);
      context.fillStyle = ink;
      context.fillText(name, x, y);
    }
  }

  function drawRing([x, y], radius, ink) {
    context.strokeStyle = ink;
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.stroke();
  }


  function choose(i) {
    if (i === chosen) return;
    chosen = i;
    const image = document.getElementById("shown-picture");
    image.src = source(i);
    image.alt = data.names[i];
    image.hidden = false;
    document.getElementById("shown-name").textContent = data.names[i];
    const link = document.createElement("a");
    link.href = `#cluster-${data.clusters[i]}`;
    link.textContent = data.clusters[i] < 0 ? "outlier" : `cluster ${data.clusters[i]}`;
    document.getElementById("shown-cluster").replaceChildren(link, `, ${probability(data.percents[i])}`);
    requestDraw();
  }

  function probability(percent) {
    if (percent >= 99.5) return "over 99 %";
    return percent < 0.5 ? "under 1 %" : `${Math.round(percent)} %`;
  }

  function nearest(x, y, isFit) {
    let best = -1;
    let least = Infinity;
    for (const i of points) {
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
    // Within 45 degrees of the arrow, from the point chosen last.
    const isAhead = (ax, ay, i) => i !== chosen && ax * dx + ay * dy >= Math.abs(ax * dy - ay * dx);
    const next = chosen < 0 ? nearest(x, y, () => true) : nearest(x, y, isAhead);
    if (next < 0) return;
    choose(next);
    if (!isInSight(place(next), 0)) center = [data.x[next], data.y[next]];
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

  const keys = {
    ArrowLeft: () => step(-1, 0),
    ArrowRight: () => step(1, 0),
    ArrowUp: () => step(0, -1),
    ArrowDown: () => step(0, 1),
    "+": () => zoomHere(1.5),
    "=": () => zoomHere(1.5),
    "-": () => zoomHere(1 / 1.5),
    0: showAll,
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
    requestDraw();
  });

  let grip = null; // where the pointer took hold of the map
  canvas.addEventListener("pointerdown", (event) => {
    canvas.focus({ preventScroll: true });
    if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId);
    grip = event.pointerType === "mouse" ? [event.offsetX, event.offsetY] : null;
    find(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!grip) return find(event);
    center = [
      center[0] - (event.offsetX - grip[0]) / scale(),
      center[1] - (event.offsetY - grip[1]) / scale(),
    ];
    grip = [event.offsetX, event.offsetY];
    requestDraw();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (grip = null));
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
  }

  document.getElementById("map-in").addEventListener("click", () => zoomHere(1.5));
  document.getElementById("map-out").addEventListener("click", () => zoomHere(1 / 1.5));
  document.getElementById("map-all").addEventListener("click", showAll);
  document.getElementById("map-cluster").addEventListener("change", (event) => {
    only = Number(event.target.value);
    requestDraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", requestDraw);

  new ResizeObserver(() => {
    [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    draw();
  }).observe(canvas);
}
