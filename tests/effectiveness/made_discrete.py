"""Made-up people in twelve agencies, by whole-number arithmetic that any program can repeat."""

from __future__ import annotations

import numpy as np
import pandas as pd

CATEGORIES = ("low", "middle", "high", "top")


def make_people() -> pd.DataFrame:
    agency = np.repeat(np.arange(12), 9)
    person = np.tile(np.arange(9), 12)
    arm = agency % 2
    age = (agency * 5 + person * 7) % 10
    mixed = (7 * agency + 5 * person + 3 * agency * person) % 11
    event = (mixed + (agency * agency) % 5 < 5 + 2 * arm).astype(int)
    count = (3 * agency + 2 * person + agency * person) % 7 + 3 * arm + (agency * agency) % 5
    count = count * (1 + (person % 4 == 0))
    raw = (5 * agency + 3 * person + agency * person**2) % 4 + arm * (person % 2)
    grade = np.clip(raw + (agency % 3 == 0) - (agency % 4 == 1), 0, 3)
    return pd.DataFrame(
        {"agency": agency, "arm": arm, "age": age, "event": event, "count": count, "grade": grade}
    )


def make_ordered() -> pd.DataFrame:
    data = make_people()
    codes = pd.Categorical.from_codes(data["grade"], list(CATEGORIES), ordered=True)
    return data.assign(grade=codes)
