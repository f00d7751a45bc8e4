"""A trial made by arithmetic, so that R makes the same one: see the comment of each test."""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_people() -> pd.DataFrame:
    """Return 66 people of 12 agencies; R: ``i <- 0:71; agency <- i %/% 6`` and so on."""
    i = np.arange(72)
    agency = i // 6
    arm = agency % 2
    sector = (agency % 3 == 0).astype(int)
    before = np.round(45 + 8 * np.sin(1.3 * i + 0.2), 3)
    noise = 6 * np.sin(4.4 * agency + 1) + 5 * np.sin(0.9 * i * i + 0.5 * i)
    after = 10 + 0.6 * before + 3 * arm + 1.5 * sector - 2 * arm * sector + noise
    data = pd.DataFrame(
        {
            "participant_id": [f"p{k:02d}" for k in i],
            "agency_id": [f"a{k:02d}" for k in agency],
            "arm": np.where(arm == 1, "target", "reference"),
            "sector": np.where(sector == 1, "third_sector", "statutory"),
            "before": before,
            "after": np.round(after, 3),
        }
    )
    return data[i % 11 != 3].reset_index(drop=True)
