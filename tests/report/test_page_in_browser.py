"""The page as Chromium sees it; skipped where there is none."""

import csv
import io
import json
import os
import re
from html import unescape
from urllib.parse import unquote_to_bytes, urlsplit

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb import MFAVBClustering, ViT
from sklearn_mfavb.report import write_report

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


QUICK = {"backbone": ViT(embed_dim=16, n_heads=2), "max_epochs": 2, "random_state": 0}

PRESS = """
addEventListener("load", () => setTimeout(() => {
  const canvas = document.getElementById("map-canvas");
  for (const key of ["ArrowRight", "ArrowLeft", "+", "+", "-", "0"])
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
}, 300));
"""


def test_keys_choose_an_image(browse, fitted, shapes, tmp_path):
    """Arrows put an image with its name and cluster beside the map."""
    out = write_report(fitted, shapes, tmp_path / "page.html", random_state=0)
    shown = browse(out, "--dump-dom", script=PRESS)
    picture = re.search(r'<img id="shown-picture"[^>]*>', shown)[0]
    assert "hidden" not in picture
    row = int(re.search(r'alt="image (\d+)"', picture)[1])
    assert f'id="shown-name" class="name">image {row}<' in shown
    told = f'<p id="shown-cluster">cluster {fitted.labels_[row]}, '
    assert told in shown


def test_names_run_no_code(browse, skipping, hostile_folder, tmp_path):
    """Neither the page nor its script runs what a file is called."""
    out = write_report(skipping, hostile_folder, tmp_path / "page.html")
    shown = browse(out, "--dump-dom", script=PRESS)
    assert "<title>Clusters of " in shown
    assert 'id="shown-name" class="name">below/' in shown


def test_map_is_drawn(browse, fitted, shapes, tmp_path):
    """In light and in dark the screen has colors of clusters on the right ground."""
    out = write_report(fitted, shapes, tmp_path / "page.html", random_state=0)
    for scheme, ground in ((1, 255), (0, 0x13)):
        picture = tmp_path / f"{scheme}.png"
        browse(
            out,
            f"--screenshot={picture}",
            "--window-size=1000,900",
            f"--blink-settings=preferredColorScheme={scheme}",
            script="document.getElementById('summary').remove()",
        )
        pixels = np.asarray(Image.open(io.BytesIO(picture.read_bytes())).convert("RGB"))
        assert pixels[0, 0, 0] == ground
        plane = pixels[300:750, 60:650].astype(int)
        assert (np.ptp(plane, axis=2) > 60).sum() > 200  # colored pixels


def show(value):
    """Write a script that appends the JSON of what an expression gives to the page."""
    return f"""
addEventListener("load", () => setTimeout(async () => {{
  const shown = document.createElement("pre");
  shown.id = "shown";
  shown.textContent = JSON.stringify(await (async () => {{ {value} }})());
  document.body.append(shown);
}}, 300));
"""


def read_shown(dumped):
    """Read what `show` appended."""
    text = re.search(r'<pre id="shown">(.*?)</pre>', dumped, re.DOTALL)[1]
    return json.loads(unescape(text))


ENLARGE = """
return [...document.querySelectorAll("#clusters [data-image]")].map((button) => {
  button.click();
  const link = document.getElementById("large-original");
  return {
    name: document.getElementById("large-name").textContent,
    address: link.hidden ? null : link.href,
    alike: document.querySelectorAll("#large-alike img").length,
    isOpen: document.getElementById("lightbox").open,
  };
});
"""


def test_enlarged_pictures_lead_to_the_originals(
    browse, skipping, hostile_folder, tmp_path
):
    """Whatever a file is called, the link names it; images like it are beside it."""
    out = write_report(skipping, hostile_folder, tmp_path / "page.html")
    boxes = read_shown(browse(out, "--dump-dom", script=show(ENLARGE)))
    assert len(boxes) == len({each["name"] for each in boxes}) == 6
    for each in boxes:
        assert os.path.isfile(unquote_to_bytes(urlsplit(each["address"]).path))
        assert (each["isOpen"], each["alike"]) == (True, 5)


def test_arrays_have_no_originals(browse, fitted, shapes, tmp_path):
    out = write_report(fitted, shapes, tmp_path / "page.html", random_state=0)
    boxes = read_shown(browse(out, "--dump-dom", script=show(ENLARGE)))
    assert {each["address"] for each in boxes} == {None}
    assert {each["alike"] for each in boxes} == {6}


SELECT = """
let text;
URL.createObjectURL = (blob) => ((text = blob.text()), "#");
document.querySelector("#check-0 button").click();
document.getElementById("selection-csv").click();
return await text;
"""


def test_selected_images_are_a_table(browse, skipping, hostile_folder, tmp_path):
    """The CSV has names as they are, and the clusters of the model."""
    out = write_report(skipping, hostile_folder, tmp_path / "page.html")
    text = read_shown(browse(out, "--dump-dom", script=show(SELECT)))
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(text))}
    assert "below/3 quo\"te's & {{ 7*7 }} &lt;.png" in rows
    labels = skipping.labels_[skipping.labels_ >= 0]
    assert sorted(int(row["cluster"]) for row in rows.values()) == sorted(labels)
    assert all(row["name"] == f"cluster {row['cluster']}" for row in rows.values())


UNDO = """
const titles = document.getElementById("overview").getElementsByTagName("strong");
const names = () => [...titles].map((each) => each.textContent);
const states = [names()];
const merge = document.querySelector("#cluster-1 [data-role=merge]");
merge.value = "=cluster 0";
merge.dispatchEvent(new Event("change"));
states.push(names());
document.querySelector("#cluster-2 [data-role=reject]").click();
states.push(names());
document.getElementById("decisions-undo").click();
states.push(names());
merge.value = "apart";
merge.dispatchEvent(new Event("change"));
states.push(names());
document.getElementById("decisions-reset").click();
states.push(names());
return states;
"""


def test_decisions_can_be_taken_back(browse, fitted, shapes, tmp_path):
    """Merging and rejecting can be undone."""
    out = write_report(fitted, shapes, tmp_path / "page.html", random_state=0)
    states = read_shown(browse(out, "--dump-dom", script=show(UNDO)))
    whole, merged = ["cluster 0", "cluster 1", "cluster 2"], ["cluster 0", "cluster 2"]
    assert states == [whole, merged, ["cluster 0"], merged, whole, whole]


NAMED = """
const part = (cluster, role) =>
  document.querySelector(`#cluster-${cluster} [data-role=${role}]`);
const told = () => document.getElementById("announcement").textContent;
const input = part(1, "name");
input.value = "cluster 2";
input.dispatchEvent(new Event("change"));
const refused = [told(), input.value, part(1, "title").textContent];
part(1, "merge").value = "=cluster 2";
part(1, "merge").dispatchEvent(new Event("change"));
const merged = [part(1, "merged").textContent, part(1, "title").textContent];
part(0, "reject").click();
return { refused, merged, told: told() };
"""


def test_only_merging_merges(browse, fitted, shapes, tmp_path):
    """A name that is taken is refused; counts are those that `apply` prints."""
    out = write_report(fitted, shapes, tmp_path / "page.html", random_state=0)
    shown = read_shown(browse(out, "--dump-dom", script=show(NAMED)))
    told, *names = shown["refused"]
    assert 'There is a "cluster 2" already' in told
    assert names == ["cluster 1", "cluster 1"]
    n_first = (fitted.labels_ == 0).sum()
    assert shown["merged"] == [
        "merged from cluster 1 (these images) and cluster 2; "
        f"{60 - n_first} images together",
        "cluster 2",
    ]
    assert shown["told"] == f"{60 - n_first} images in 1 cluster, {n_first} rejected"


OUTLIERS = """
const show = document.getElementById("map-cluster");
show.value = " outliers";
show.dispatchEvent(new Event("change"));
const details = document.querySelector("#outliers details");
details.open = true;
details.ontoggle();
const captions = (where) => document.querySelectorAll(`${where} figcaption`);
const texts = (where) => [...captions(where)].map((each) => each.textContent);
document.querySelector("#outliers [data-image]").click();
return {
  shown: show.selectedOptions[0]?.textContent,
  summary: document.querySelector("#outliers summary").textContent,
  members: texts("#outliers"),
  strangers: texts("#check-1"),
  large: document.getElementById("large-cluster").textContent,
};
"""


def test_outliers_are_told_apart(browse, shapes, tmp_path):
    """They have a figure, a section and a place in lists; their cluster is a guess."""
    clusterer = MFAVBClustering(3, batch_size=32, outliers=0.1, **QUICK).fit(shapes)
    out = write_report(clusterer, shapes, tmp_path / "page.html", random_state=0)
    assert "<dt>Outliers</dt><dd>6</dd>" in out.read_text("utf-8")
    script = f"""{show(OUTLIERS)}
    addEventListener("load", () => document.getElementById("tab-1").click());"""
    shown = read_shown(browse(out, "--dump-dom", script=script))
    assert shown["shown"] == "outliers"
    assert shown["summary"] == "show all 6 images"
    assert len(shown["members"]) == 6
    strangers = [text for text in shown["strangers"] if text.endswith("outlier")]
    assert len(strangers) == 6
    likely = r"nearest cluster \d, (over |under )?\d+ %"
    for text in [*shown["members"], *strangers]:
        assert re.search(f"{likely}outlier$", text)
    assert re.match(rf"outlier, {likely}\. ", shown["large"])


PRINT = """
const { width, height } = document.getElementById("map-canvas");
dispatchEvent(new Event("beforeprint"));
const paper = document.getElementById("map-canvas");
const sizes = [paper.width, paper.height];
dispatchEvent(new Event("afterprint"));
return { before: [width, height], sizes, after: [paper.width, paper.height] };
"""


def test_map_is_drawn_anew_for_paper(browse, fitted, shapes, tmp_path):
    """On paper the map has other sides; dots must stay round."""
    out = write_report(fitted, shapes, tmp_path / "page.html", random_state=0)
    drawn = read_shown(browse(out, "--dump-dom", script=show(PRINT)))
    assert drawn["sizes"] == [640, 480]
    assert drawn["before"] == drawn["after"] != drawn["sizes"]


def test_empty_clusters_do_no_harm(browse, fitted, shapes, tmp_path):
    """The script of a page about one image comes to its end."""
    out = write_report(fitted, shapes[:1], tmp_path / "page.html")
    script = show('return document.querySelectorAll("#overview li").length;')
    assert read_shown(browse(out, "--dump-dom", script=script)) == 3
    dumped = browse(out, "--dump-dom", script=show(ENLARGE))
    assert [each["alike"] for each in read_shown(dumped)] == [0]
