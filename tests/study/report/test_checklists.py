"""The checklists: every item of the source, and answers for what the files can know."""

from __future__ import annotations

from headstart.study.report.checklist_answers import ANSWERS
from headstart.study.report.checklists import read_checklists


def test_the_items_are_all_there_in_order():
    claim, tripod = read_checklists()
    assert claim.doi == "10.1148/ryai.240300"
    assert [item.number for item in claim.items] == [str(n) for n in range(1, 45)]
    assert tripod.doi == "10.1136/bmj-2023-078378"
    parts = {"3": 3, "5": 2, "6": 3, "8": 3, "9": 3, "12": 7, "18": 6, "20": 3, "23": 2, "27": 3}
    numbers = [
        f"{n}{letter}"
        for n in range(1, 28)
        for letter in ("abcdefg"[: parts[str(n)]] if str(n) in parts else [""])
    ]
    assert [item.number for item in tripod.items] == numbers


def test_every_answer_is_asked_for_and_given():
    asked = {item.answer for one in read_checklists() for item in one.items} - {""}
    assert asked == set(ANSWERS)


def test_what_only_people_can_say_is_left_to_them():
    claim, tripod = (
        {item.number: item.answer for item in checklist.items} for checklist in read_checklists()
    )
    for number in ("3", "11", "13", "16", "18", "21", "34", "40", "44"):
        assert claim[number] == ""
    for number in ("3c", "5b", "10", "14", "17", "18a", "18b", "19", "26"):
        assert tripod[number] == ""
