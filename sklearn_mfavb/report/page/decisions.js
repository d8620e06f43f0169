// Names, merges, splits and rejections: a name for each cluster, and for images that
// were moved. Clusters of one name are one; null is rejected. The format is that of
// sklearn_mfavb.decisions.

const storage = `mfavb ${data.document.model} ${document.body.dataset.images}`;
const untouched = () => ({ clusters: [...data.clusterNames], images: {} });
let decisions = recall();
const past = [];

function recall() {
  try {
    return JSON.parse(localStorage.getItem(storage)) ?? untouched();
  } catch {
    return untouched(); // a browser that keeps nothing for files
  }
}

function decide(edit) {
  past.push(structuredClone(decisions));
  edit(decisions);
  keep();
}

function undo() {
  decisions = past.pop() ?? decisions;
  keep();
}

function keep() {
  try {
    localStorage.setItem(storage, JSON.stringify(decisions));
  } catch {
    // Export still works.
  }
  refresh();
}

const isDecided = () => JSON.stringify(decisions) !== JSON.stringify(untouched());

// The name of an image's cluster; null: rejected; undefined: it never was in one.
function nameOf(i) {
  return i in decisions.images ? decisions.images[i] : decisions.clusters[data.clusters[i]];
}

// What stands for the name of outliers where names are texts; those are trimmed.
const OUTLIERS = " outliers";
const listOutliers = () => everyImage.filter((i) => nameOf(i) === undefined);

// How likely an image's cluster is; that of an outlier is only the nearest.
function likelihood(i) {
  const percent = probability(data.percents[i]);
  return data.clusters[i] < 0 ? `nearest ${data.clusterNames[data.nearest[i]]}, ${percent}` : percent;
}

// Every cluster as it is now, by name: its original clusters, images on the page, size.
function listGroups() {
  const groups = new Map();
  const group = (name) => {
    if (!groups.has(name)) groups.set(name, { name, clusters: [], images: [], size: 0 });
    return groups.get(name);
  };
  decisions.clusters.forEach((name, cluster) => {
    if (name === null) return;
    group(name).clusters.push(cluster);
    group(name).size += data.sizes[cluster];
  });
  for (const i of everyImage) {
    const [name, before] = [nameOf(i), decisions.clusters[data.clusters[i]]];
    if (typeof name === "string") group(name).images.push(i);
    if (name === before) continue;
    if (typeof name === "string") group(name).size += 1;
    if (typeof before === "string") group(before).size -= 1;
  }
  for (const each of groups.values()) each.images.sort((i, j) => data.percents[j] - data.percents[i]);
  return groups;
}

function colorOf(name) {
  if (typeof name !== "string") return null;
  const first = decisions.clusters.indexOf(name);
  if (first >= 0) return data.colors[first];
  const made = [...new Set(Object.values(decisions.images))].filter(
    (each) => each !== null && !decisions.clusters.includes(each),
  );
  const [n, nNew] = [data.clusterNames.length, data.colors.length - data.clusterNames.length];
  return data.colors[n + (made.indexOf(name) % nNew)];
}

// Another name for a cluster and all that was merged with it.
function rename(before, after) {
  after = after.trim();
  const isTaken = listGroups().has(after) && after !== before;
  if (after && after !== before && !isTaken) return merge(before, after);
  refresh();
  if (isTaken) announce(`There is a "${after}" already: choose another name, or use "merge with".`);
}

function merge(before, after) {
  decide(({ clusters, images }) => {
    clusters.forEach((name, cluster) => name === before && (clusters[cluster] = after));
    for (const i in images) if (images[i] === before) images[i] = after;
  });
}

function setCluster(cluster, name) {
  decide(({ clusters }) => (clusters[cluster] = name));
}

function move(images, name) {
  decide((now) => {
    for (const i of images) {
      if (now.clusters[data.clusters[i]] === name) delete now.images[i];
      else now.images[i] = name;
    }
  });
}

function exportDecisions() {
  const images = {};
  for (const i in decisions.images) images[data.names[i]] = decisions.images[i];
  const document_ = { ...data.document, clusters: decisions.clusters, images };
  download("decisions.json", `${JSON.stringify(document_, null, 2)}\n`, "application/json");
}

async function importDecisions(file) {
  let read;
  try {
    read = JSON.parse(await file.text());
  } catch {
    return announce(`${file.name} is no JSON file.`);
  }
  const isOurs = read.format === data.document.format && read.model === data.document.model;
  if (!isOurs || read.clusters?.length !== data.clusterNames.length)
    return announce(`${file.name} holds no decisions about this model.`);
  const position = new Map(data.names.map((name, i) => [name, i]));
  const found = Object.entries(read.images ?? {}).filter(([name]) => position.has(name));
  decide((now) => {
    now.clusters = read.clusters;
    now.images = Object.fromEntries(found.map(([name, to]) => [position.get(name), to]));
  });
}
