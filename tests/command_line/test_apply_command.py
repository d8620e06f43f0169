"""Decisions of people: from the page of a report to tables and sorted files."""

import json
import re
import shutil

import pytest

from sklearn_mfavb.decisions import FORMAT

# Draw a lasso around the left half of the map, make its images a new cluster, then
# rename, merge and reject clusters, and export what was decided.
DECIDE = """
URL.createObjectURL = (blob) => {
  blob.text().then((text) => {
    const exported = { id: "exported", textContent: text };
    document.body.append(Object.assign(document.createElement("pre"), exported));
  });
  return "#";
};
const set = (selector, value) => {
  const input = document.querySelector(selector);
  input.value = value;
  input.dispatchEvent(new Event("change"));
};
addEventListener("load", () => setTimeout(() => {
  const canvas = document.getElementById("map-canvas");
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const draw = (type, x, y) => canvas.dispatchEvent(new PointerEvent(type, {
    clientX: left + x * width, clientY: top + y * height, pointerType: "mouse",
  }));
  document.getElementById("map-lasso").click();
  draw("pointerdown", 0, 0);
  for (const [x, y] of [[0, 1], [0.5, 1], [0.5, 0]]) draw("pointermove", x, y);
  draw("pointerup", 0.5, 0);
  document.getElementById("selection-name").value = "left, half";
  document.querySelector("#selection-move button").click();
  set("#cluster-0 [data-role=name]", "Bäume");
  set("#cluster-1 [data-role=merge]", "=Bäume");
  document.querySelector("#cluster-2 [data-role=reject]").click();
  document.getElementById("decisions-export").click();
}, 300));
"""


@pytest.fixture
def write(clustered, photos, tmp_path):
    """Write decisions about the model of `clustered`."""
    summary = json.loads((clustered / "result.json").read_text("utf-8"))
    whole = {
        "format": FORMAT,
        "version": 1,
        "model": summary["fingerprint"],
        "folder": str(photos),
        "clusters": ["ring", "rest", "rest"],
        "images": {"00.png": None, "ビーチ/07.png": "beach"},
    }

    def write_document(**changed):
        path = tmp_path / "decisions.json"
        text = json.dumps({**whole, **changed}, ensure_ascii=False)
        path.write_text(text, encoding="utf-8")
        return path

    return write_document


def test_page_and_program_agree(
    browse, clustered, photos, tmp_path, run, read_table, monkeypatch
):
    """What is decided in a browser is in the table that `apply` writes."""
    page = tmp_path / "page.html"
    run(["report", clustered / "model.mfavb", photos, "-o", page])
    shown = browse(page, "--dump-dom", script=DECIDE)
    text = re.search(r'<pre id="exported">(.*?)</pre>', shown, re.DOTALL)[1]
    decisions = tmp_path / "decisions.json"
    decisions.write_text(text, encoding="utf-8")
    run(["apply", decisions, clustered, "-o", tmp_path / "curated"])

    before = read_table(clustered / "clusters.csv")
    after = read_table(tmp_path / "curated" / "clusters.csv")
    assert [row["path"] for row in after] == [row["path"] for row in before]
    data = re.search(r'id="page-data">(.*?)</script>', page.read_text("utf-8"))[1]
    data = json.loads(data)
    x = dict(zip(data["names"], data["x"], strict=True))
    assert min(x.values()) < 4900 and max(x.values()) > 5100
    for old, new in zip(before, after, strict=True):
        name, cluster = old["path"], old["cluster"]
        if cluster == "":  # it could not be read
            assert (new["cluster"], new["name"]) == ("", "")
        elif x[name] < 4990:
            assert (new["cluster"], new["name"]) == ("1", "left, half")
        elif x[name] > 5010:
            expected = ("-1", "rejected") if cluster == "2" else ("0", "Bäume")
            assert (new["cluster"], new["name"]) == expected
    assert {row["name"] for row in after} >= {"left, half", "Bäume"}


def test_applying_writes_a_table_and_sorts(write, clustered, tmp_path, run, read_table):
    """Earlier results stay; images are copied to where they were decided to belong."""
    whole = (clustered / "clusters.csv").read_bytes()
    out = tmp_path / "curated"
    told = run(["apply", write(), clustered, "-o", out, "--sort", "copy"])
    assert "23 images in 3 clusters, 1 rejected" in told.out
    before = {
        row["path"]: row["cluster"] for row in read_table(clustered / "clusters.csv")
    }
    rows = {row["path"]: row for row in read_table(out / "clusters.csv")}
    assert rows["00.png"]["name"] == "rejected"
    assert rows["ビーチ/07.png"]["name"] == "beach"
    for path, row in rows.items():
        if path not in ("00.png", "ビーチ/07.png", "broken.jpg"):
            assert row["name"] == ("ring" if before[path] == "0" else "rest")
    assert len(list((out / "clusters").glob("*/*.png"))) == 24
    assert [each.name for each in (out / "clusters").glob("2*/*")] == ["07.png"]
    assert (clustered / "clusters.csv").read_bytes() == whole


def test_files_that_could_not_be_read_are_in_no_cluster(
    write, clustered, tmp_path, run, read_table
):
    """Decisions may name them, if they could be read before."""
    out, decisions = tmp_path / "curated", write(images={"broken.jpg": "beach"})
    told = run(["apply", decisions, clustered, "-o", out, "--sort", "copy"])
    assert told.out.startswith("24 images in")
    [row] = [r for r in read_table(out / "clusters.csv") if r["path"] == "broken.jpg"]
    assert (row["cluster"], row["name"]) == ("", "")
    assert not list(out.rglob("broken.jpg"))


def test_predicting_by_decisions(write, clustered, photos, tmp_path, run, read_table):
    """The same folder gets the same table from `predict` as from `apply`."""
    decisions = write()
    run(["apply", decisions, clustered, "-o", tmp_path / "a"])
    words = ["predict", clustered / "model.mfavb", photos, "--decisions", decisions]
    told = run([*words, "-o", tmp_path / "b"]).out
    assert told.count("images in") == 1
    assert f"results: {tmp_path / 'b'}" in told
    assert read_table(tmp_path / "a" / "clusters.csv") == read_table(
        tmp_path / "b" / "clusters.csv"
    )


def test_decisions_about_others_are_refused(write, clustered, photos, tmp_path, run):
    """Neither another model nor the folder of the results themselves is taken."""
    out = tmp_path / "out"
    assert "3" in run(["apply", write(clusters=["a"]), clustered, "-o", out], 2).err
    other = write(model="other")
    assert "another model" in run(["apply", other, clustered, "-o", out], 2).err
    words = ["predict", clustered / "model.mfavb", photos, "--decisions", other]
    assert "another model" in run([*words, "-o", tmp_path / "new"], 2).err
    told = run([*words, "-o", tmp_path / "new", "--also", "json"], 2).err
    assert "not for --also" in told
    told = run(["apply", write(), clustered, "-o", clustered, "--overwrite"], 2).err
    assert "choose another folder" in told
    assert not out.exists()
    moved = write(images={"gone.png": "x"})
    assert "1 moved image not in" in run(["apply", moved, clustered, "-o", out]).err


def test_clusterings_by_kmeans_are_told_apart(
    write, photos, tmp_path, run, read_summary
):
    """They have no losses, but centers; the same images get the same ones again."""
    outs = [tmp_path / name for name in ("a", "again", "b")]
    for out, seed in zip(outs, (0, 0, 1), strict=True):
        more = ["--method", "kmeans", "--no-report", "--seed", str(seed)]
        run(["cluster", photos, "-o", out, "-k", "3", *more])
    model, again, other = (read_summary(out)["fingerprint"] for out in outs)
    assert model == again != other
    run(["apply", write(model=model), outs[0], "-o", tmp_path / "out"])
    words = ["apply", write(model=model), outs[2], "-o", tmp_path / "refused"]
    assert "another model" in run(words, 2).err
    words = ["predict", outs[2] / "model.mfavb", photos, "--decisions", write()]
    assert "another model" in run([*words, "-o", tmp_path / "new"], 2).err


def test_curated_tables_are_refused(write, clustered, photos, tmp_path, run):
    """Their clusters have other numbers than those that were decided on."""
    decisions = write()
    run(["apply", decisions, clustered, "-o", tmp_path / "a"])
    words = ["predict", clustered / "model.mfavb", photos, "--decisions", decisions]
    run([*words, "-o", tmp_path / "b"])
    for curated in (tmp_path / "a", tmp_path / "b"):
        told = run(["apply", decisions, curated, "-o", tmp_path / "out"], 2).err
        assert "already curated" in told


def test_files_that_were_moved_are_found(write, photos, words, tmp_path, run):
    """The log of `cluster --sort move` tells where they are."""
    folder, out, curated = tmp_path / "p", tmp_path / "out", tmp_path / "curated"
    shutil.copytree(photos, folder)
    run(words(folder, out, "--sort", "move", epochs=1))
    assert not list(folder.rglob("*.png"))
    decisions = write(folder=str(folder), model=None)
    run(["apply", decisions, out, "-o", curated, "--sort", "copy"])
    assert len(list(curated.glob("clusters/*/*.png"))) == 24
