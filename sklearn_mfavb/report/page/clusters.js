// The section of each cluster: its name, what is decided about it, all its members.

const madeId = (name) => `made-${encodeURIComponent(name)}`;
const isSection = (each) => Number(each.dataset.cluster) >= 0;
const sections = [...document.querySelectorAll("section.cluster")].filter(isSection);

function drawClusters(groups) {
  for (const section of sections) drawCluster(section, Number(section.dataset.cluster), groups);
  if (byId("outliers")) drawAll(byId("outliers"), listOutliers());
  const made = [...groups.values()].filter((group) => !group.clusters.length);
  byId("made").replaceChildren(...made.map(makeSection));
}

function drawCluster(section, cluster, groups) {
  const name = decisions.clusters[cluster];
  const group = groups.get(name);
  const others = group ? group.clusters.filter((each) => each !== cluster) : [];
  section.classList.toggle("rejected", name === null);
  section.style.setProperty("--base", colorOf(name) ?? "#808080");
  const part = (role) => section.querySelector(`[data-role=${role}]`);
  part("title").textContent = name ?? `${data.clusterNames[cluster]} (rejected)`;
  const merged = group?.clusters.map((each) => `${data.clusterNames[each]}${each === cluster ? " (these images)" : ""}`);
  part("merged").textContent = others.length
    ? `merged from ${merged.join(" and ")}; ${count(group.size, "image")} together`
    : "";
  Object.assign(part("name"), { value: name ?? "", disabled: name === null });
  const options = [...groups.keys()].filter((each) => each !== name);
  part("merge").replaceChildren(
    element("option", { value: "" }, "merge with …"),
    ...(others.length ? [element("option", { value: "apart" }, "no other: take it apart")] : []),
    ...options.map((each) => element("option", { value: `=${each}` }, each)),
  );
  part("merge").disabled = name === null;
  part("reject").setAttribute("aria-pressed", name === null);
  drawAll(section, group?.images ?? []);
}

function drawAll(section, images) {
  const details = section.querySelector("[data-role=all]");
  details.hidden = !images.length;
  details.querySelector("summary").textContent = `show all ${count(images.length, "image")}`;
  const fill = () => details.open && fillWith(details.querySelector("ul"), images);
  details.ontoggle = fill;
  fill();
}

// A cluster that people made has no likeliest members: it shows all.
function makeSection(group) {
  const heading = element("h3", {}, group.name);
  const input = element("input", { value: group.name, "aria-label": `Name of ${group.name}` });
  input.addEventListener("change", () => rename(group.name, input.value));
  const list = element("ul", { className: "thumbnails" });
  fillWith(list, group.images);
  const hint = element("p", { className: "hint" }, `made here; ${count(group.size, "image")}`);
  const section = element("section", { className: "cluster", id: madeId(group.name) });
  section.setAttribute("aria-label", group.name);
  section.style.setProperty("--base", colorOf(group.name));
  section.append(heading, hint, element("label", { className: "edit" }, "Name ", input), list);
  return section;
}

// A name for a cluster that leaves a merge: its first one, unless that is taken.
function freeName(cluster) {
  const name = data.clusterNames[cluster];
  return decisions.clusters.includes(name) ? `${name} (${cluster})` : name;
}

for (const section of sections) {
  const cluster = Number(section.dataset.cluster);
  const part = (role) => section.querySelector(`[data-role=${role}]`);
  part("name").addEventListener("change", (event) => rename(decisions.clusters[cluster], event.target.value));
  part("merge").addEventListener("change", ({ target }) => {
    if (target.value === "apart") setCluster(cluster, freeName(cluster));
    else if (target.value) merge(decisions.clusters[cluster], target.value.slice(1));
  });
  part("reject").addEventListener("click", () => {
    setCluster(cluster, decisions.clusters[cluster] === null ? freeName(cluster) : null);
  });
}

function openTarget() {
  const details = document.getElementById(location.hash.slice(1))?.querySelector("details.members");
  if (details) details.open = true;
}
addEventListener("hashchange", openTarget);
document.addEventListener("click", (event) => event.target.closest("a[href^='#']") && setTimeout(openTarget));
