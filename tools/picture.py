"""Make docs/images/report.png: the top of the built-in trial's report, as Chromium shows it."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import cpi_analysis as cpi

TARGET = Path(__file__).parents[1] / "docs" / "images" / "report.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1200, 1250
LARGEST = 300_000


def take(page: Path, browser: str, folder: Path) -> Image.Image:
    """Return the top of a page as a picture."""
    shot = folder / "shot.png"
    subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={shot}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return Image.open(io.BytesIO(shot.read_bytes())).convert("RGB").crop((0, 0, WIDTH, HEIGHT))


def main() -> int:
    """Write the picture and return the exit code."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("Chromium is needed to take the picture", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = cpi.analyse(cpi.load_example_trial(), seed=1).save(folder / "results")
        picture = take(report / "report.html", browser, folder)
    # The page has few colours: a palette makes the file several times smaller.
    palette = picture.quantize(colors=128, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    palette.save(stream, format="png", optimize=True)
    if stream.tell() > LARGEST:
        print(f"the picture has {stream.tell():,} bytes", file=sys.stderr)
        return 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(stream.getvalue())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
