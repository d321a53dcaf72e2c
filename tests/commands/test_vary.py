"""A new experiment in the config file: exactly the change, and every other character as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headstart.cli import main
from headstart.common.errors import UserError
from headstart.common.records import write_rows
from headstart.common.strict_yaml import load
from headstart.data.label_table import LabelRow
from headstart.imaging.scan_rows import ScanFiles
from headstart.planning.vary import vary
from headstart.study.config import read_config

PROJECT = Path(__file__).resolve().parents[2]
HEAD = """# my study
study: small
data:
  - source: own  # one source
    channels: {T1: "{subject}.nii.gz"}
    mask: m.nii
    table: {path: people.csv, column: ID}
    labels: {age: Age, sex: Sex}
prepare: {window: [48, 48, 48]}
"""
BLOCK = """
experiments:
    # how old
    age:  # years
        task: regression
        target: age
        train:
            network: sfcn  # small
            learning_rate: 1e-3
            # epochs: 100 was no better
    # of the same kind
    young:
        like: age

final: age  # only this
"""
APART = """
experiments:

  age:
    task: regression
    target: age
    train: {network: sfcn}

  # sex
  sex:
    task: classification
    target: sex
    train: {network: sfcn}

# the end
"""
BRACES = """
experiments:
  age: {task: regression, target: age, train: {network: sfcn}}  # years
  old: {like: age}
"""
ONE_LINE = (
    "experiments: {age: {task: regression, target: age, train: {network: sfcn}}, b: {like: age}}"
)
OPEN = """
experiments: {
  age: {task: regression, target: age, train: {network: sfcn}},  # years
  young: {like: age}  # last
}
"""
ANCHOR = """
experiments:
  age: &age
    task: regression
    target: age
    unit: |-
      years
    train: {network: sfcn}
  same: *age
  merged:
    <<: *age
    unit: >-
      years of
      life

final: [age]"""
LAYOUTS = {
    "block": HEAD + BLOCK,
    "apart": HEAD + APART,
    "braces": HEAD + BRACES,
    "one line": HEAD + ONE_LINE,
    "open": HEAD + OPEN,
    "anchor": HEAD + ANCHOR,
    "windows": (HEAD + BLOCK).replace("\n", "\r\n"),
    "no last newline": (HEAD + BRACES).rstrip(),
    "json": json.dumps(yaml.safe_load(HEAD + BLOCK), indent=2),
    "short json": json.dumps(yaml.safe_load(HEAD + BRACES)),
    "demo": (PROJECT / "config/config.yaml").read_text(),
}

LABELLED = (
    BLOCK
    + """
study: small
data:
  - source: own
    channels: {T1: "{sex}/{subject}_{number}.nii"}
    table: {path: t.csv, column: ID}
    labels: {dose: mg}
"""
)


def holds(new: str, old: str) -> bool:
    """Whether all characters of the old text are there, in order."""
    letters = iter(new)
    return all(letter in letters for letter in old)


def comments(text: str) -> list[str]:
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


def in_quotes(value: Any) -> str:
    return yaml.safe_dump(value, default_style='"', default_flow_style=True, width=float("inf"))


def experiments_of(text: str) -> list[str]:
    return list(read_config(yaml.safe_load(text)).experiments)


PRINTED = st.characters(exclude_categories=["C", "Zl", "Zp"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63 - 1), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(PRINTED)
    | st.sampled_from(["3e-4", "#", "a: b", "- x", "{", "'", '"', "yes", "2020-01-01", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(PRINTED, max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    values=st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, min_size=1),
    rate=st.floats(min_value=1e-9, max_value=10),
    name=st.from_regex(r"new-[a-z0-9-]{0,9}", fullmatch=True),
    data=st.data(),
)
def test_exactly_the_change_and_nothing_else(
    layout: str, values: dict[str, Any], rate: float, name: str, data: st.DataObject
) -> None:
    text = LAYOUTS[layout]
    experiment = data.draw(st.sampled_from(experiments_of(text)))
    changes = [
        f"train.learning_rate={rate}",
        *(f"train.network_arguments.{key}={in_quotes(value)}" for key, value in values.items()),
    ]

    written, new = vary(text, experiment, changes, name)

    before, after = load(text), load(new)
    entry = after["experiments"].pop(written)
    assert after == before
    assert entry.pop("like") == experiment
    assert float(entry["train"].pop("learning_rate")) == rate
    assert entry == {"train": {"network_arguments": values}}
    assert holds(new, text)
    old_comments = comments(text)
    assert [c for c in comments(new) if c in old_comments] == old_comments
    assert ("\r\n" in new) == ("\r\n" in text)
    experiments = read_config(load(new)).experiments
    assert experiments[name].train.learning_rate == rate


@pytest.mark.parametrize(
    ("layout", "wanted"),
    [
        (
            "block",
            """            # epochs: 100 was no better
    age-learning-rate-3e-4:
        like: age
        train:
            learning_rate: 3e-4
    # of the same kind
""",
        ),
        (
            "apart",
            """    train: {network: sfcn}

  age-learning-rate-3e-4:
    like: age
    train:
      learning_rate: 3e-4

  # sex
""",
        ),
        (
            "braces",
            """}}  # years
  age-learning-rate-3e-4: {like: age, train: {learning_rate: 3e-4}}
  old:""",
        ),
        ("one line", "}}, age-learning-rate-3e-4: {like: age, train: {learning_rate: 3e-4}}, b:"),
        (
            "open",
            """}},  # years
  age-learning-rate-3e-4: {like: age, train: {learning_rate: 3e-4}},
  young:""",
        ),
    ],
)
def test_in_the_style_of_the_file(layout: str, wanted: str) -> None:
    name, new = vary(LAYOUTS[layout], "age", ["train.learning_rate=3e-4"])
    assert name == "age-learning-rate-3e-4"
    assert wanted in new


def test_after_the_last_entry_in_braces() -> None:
    _, new = vary(LAYOUTS["open"], "young", ["unit=years"])
    assert "young: {like: age},  # last\n  young-unit-years: {like: young, unit: years}\n}" in new


def test_json_stays_json() -> None:
    _, new = vary(LAYOUTS["json"], "age", ["folds=[0, 1]"])
    assert json.loads(new)["experiments"]["age-folds-0-1"] == {"like": "age", "folds": [0, 1]}


@pytest.mark.parametrize(
    ("experiment", "changes", "name", "said"),
    [
        ("agee", ["unit=y"], None, "experiments: no 'agee'; there are: age, young"),
        ("age", ["train.learning_rat=1"], None, "did you mean 'learning_rate'?"),
        ("age", ["learning_rate=1"], None, "did you mean 'train.learning_rate'?"),
        ("age", ["train.learning_rate=-1"], "x", "x.train.learning_rate: -1 is not allowed"),
        ("age", ["train.learning_rate=0.001"], None, "experiments.age: has these values already"),
        ("age", ["unit=y"], "young", "experiments.young: is there already"),
        ("age", ["unit=y"], "Big Name", "'Big Name' is not allowed: must be small letters"),
        ("age", ["unit"], None, "--set unit: write KEY=VALUE"),
        ("age", ["unit=[1"], None, "--set unit=[1: the value is not YAML"),
        ("age", ["train.epochs=true"], None, "train.epochs: True is not allowed: must be a whole"),
        ("age", ["folds=[010]"], None, "--set folds=[010]: line 1: '010' is the number 8 to YAML"),
        ("age", ["train=1", "train.epochs=2"], None, "--set train.epochs: a key above it is set"),
        ("age", ["like=young"], None, "--set like: is set already"),
        ("age", [f"train.network_arguments.x={'y' * 60}"], None, "give it one with --name"),
        ("age", ["task=segmentation"], None, "target `mask`"),
        (
            "age",
            ["target=IQ"],
            None,
            "no source has the label 'IQ'; there are: site, dose, sex, mask;",
        ),
        ("age", ["covariates=[IQ]"], None, "iq.covariates: no source has the label 'IQ'"),
        ("age", ["target=subject"], None, "no source has the label 'subject'; there are: site,"),
    ],
)
def test_mistakes_are_named(
    experiment: str, changes: list[str], name: str | None, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        vary(LABELLED, experiment, changes, name)
    assert said in str(caught.value)


@pytest.mark.parametrize("target", ["sex", "dose", "site"])
def test_another_label_of_the_study_is_a_target(target: str) -> None:
    name, new = vary(LABELLED, "age", [f"target={target}"])
    assert read_config(load(new)).experiments[name].target == target


def test_labels_of_the_study_are_seen_beside_the_scan() -> None:
    name, new = vary(LABELLED, "age", ["covariates=[sex, site]"])
    assert name == "age-covariates-sex-site"
    assert read_config(load(new)).experiments[name].covariates == ("sex", "site")


def test_an_entry_that_comes_from_elsewhere_is_not_guessed_at() -> None:
    text = HEAD + "x: &all {age: {task: regression, target: age, train: {network: sfcn}}}\n"
    with pytest.raises(UserError, match="x: unknown key"):
        vary(text + "experiments: *all\n", "age", ["unit=y"])
    text = HEAD + "experiments:\n  a: &a {task: regression, target: age, train: {network: sfcn}}\n"
    text += "  <<: {b: *a}\n"
    with pytest.raises(UserError, match="b: not written out in the file"):
        vary(text, "b", ["unit=y"])


def test_a_text_that_keeps_its_empty_lines_is_kept() -> None:
    text = f"{HEAD}experiments:\n  age:\n    task: regression\n    target: age\n"
    text += "    train:\n      network: sfcn\n      flip_reason: |+\n        alike\n\n\n"
    _, new = vary(text, "age", ["unit=years"])
    assert load(new)["experiments"]["age"]["train"]["flip_reason"] == "alike\n\n\n"


SWEPT = (
    HEAD
    + """
experiments:
  age:
    task: regression
    target: age
    train: {network: sfcn}
    sweep: {train.epochs: [10, 30]}
"""
)


def test_a_combination_of_a_sweep_is_varied_below_the_sweep() -> None:
    name, new = vary(SWEPT, "age-epochs-30", ["train.batch_size=8"])
    assert load(new)["experiments"][name]["like"] == "age-epochs-30"
    train = read_config(load(new)).experiments[name].train
    assert (train.epochs, train.batch_size) == (30, 8)
    with pytest.raises(UserError, match="age-epochs-30: has these values already"):
        vary(SWEPT, "age-epochs-30", ["train.epochs=30"])
    with pytest.raises(UserError, match="experiments: no 'age'; there are: age-epochs-10, age-ep"):
        vary(SWEPT, "age", ["train.batch_size=8"])


def test_a_sweep_is_made_of_an_experiment() -> None:
    name, new = vary(LAYOUTS["block"], "age", ["sweep={train.epochs: [10, 30]}"], "age-epochs")
    assert read_config(load(new)).sweeps == {name: ["age-epochs-epochs-10", "age-epochs-epochs-30"]}


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(LAYOUTS["windows"].encode())
    words = ["vary", f"{path}/age", "--set", "train.learning_rate=3e-4"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "has a new experiment, age-learning-rate-3e-4:\nlike: age\n" in out
    assert f"snakemake --cores 2 --configfile {path}" in out
    text = path.read_bytes().decode()
    assert text.count("\r\n") == text.count("\n")
    assert main(words) == 2
    assert f"{path}: experiments.age-learning-rate-3e-4: is there" in capsys.readouterr().err
    assert path.read_bytes().decode() == text
    path.write_text("study: [")
    assert main(words) == 2
    assert f"{path}: line 1: not YAML" in capsys.readouterr().err
    assert main(["vary", "other/age", *words[2:]]) == 2


@pytest.mark.parametrize(
    "words", [["--set", "unit=y", "folds=[1]"], ["--set", "unit=y", "--set", "folds=[1]"]]
)
def test_several_keys(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    path = tmp_path / "config/small.yaml"
    path.write_text(LAYOUTS["block"])
    monkeypatch.chdir(tmp_path)
    assert main(["vary", "small/age", *words, "--name", "new"]) == 0
    entry = load(path.read_text())["experiments"]["new"]
    assert entry == {"like": "age", "unit": "y", "folds": [1]}


def test_a_target_that_the_label_table_refuses_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").mkdir()
    path = tmp_path / "config/small.yaml"
    text = LAYOUTS["block"].replace("sex: Sex}", "sex: Sex, iq: IQ}")
    path.write_text(text)
    table = tmp_path / "results/small/label/labels.csv"
    rows = [
        LabelRow.of(
            ScanFiles(f"s{n}", "1", {"T1": f"s{n}.nii.gz"}, "m.nii", ""),
            source="own",
            site="",
            labels={"age": str(20 + n), "sex": "MF"[n % 2]},
        )
        for n in range(4)
    ]
    table.parent.mkdir(parents=True)
    write_rows(table, LabelRow, rows)
    monkeypatch.chdir(tmp_path)
    assert main(["vary", "small/age", "--set", "target=sex", "--name", "new"]) == 2
    said = capsys.readouterr().err
    assert "experiments.new.target: subject s0 has sex = 'M', which is no number" in said
    assert path.read_text() == text
    assert main(["vary", "small/age", "--set", "target=iq", "--name", "new"]) == 0  # not yet read
