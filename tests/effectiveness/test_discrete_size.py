"""Size of the tests of events and counts with fourteen agencies: see docs/studies."""

from __future__ import annotations

import numpy as np
import pytest

from tools.discrete_size import PAGE, ROWS, TESTS, study_row

#: Trials a row: the standard error of a share of 5% is 1.1 points.
TRIALS = 400
T_TESTS = ("GLMM, t(12)", "GEE Kauermann-Carroll, t(12)", "GEE Mancl-DeRouen, t(12)")


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=[row.label for row in ROWS])
def test_defaults_keep_their_size_and_uncorrected_tests_do_not(row: object) -> None:
    shares, refused = study_row(row, replicates=TRIALS, seed=np.random.SeedSequence(77))  # type: ignore[arg-type]
    by_test = dict(zip(TESTS, shares, strict=True))
    assert refused == 0
    # 5% and three standard errors; the corrected tests may be cautious.
    for test in T_TESTS:
        assert by_test[test] < 0.05 + 3 * 0.011
    assert by_test["GEE robust, z"] > by_test["GEE Kauermann-Carroll, t(12)"]
    assert by_test["GEE robust, z"] > 0.05


def test_the_page_of_the_study_has_every_test_and_every_row() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| {test} |" in page for test in TESTS)
    assert all(row.label in page for row in ROWS)
