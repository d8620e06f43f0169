"""Write the nouns that clusters are named by, from the files of WordNet 3.0.

    python benchmarks/names/nouns.py DICT > sklearn_mfavb/words/nouns.txt

DICT is the folder with WordNet's ``data.noun``, ``index.noun`` and ``cntlist.rev``: of
Debian's package ``wordnet-base`` it is ``/usr/share/wordnet``.

A noun is taken if a picture can show it and many people know it:

- The meaning is an animal, food, a plant or a natural object (WordNet's lexicographer
  files), or an artifact or a place of which ImageNet has pictures.
- It is the first or second meaning of the noun: few people know a rare one.
- The meaning was met in WordNet's tagged texts, or the noun is in at least four of
  WordNet's definitions.

Each meaning gives one noun, the first in WordNet's order. Kinds of persons are left
out, because they would be guesses about people; "person" and "people" are added.
"""

import argparse
import collections
import re
from pathlib import Path

from timm.data import ImageNetInfo

ALWAYS = {5, 13, 17, 20}  # animal, food, natural object, plant
IF_PICTURED = {6, 15}  # artifact, place
ADDED = {"person", "people"}
LEFT_OUT = {"brothel", "cock", "nude"}  # as a name of anything else an insult
MIN_DEFINITIONS = 4


def read_lines(path):
    """Yield the lines below the license, which is indented."""
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if not line.startswith("  "))


def read_ranks(folder):
    """Return the rank of every meaning among those of a noun: 1 is the commonest."""
    ranks = {}
    for line in read_lines(folder / "index.noun"):
        noun, _, _, n_pointers, *rest = line.split()
        meanings = rest[int(n_pointers) + 2 :]
        ranks.update({(noun, meaning): i for i, meaning in enumerate(meanings, 1)})
    return ranks


def read_counted(folder):
    """Return the meanings, as noun and rank, that were met in tagged texts."""
    rows = (line.split() for line in read_lines(folder / "cntlist.rev"))
    split = ((*key.split("%"), int(rank)) for key, rank, _ in rows)
    return {(noun, rank) for noun, kind, rank in split if kind.startswith("1:")}


def count_in_definitions(folder):
    """Count words, and phrases of two and three, in all definitions."""
    counts = collections.Counter()
    for part in ("adj", "adv", "noun", "verb"):
        for line in read_lines(folder / f"data.{part}"):
            words = re.findall(r"[a-z'-]+", line.partition("|")[2].lower())
            counts.update(
                "_".join(words[start : start + n])
                for n in (1, 2, 3)
                for start in range(len(words) - n + 1)
            )
    return counts


def find_nouns(folder):
    """Return the nouns, sorted."""
    ranks, counted = read_ranks(folder), read_counted(folder)
    in_definitions = count_in_definitions(folder)
    pictured = {name[1:] for name in ImageNetInfo("imagenet22k").label_names()}
    nouns = set(ADDED)
    for line in read_lines(folder / "data.noun"):
        meaning, category, _, n_nouns, *rest = line.split()
        is_pictured = int(category) in IF_PICTURED and meaning in pictured
        if int(category) not in ALWAYS and not is_pictured:
            continue
        for noun in rest[: 2 * int(n_nouns, 16) : 2]:
            if noun != noun.lower() or (rank := ranks[noun, meaning]) > 2:
                continue
            if (noun, rank) in counted or in_definitions[noun] >= MIN_DEFINITIONS:
                nouns.add(noun.replace("_", " "))
                break
    return sorted(nouns - LEFT_OUT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="DICT")
    print(*find_nouns(parser.parse_args().folder), sep="\n")
