"""Which files of the repository the site has. They keep their places, and so their links to each other.

mkdocs calls the functions that begin with on_.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "README.md",
    "BENCHMARKS.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "demo/README.md",
    "docs/*.md",
    "modules/*/README.md",
)
PICTURES = ("docs/*.png", "docs/pictures/*.png", "benchmarks/pictures/*.png")
NOTEBOOKS = "docs/notebooks/*.ipynb"
LICENCE = "LICENSE.md"  # a page needs this ending
# Links to files that are no pages: scripts, data, folders. Their text stays.
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """The modules' pages in the navigation, by their folders' names."""
    for entry in config.nav:
        if "Modules" in entry:
            pages = sorted(ROOT.glob("modules/*/README.md"))
            entry["Modules"] = [{page.parent.name: page.relative_to(ROOT).as_posix()} for page in pages]
    return config


def on_files(files: Files, config: Any) -> Files:
    """The repository's pages and pictures in place of those of the folder docs."""
    found = [
        File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
        for pattern in (*PAGES, *PICTURES)
        for path in sorted(ROOT.glob(pattern))
    ]
    for path in sorted(ROOT.glob(NOTEBOOKS)):
        place = path.relative_to(ROOT).with_suffix(".md").as_posix()
        found.append(File.generated(config, place, content=_as_page(path)))
    licence = "# Licence\n\n" + (ROOT / "LICENSE").read_text(encoding="utf-8")
    kept = [file for file in files if file.src_uri.startswith("assets/")]
    return Files([*kept, *found, File.generated(config, LICENCE, content=licence)])


def _as_page(notebook: Path) -> str:
    """A notebook's cells as a page, with what they gave."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [_shown(output) for output in cell.get("outputs", ())]
    return "\n\n".join([*parts, f"This page is the notebook `docs/notebooks/{notebook.name}`."])


def _shown(output: dict[str, Any]) -> str:
    """What a cell gave, as a part of a page."""
    data = output.get("data", {})
    if "image/png" in data:
        return f"![What the cell draws](data:image/png;base64,{''.join(data['image/png']).strip()})"
    return f"```text\n{''.join(output.get('text') or data['text/plain']).rstrip()}\n```"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links to files of the repository that are no pages become their names."""
    here = Path(page.file.src_uri).parent

    def link(found: re.Match[str]) -> str:
        place = (ROOT / here / found[2]).resolve()
        name = place.relative_to(ROOT).as_posix() if place.is_relative_to(ROOT) else found[2]
        if name == "LICENSE":
            up = "../" * len(here.parts)
            return f"[{found[1]}]({up}{LICENCE})"
        if files.get_file_from_path(name) is not None:
            return found[0]
        if not place.exists():
            return found[0]  # mkdocs says that it is broken
        return found[1]

    return _LINK.sub(link, markdown)
