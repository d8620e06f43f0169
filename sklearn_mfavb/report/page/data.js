// The images of the page, by position: what Python wrote, and how it is said.

const data = JSON.parse(document.getElementById("page-data").textContent);
const everyImage = data.rows.map((_, i) => i);
const byId = (id) => document.getElementById(id);

// Pictures that stand in the gallery are not written again in the data.
function source(i) {
  return data.pictures[i] === null
    ? byId(`image-${data.rows[i]}`).getAttribute("src")
    : `data:image/webp;base64,${data.pictures[i]}`;
}

// The address of the original file, or null where images are no files.
function address(i) {
  if (!data.address) return null;
  return data.addresses[i] ?? [data.address, ...data.names[i].split("/").map(encodeURIComponent)].join("/");
}

function probability(percent) {
  if (percent >= 99.5) return "over 99 %";
  return percent < 0.5 ? "under 1 %" : `${Math.round(percent)} %`;
}

// File names differ at their end: cut them in the middle.
function shorten(name) {
  return name.length > 16 ? `${name.slice(0, 6)}…${name.slice(-9)}` : name;
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

// An element with properties and children; texts are never parsed as HTML.
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
