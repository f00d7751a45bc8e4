"""When a sample is too small for a verdict on fit."""

from __future__ import annotations

import pytest

from cpi_analysis.fidelity.sample_gate import describe_sample_gate


@pytest.mark.parametrize(("n_people", "is_open"), [(99, False), (100, True)])
def test_fewer_than_a_hundred_people_shut_the_gate(n_people, is_open):
    gate = describe_sample_gate(n_people, n_items=10)
    assert gate.is_open is is_open
    assert (gate.banner is None) is is_open
    assert any("99 people are fewer than 100" in note for note in gate.notes) is not is_open


def test_a_lost_category_shuts_the_gate_in_any_sample():
    gate = describe_sample_gate(5000, n_items=4, lost_categories=["q1", "q2"])
    assert not gate.is_open
    assert gate.banner.startswith("NO VERDICT ON FIT: nobody chose a category of q1, q2.")


def test_sparse_data_are_pointed_out_with_an_open_gate():
    gate = describe_sample_gate(120, n_items=10, n_parameters=60, smallest_expected=0.249)
    assert gate.is_open
    assert gate.notes == (
        "2.0 people for each of the 60 free parameters: fewer than 5.",
        "In the emptiest cell of two items 0.25 people are expected: standard errors and fit are "
        "rough.",
    )


def test_fewer_people_than_items_are_pointed_out():
    notes = describe_sample_gate(8, n_items=10).notes
    assert "Fewer people (8) than items (10): not to be relied on." in notes
