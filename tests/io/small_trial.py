"""A small valid trial, by hand: two agencies, four people, two interviews, every table."""

from __future__ import annotations

import pandas as pd

MARKER = "SECRET99marker"


def valid_tables() -> dict[str, pd.DataFrame]:
    people = ["P1", "P2", "P3", "P4"]
    return {
        "agencies": pd.DataFrame(
            {
                "agency_id": ["A1", "A2"],
                "arm": ["intervention", "comparison"],
                "sector": ["statutory", None],
                "trained_on": pd.to_datetime(["2012-03-01", None]),
            }
        ),
        "workers": pd.DataFrame(
            {
                "worker_id": ["W1", "W2"],
                "agency_id": ["A1", "A2"],
                "training_days": [3.0, None],
                "is_supervisor": [True, False],
            }
        ),
        "participants": pd.DataFrame(
            {
                "participant_id": people,
                "agency_id": ["A1", "A1", "A2", "A2"],
                "worker_id": ["W1", "W1", "W2", None],
                "age_years": [30, 41, 52, 63],
                "recruited_on": pd.to_datetime(["2012-09-01"] * 4),
            }
        ),
        "timepoints": pd.DataFrame(
            {"timepoint": ["baseline", "m9"], "months": [0, 9], "order": [0, 1]}
        ),
        "visits": pd.DataFrame(
            {
                "participant_id": ["P1", "P1", "P2"],
                "timepoint": ["baseline", "m9", "baseline"],
                "visited_on": pd.to_datetime(["2012-09-02", "2013-06-02", "2012-09-03"]),
                "status": ["completed", "completed", "completed"],
            }
        ),
        "measures": pd.DataFrame(
            {
                "measure": ["wemwbs", "total_cost"],
                "label": ["Well-being", "Cost"],
                "unit": ["points", "GBP"],
                "minimum": [14.0, None],
                "maximum": [70.0, None],
                "is_higher_better": [True, False],
            }
        ),
        "measurements": pd.DataFrame(
            {
                "participant_id": people,
                "timepoint": ["baseline"] * 4,
                "measure": ["wemwbs", "wemwbs", "wemwbs", "total_cost"],
                "value": [14.0, 70.0, None, -5.0],
            }
        ),
        "responses": pd.DataFrame(
            {
                "participant_id": ["P1", "P1"],
                "timepoint": ["baseline", "baseline"],
                "instrument": ["wemwbs", "wemwbs"],
                "item": ["wemwbs_01", "wemwbs_02"],
                "answer": [1, None],
            }
        ),
        "service_use": pd.DataFrame(
            {
                "participant_id": ["P1"],
                "timepoint": ["baseline"],
                "service": ["gp"],
                "is_used": [True],
                "contacts": [3],
                "minutes_per_contact": [11.7],
            }
        ),
        "unit_costs": pd.DataFrame(
            {
                "service": ["gp"],
                "unit": ["contact"],
                "unit_cost_gbp": [45.0],
                "price_year": ["2012/13"],
                "source": ["made up for a test"],
                "is_verified": [False],
            }
        ),
        "fidelity_ratings": pd.DataFrame(
            {
                "target_id": ["P1", "W1", "A1"],
                "occasion": ["m9"] * 3,
                "source": ["worker", "researcher", "researcher"],
                "rater_id": ["W1", "R1", "R1"],
                "item": ["cpi_w0_1", "cpi_w_1", "cpi_a_1"],
                "target_level": ["participant", "worker", "agency"],
                "rating": [5, 1, None],
            }
        ),
        "network_members": pd.DataFrame(
            {"participant_id": ["P1"], "timepoint": ["m9"], "member_id": ["N1"], "circle": [1]}
        ),
        "scoping_answers": pd.DataFrame({"agency_id": ["A1"], "item": ["a1"], "rating": [9]}),
        "screening": pd.DataFrame(
            {"screening_id": ["S1"], "agency_id": ["A1"], "outcome": ["recruited"]}
        ),
    }


def changed(table: str, column: str, row: int, value: object) -> dict[str, pd.DataFrame]:
    """Return the valid tables with one cell replaced."""
    tables = valid_tables()
    cells = tables[table][column].astype(object)
    cells.iloc[row] = value
    inferred = cells.infer_objects()
    tables[table] = tables[table].assign(**{column: inferred})
    return tables
