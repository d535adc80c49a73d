"""Makes what the documents show of records: the verdicts in the README, the field in docs/field.md, pictures of the
report's page and of a run's episodes, and the outputs of the example notebook.

python docs/make.py [--out DIR]

Writes README.md, docs/field.md, docs/*.png and examples/first-results.ipynb, in place or below DIR. Pictures of pages
need Chromium with its driver, and selenium; the notebook needs nbclient and ipykernel. Whatever cannot be made is left
as it is, with a message.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bench import cli
from bench.report import answers, build
from bench.report.answers import ReportPart
from bench.report.tables import Table, markdown_rows

ROOT = Path(__file__).parents[1]
REFERENCE = Path("results", "reference")
PAGE = REFERENCE / "report" / "report.html"
NOTEBOOK = Path("examples", "first-results.ipynb")
BEGIN, END = "<!-- made by docs/make.py -->\n", "<!-- end -->\n"
TOUR = (  # what docs/tour.md has typed, as far as its pictures show it
    "run --benchmark tiny --method maml --method fomaml --seeds 3",
    "show episodes tiny/maml/7384f669/seed0 --hardest 1 --out episodes.png",
    "report",
)
_COLUMNS = ("benchmark", "method", "published", "ours", "difference", "verdict")
_ASKED = ("command", "training takes")
_WIDTH, _HEIGHT = 1366, 768  # pixels of a laptop's screen


def main() -> int:
    """Makes all of it; 1 where something cannot be made here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT, metavar="DIR")
    out = parser.parse_args().out
    for name in ("docs", NOTEBOOK.parent):
        (out / name).mkdir(parents=True, exist_ok=True)
    (mine,), _ = build.parts(ROOT / REFERENCE)
    for name, table in (("README.md", verdicts(mine)), ("docs/field.md", field(mine))):
        text = (ROOT / name).read_text(encoding="utf-8")
        (out / name).write_text(between_marks(text, table), encoding="utf-8")
    made = [picture(ROOT / PAGE, out / "docs" / "report.png"), *tour(out / "docs"), notebook(out / NOTEBOOK)]
    return int(not all(made))


def verdicts(mine: ReportPart) -> str:
    """The published number that the project is about, and those with a verdict."""
    first = answers.headline(mine.answers)
    told = [answer for answer in mine.answers if answer is first or answer.verdict in answers.JUDGED]
    rows = [answers.row(answer, mine.times) for answer in told]
    chosen = [{name: found.get(name, "–") for name in (*_COLUMNS, "source")} for found in rows]
    return f"{answers.summary(mine.answers)}\n\n{markdown_rows(Table('', chosen))}\n"


def field(mine: ReportPart) -> str:
    """The published numbers whose protocol is known here, with the verdict on each, and the number of others."""
    known = [answer for answer in mine.answers if answer.claim.protocol or answer.verdict in answers.JUDGED]
    rows = [_with_command(answers.row(answer, mine.times)) for answer in known]
    others = len(mine.answers) - len(known)
    told = f"The report lists {others} more, whose protocol is not known here, next to the runs made for them."
    return f"{answers.summary(mine.answers)}\n\n{markdown_rows(Table('', rows))}\n\n{told}\n"


def _with_command(found: dict[str, str]) -> dict[str, str]:
    told = {name: found.get(name, "–") for name in _COLUMNS}
    return told | {name: "–" if found["verdict"] in answers.JUDGED else found[name] for name in _ASKED}


def between_marks(document: str, text: str) -> str:
    """The document with the text between its two marks."""
    before, rest = document.split(BEGIN)
    return before + BEGIN + text + END + rest.split(END)[1]


def tour(folder: Path) -> tuple[bool, ...]:
    """What a reader of docs/tour.md sees: the first screen of the report on a small run, and its hardest episodes."""
    with tempfile.TemporaryDirectory() as place:
        said = io.StringIO()
        with contextlib.chdir(place), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            for line in TOUR:
                if cli.main(line.split()) != 0:
                    raise RuntimeError(f"{line}: {said.getvalue()}")
        with Image.open(Path(place, "episodes.png")) as sheet:
            sheet.convert("L").quantize(16).save(folder / "tour-episodes.png", optimize=True)
        return (picture(Path(place, "results", "report", "report.html"), folder / "tour-report.png"),)


def picture(page: Path, path: Path) -> bool:
    """The first screen of a page, as a laptop shows it, with the SHA-256 of the page that it is of; False where there
    is no browser."""
    if not (shutil.which("chromedriver") and (chromium := shutil.which("chromium") or shutil.which("google-chrome"))):
        print(f"no Chromium with its chromedriver here: {path} is left as it is", file=sys.stderr)
        return False
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in ("--headless", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        try:
            screen = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
            driver.get(page.as_uri())
            shown = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
        finally:
            driver.quit()
    of = PngInfo()
    of.add_text(page.name, hashlib.sha256(page.read_bytes()).hexdigest())
    shown.quantize(128).save(path, pnginfo=of, optimize=True)
    return True


def notebook(path: Path) -> bool:
    """The committed notebook, run from its first cell in an empty folder; False where nothing runs notebooks."""
    try:
        import ipykernel  # noqa: F401
        import nbformat
        from nbclient import NotebookClient
    except ImportError as error:
        print(f"no {error.name} here: {path} is left as it is", file=sys.stderr)
        return False
    made = nbformat.read(ROOT / NOTEBOOK, nbformat.NO_CONVERT)
    with tempfile.TemporaryDirectory() as place:
        found = {"metadata": {"path": place}}
        NotebookClient(made, timeout=300, resources=found, record_timing=False).execute()
    made.metadata["language_info"] = {"name": "python"}  # and no version of this machine's
    nbformat.write(made, path)
    return True


if __name__ == "__main__":
    sys.exit(main())
