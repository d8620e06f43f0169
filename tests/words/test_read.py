"""Lists of words: files, lists, what is wrong with them, and the shipped nouns."""

from importlib.resources import files

import pytest

from sklearn_mfavb.words import read_words


def test_words_of_a_file_and_of_a_list_are_the_same(tmp_path):
    """Blank lines, spaces, Windows' line ends and a byte order mark do not count."""
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffdog\r\n\r\n  fire truck \r\nÄpfel".encode())
    words = ["dog", "fire truck", "Äpfel"]
    assert read_words(path) == read_words(str(path)) == read_words(words) == words


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"words\.txt' holds no words"),
        (b" \n\t\n", r"words\.txt' holds no words"),
        ("Bär".encode("latin-1"), r"words\.txt' is not UTF-8: .* at byte 1"),
        (b"dog\ncat\n\nDog\n", r"words\.txt' has 'Dog' twice, in lines 1 and 4"),
    ],
    ids=["empty", "blank", "latin-1", "twice"],
)
def test_wrong_files_are_named(tmp_path, content, told):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=told):
        read_words(path)


def test_wrong_lists_and_missing_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="words holds no words"):
        read_words([])
    for wrong in (5, [1, 2], ["dog", None], b"dog"):
        with pytest.raises(TypeError, match="words must be a text file or a list"):
            read_words(wrong)
    with pytest.raises(FileNotFoundError, match="none"):
        read_words(tmp_path / "none.txt")


def test_shipped_nouns_are_words_of_a_clean_list():
    """They pass the checks of users' words, and the license lies beside them."""
    nouns = read_words()
    assert read_words(nouns) == nouns
    assert 3000 < len(nouns) < 4000
    assert {"airplane", "bird", "cat", "deer", "dog", "frog", "horse"} <= set(nouns)
    license = files("sklearn_mfavb.words") / "LICENSE-WordNet.txt"
    assert "Princeton University" in license.read_text("utf-8")
