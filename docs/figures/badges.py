"""The badges of the README, from pyproject.toml: `python docs/figures/badges.py`.

They are files of the repository, so that a page needs no network to show them.
"""

import tomllib

from drawing import HERE

BADGE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" \
aria-label="{name}: {value}">
<rect width="{width}" height="20" rx="3" fill="{color}"/>
<path d="M3 0h{split}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#444c56"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" \
text-anchor="middle">
<text x="{name_at}" y="14">{name}</text>
<text x="{value_at}" y="14">{value}</text>
</g>
</svg>
"""
LETTER, MARGIN = 7, 12  # pixels


def main() -> None:
    """Write one file for each badge."""
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text("utf-8"))
    about = project["project"]
    lowest = about["requires-python"].removeprefix(">=")
    assert project["tool"]["mypy"]["disallow_untyped_defs"]
    for name, value, color in (
        ("python", f"{lowest} or newer", "#1f6feb"),
        ("license", about["license"], "#2f6f4f"),
        ("types", "checked by mypy", "#6f42c1"),
    ):
        left, right = (len(text) * LETTER + MARGIN for text in (name, value))
        badge = BADGE.format(
            name=name,
            value=value,
            color=color,
            width=left + right,
            split=left - 3,
            name_at=left / 2,
            value_at=left + right / 2,
        )
        (HERE / f"badge_{name}.svg").write_text(badge, "utf-8")


if __name__ == "__main__":
    main()
