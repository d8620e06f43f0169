// What all parts share: drawing anew after a decision, and paper.

function announce(text) {
  byId("announcement").textContent = text;
  byId("decisions").hidden = false;
}

function refresh() {
  const groups = listGroups();
  drawOverview(groups);
  drawClusters(groups);
  drawFilter(groups);
  byId("group-names").replaceChildren(...[...groups.keys()].map((value) => element("option", { value })));
  byId("decisions-export").disabled = byId("decisions-reset").disabled = !isDecided();
  byId("decisions-undo").disabled = !past.length;
  if (isDecided() || past.length) tellDecisions(groups);
  for (const button of document.querySelectorAll("[data-cluster] [data-image], #checks [data-image]")) {
    const i = Number(button.dataset.image);
    button.closest("li").classList.toggle("moved", i in decisions.images);
  }
  requestDraw();
}

// In the words of `apply`.
function tellDecisions(groups) {
  const nIn = [...groups.values()].reduce((sum, { size }) => sum + size, 0);
  // Outliers that stay so are in no cluster, but nobody rejected them.
  const nAdded = everyImage.filter((i) => data.clusters[i] < 0 && typeof nameOf(i) === "string").length;
  const nRejected = data.sizes.reduce((sum, size) => sum + size, nAdded) - nIn;
  announce(`${count(nIn, "image")} in ${count(groups.size, "cluster")}, ${nRejected.toLocaleString("en")} rejected`);
}

byId("decisions-export").addEventListener("click", exportDecisions);
byId("decisions-undo").addEventListener("click", undo);
byId("decisions-reset").addEventListener("click", () => decide((now) => Object.assign(now, untouched())));
byId("decisions-import").addEventListener("change", ({ target }) => target.files.length && importDecisions(target.files[0]));

let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details.members:not([open])")];
  for (const details of opened) details.open = true;
  drawForPaper();
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
  fitCanvas();
});

document.documentElement.classList.add("scripted");
showTab(tabs.find((tab, number) => data.checks[number].length) ?? tabs[0]);
fitCanvas();
refresh();
openTarget();
