"""Makes what the documents show of the committed records: the field in the README, and a picture of the report's page.

python docs/make.py [--out DIR]

Writes README.md and docs/report.png, in place or below DIR. The picture needs Chromium with its driver, and selenium;
without them it is left as it is, which is said.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bench.report import answers, build
from bench.report.tables import Table, markdown_rows

ROOT = Path(__file__).parents[1]
REFERENCE = Path("results", "reference")
PAGE = REFERENCE / "report" / "report.html"
BEGIN, END = "<!-- field: made by docs/make.py -->\n", "<!-- end of field -->\n"
_COLUMNS = ("benchmark", "method", "published", "ours", "difference", "verdict")
_WIDTH, _HEIGHT = 1366, 768  # pixels of a laptop's screen


def main() -> int:
    """Makes both; 1 where there is no browser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT, metavar="DIR")
    out = parser.parse_args().out
    (out / "docs").mkdir(parents=True, exist_ok=True)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (out / "README.md").write_text(with_field(readme, field()), encoding="utf-8")
    return int(not picture(out / "docs" / "report.png"))


def field() -> str:
    """The published numbers whose protocol is known here, with what came of each, and how many others there are."""
    (mine,), _ = build.parts(ROOT / REFERENCE)
    known = [answer for answer in mine.answers if answer.claim.protocol or answer.verdict in answers.JUDGED]
    rows = [_row(answers.row(answer, mine.records)) for answer in known]
    others = len(mine.answers) - len(known)
    told = f"{others} more, whose protocol is not known here, are in the report beside what was run for them."
    return f"{answers.summary(mine.answers)}\n\n{markdown_rows(Table('', rows))}\n\n{told}\n"


def _row(found: dict[str, str]) -> dict[str, str]:
    told = {name: found.get(name, "–") for name in _COLUMNS}
    asked = ("command", "training takes")
    return told | {name: "–" if found["verdict"] in answers.JUDGED else found[name] for name in asked}


def with_field(readme: str, text: str) -> str:
    """The README with the text between its two marks."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + text + END + rest.split(END)[1]


def picture(path: Path) -> bool:
    """The first screen of the committed page, as a laptop shows it, with the SHA-256 of the page that it is of; False
    where there is no browser."""
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
            driver.get((ROOT / PAGE).as_uri())
            shown = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
        finally:
            driver.quit()
    of = PngInfo()
    of.add_text(PAGE.name, hashlib.sha256((ROOT / PAGE).read_bytes()).hexdigest())
    shown.quantize(128).save(path, pnginfo=of, optimize=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
