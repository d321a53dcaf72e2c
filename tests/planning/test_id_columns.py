"""How far columns can be believed to hold ids, by their names and cells."""

from __future__ import annotations

import pytest

from headstart.planning.id_columns import Trust
from headstart.planning.id_columns import measures
from headstart.planning.id_columns import trust

COUNTED = [str(n) for n in range(1, 9)]


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("Fall-ID", ["17", "4", "23"], Trust.IDS),
        ("Fall-ID", COUNTED, Trust.COUNTING_IDS),
        ("Fall-ID", COUNTED[::-1], Trust.COUNTING_IDS),
        ("Bild", ["a1", "b7", "c9"], Trust.IDS),
        ("timepoint", ["S1_m06", "S2_m06", "S3_m12"], Trust.IDS),
        ("Nr.", COUNTED, Trust.NUMBERS),
        ("Nr.", COUNTED[::-1], Trust.NUMBERS),
        ("Lfd. Nr.", COUNTED, Trust.NUMBERS),
        ("x", ["4", "1", "k.A.", "2"], Trust.NUMBERS),
        ("x", ["4,0", "1,5", "k.A.", "2,0"], Trust.NUMBERS),
    ],
)
def test_trust(name: str, cells: list[str], expected: Trust) -> None:
    assert trust(name, cells) is expected


@pytest.mark.parametrize(
    "name",
    [
        *("Krankheitsdauer (Jahre)", "disease duration", "durée", "duración", "durata"),
        *("Reihenfolge", "scan_order", "ordre", "orden", "ordine", "Rang", "sequence"),
        *("EDSS", "MMSE total", "score_1", "Punkte", "Gewicht", "weight (kg)", "poids", "peso"),
        *("visit count", "number of visits", "n_scans", "Anzahl Besuche", "Fallzahl"),
        *("idade", "leeftijd", "wiek", "QI", "raven", "Raven score"),
        *("lesion volume", "Läsionsvolumen", "Lesionslast (ml)", "years of education", "onset"),
    ],
)
@pytest.mark.parametrize("cells", [COUNTED, ["4,0", "1,5"], ["4", "k.A.", "7"]])
def test_names_of_measures_and_orders(name: str, cells: list[str]) -> None:
    assert trust(name, cells) is Trust.MEASURE


@pytest.mark.parametrize(
    "name",
    [
        *("twin_id", "mother_id", "family_id", "matched_control_id", "rater id", "Partner-ID"),
        *("Zwilling", "Mutter-ID", "Familien-Nr.", "Kontrollperson", "Geschwister-ID", "Befunder"),
        *("id jumeau", "mère", "père", "famille", "témoin", "conjoint", "lecteur"),
        *("gemelo", "madre", "padre", "familia", "hermano", "pareja", "evaluador"),
        *("gemella", "fratello", "famiglia", "controllo", "coniuge", "valutatore"),
    ],
)
@pytest.mark.parametrize("cells", [COUNTED, ["17", "4", "23"], ["s4", "s1", "s7"]])
def test_names_of_somebody_elses_ids(name: str, cells: list[str]) -> None:
    assert trust(name, cells) is Trust.OTHERS


@pytest.mark.parametrize("cells", [["1.0", "4.0"], ["1,0", "", "4,0"], ["0.5", "k.A."]])
def test_decimals_are_no_ids_unless_the_scans_have_them(cells: list[str]) -> None:
    assert measures("x", cells, ["001", "004"])
    assert not measures("x", cells, ["1.0", "4.0"])


def test_ids_that_a_program_wrote_as_decimals() -> None:
    assert not measures("Subject", ["1.0", "", "4.0"], ["001", "004"])
    assert measures("Subject", ["1.5", "", "4.0"], ["001", "004"])
