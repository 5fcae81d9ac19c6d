"""Makes the pictures of the documentation: `python docs/pictures.py` (needs playwright and a Chromium)."""  # noqa: INP001

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
IMAGES = Path(__file__).parent / "images"
FEW = "flatten-softmax,eml-net,msi-net,fixatons,mit,exact"


def page_of(folder: Path, name: str, *arguments: str) -> str:
    """The address of an HTML report that the program has written."""
    path = folder / f"{name}.html"
    command = [sys.executable, "-m", "kldeval", *arguments, "--output", str(path), "--quiet"]
    subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)  # noqa: S603 - the program itself
    return path.as_uri()


def save_report(tab: Page, address: str) -> None:
    """The top of a report with its pictures, as docs/images/report.png."""
    tab.set_viewport_size({"width": 900, "height": 1240})
    tab.goto(address)
    tab.evaluate("document.querySelectorAll('#charts .chart:nth-child(n + 3)').forEach(one => one.remove())")
    tab.screenshot(path=IMAGES / "report.png")


def save_flip(tab: Page, address: str) -> None:
    """The ranks of two models over conventions, as docs/images/flip.png."""
    tab.set_viewport_size({"width": 700, "height": 900})
    tab.goto(address)
    tab.locator("figure.slopes svg").screenshot(path=IMAGES / "flip.png")


def main() -> None:
    """Write both pictures."""
    bold, careful, gt = (f"sample_data/{name}" for name in ("bold", "careful", "gt"))
    browser_path = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        report = page_of(folder, "report", bold, gt, "-m", "kld,nss", "--fixations", "sample_data/fixations.csv")
        audit = page_of(folder, "audit", "audit", bold, careful, gt, "--convention", FEW)
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        save_report(tab, report)
        save_flip(tab, audit)
        browser.close()


if __name__ == "__main__":
    main()
