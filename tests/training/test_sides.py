from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.training.sides import OPPOSITES
from headstart.training.sides import asks_for_side
from headstart.training.sides import sided

LEFT_RIGHT = [
    ("left", "right"),
    ("L", "R"),
    ("lh", "rh"),
    ("hippocampus_left", "hippocampus_right"),
    ("hippocampus_l", "hippocampus_r"),
    ("L_thalamus", "R_thalamus"),
    ("LThalamus", "RThalamus"),
    ("lthal", "rthal"),
    ("thalL", "thalR"),
    ("left_thal", "right_thal"),
    ("leftHippocampus", "rightHippocampus"),
    ("lefthippocampus", "righthippocampus"),
    ("Left-Hippocampus", "Right-Hippocampus"),
    ("ctx-lh-bankssts", "ctx-rh-bankssts"),
    ("hemi-L_caudate", "hemi-R_caudate"),
    ("amygdala_sin", "amygdala_dex"),
    ("amygdala_sin", "amygdala_dx"),
    ("ippocampo_sx", "ippocampo_dx"),
    ("Hippocampus links", "Hippocampus rechts"),
    ("linker Hippocampus", "rechter Hippocampus"),
    ("hippocampe_gauche", "hippocampe_droit"),
    ("hippocampe_g", "hippocampe_d"),
    ("hipocampo_izquierdo", "hipocampo_derecho"),
    ("hipocampo izq.", "hipocampo der."),
    ("HIPPOCAMPUS_LEFT", "HIPPOCAMPUS_RIGHT"),
    ("left1", "right1"),
    *(
        ("左", "右"),
        ("左海马", "右海马"),
        ("發病左側", "發病右側"),
        ("왼쪽", "오른쪽"),
        ("좌측", "우측"),
    ),
    *(("левый", "правый"), ("Левая кора", "Правая кора"), ("αριστερά", "δεξιά"), ("يسار", "يمين")),
    *(("vänster", "höger"), ("venstre", "højre"), ("lewa", "prawa"), ("levá", "pravá")),
    *(
        ("vasen", "oikea"),
        ("bal", "jobb"),
        ("sol", "sağ"),
        ("stânga", "dreapta"),
        ("kiri", "kanan"),
    ),
    *(("trái", "phải"), ("lft", "rgt"), ("gche", "dte"), ("zurda", "diestra"), ("L>R", "R>L")),
]


@pytest.mark.parametrize("pair", LEFT_RIGHT)
def test_left_and_right_are_known_in_any_usual_way(pair):
    assert sided(pair, 0) == list(pair)
    assert sided([pair[1], "background", pair[0]], 0) == [pair[1], pair[0]]
    assert sided(pair, 1) == sided(pair, 2) == []


@pytest.mark.parametrize(
    "name", ["hippocampus_left", "right_amygdala", "thalamus_l", "lh", "linke_Insel", "lefthippo"]
)
def test_one_side_alone_is_a_side(name):
    assert sided([name, "white"], 0) == [name]


@pytest.mark.parametrize(
    "names",
    [
        *(("grey", "white", "ventricles"), ("M", "F"), ("control", "case"), ("bright", "dark")),
        *(("cleft", "palate"), ("L1", "L2", "L3"), ("A", "B", "C", "D", "E", "F", "G"), ("dx",)),
        *(("core", "oedema", "enhancing"), ("anterior", "posterior"), ("ipsilateral",), ("sine",)),
        *(("age",), ("diagnosis",), ("0", "1"), ("2nd", "1st"), ("",), ("ø",)),
    ],
)
def test_other_names_are_no_sides(names):
    assert sided(names, 0) == []
    assert not any(asks_for_side(name) for name in names)


def test_two_letters_are_sides_where_they_are_all_there_is():
    assert sided(["G", "D"], 0) == ["G", "D"]
    assert sided(["G", "D", "E"], 0) == []


def test_front_and_top_have_opposites_too():
    assert sided(["anterior", "posterior"], 1) == ["anterior", "posterior"]
    assert sided(["superior temporal", "inferior temporal"], 2) == [
        *("superior temporal", "inferior temporal")
    ]
    assert sided(["hippocampus_ant", "hippocampus_post"], 1) == [
        *("hippocampus_ant", "hippocampus_post")
    ]
    assert sided(["post_treatment", "before"], 1) == []


@pytest.mark.parametrize(
    "target",
    [
        *("side", "lesion_side", "onsetSide", "laterality", "Seite", "côté", "lado_lesion", "EHI"),
        *("发病侧", "сторона", "strona", "weaker_hand", "handedness"),
    ],
)
def test_a_target_may_ask_for_the_side(target):
    assert asks_for_side(target)


def test_capitals_of_every_script_are_capitals():
    assert sided(["NUCLEUS HØJRE 2", "CÔTÉ GAUCHE", "ПРАВЫЙ ГИППОКАМП"], 0) == [
        *("NUCLEUS HØJRE 2", "CÔTÉ GAUCHE", "ПРАВЫЙ ГИППОКАМП")
    ]


@given(
    st.sampled_from([(axis, *pair) for axis in range(3) for pair in OPPOSITES[axis]]),
    st.sampled_from(["nucleus", "putamen", "gm"]),
    st.sampled_from(["{side}_{rest}", "{rest}-{side}", "{rest} {side} 2"]),
    st.booleans(),
)
def test_every_pair_of_words_in_every_place(pair, rest, pattern, upper):
    axis, *sides = pair
    names = [pattern.format(side=side, rest=rest) for side in sides]
    names = [name.upper() for name in names] if upper else names
    assert sided(names, axis) == names
