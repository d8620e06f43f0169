// Tabs of images that are worth a look.

const tabs = [...document.querySelectorAll("[role=tab]")];

function showTab(tab) {
  for (const each of tabs) {
    const isShown = each === tab;
    each.setAttribute("aria-selected", isShown);
    each.tabIndex = isShown ? 0 : -1;
    byId(each.getAttribute("aria-controls")).hidden = !isShown;
  }
  fillPanel(tabs.indexOf(tab));
}

function fillPanel(number) {
  const list = byId(`check-${number}`).querySelector("ul");
  const groups = data.checks[number];
  if (list.childElementCount || !groups.length) return;
  const isSingle = groups.every((group) => group.length === 1);
  list.className = isSingle ? "thumbnails" : "copies";
  const item = (group) => element("li", {}, element("ul", { className: "thumbnails" }, ...group.map(figure)));
  list.append(...(isSingle ? groups.map(([i]) => figure(i)) : groups.map(item)));
}

tabs.forEach((tab, number) => {
  tab.addEventListener("click", () => showTab(tab));
  tab.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    const next = tabs[(number + by + tabs.length) % tabs.length];
    showTab(next);
    next.focus();
  });
  byId(`check-${number}`)
    .querySelector("button")
    ?.addEventListener("click", () => {
      // Of copies one stays.
      select(data.checks[number].flatMap((group) => (group.length > 1 ? group.slice(1) : group)));
    });
});
