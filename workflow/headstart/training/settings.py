"""What the commands train and predict need of a study's settings."""

from __future__ import annotations

import hashlib
import operator

from pydantic import Field

from headstart.cohort.settings import Control
from headstart.cohort.settings import Judged
from headstart.cohort.settings import Question
from headstart.common.schema import Column
from headstart.common.schema import Section
from headstart.common.schema import WindowOrOwn
from headstart.common.schema import canonical_json
from headstart.common.schema import settings_text
from headstart.training.config import PREDICT
from headstart.training.config import Predict
from headstart.training.config import Train


class Run(Question):
    """The settings of one training: an experiment, one fold, one seed.

    Attributes:
        optional: Channels that a scan may lack.
        control: Which control it is; None for none.
        stratify: Labels that a control's share of the subjects has like all of them.
    """

    channels: tuple[Column, ...]
    window: WindowOrOwn
    train: Train
    fold: int
    seed: int
    # as in `Question`: of what is no control, and lacks nothing, nothing is written
    optional: tuple[Column, ...] = Field((), exclude_if=operator.not_)
    control: Control | None = Field(None, exclude_if=operator.not_)
    stratify: tuple[str, ...] = Field((), exclude_if=operator.not_)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Name what the network sees, as `Train.inputs` does."""
        return self.train.inputs(self.channels, self.optional)


class RunIdentity(Section):
    """What was trained: the settings, and what a run rests on besides.

    Attributes:
        run: The settings.
        cohort_digest: Digest of the scans and targets that it consumes.
        splits_digest: sha256 of splits.csv.
        code: Identity of the code of training.
        network_digest: Digest of the files of the user's own network, or "".
        loss_digest: Digest of those of the user's own loss, or "".
        parent: Key of the run that it starts from, or digest of the weights' file; or "".
    """

    run: Run
    cohort_digest: str
    splits_digest: str
    code: str
    network_digest: str
    loss_digest: str = ""
    parent: str = ""

    @property
    def key(self) -> str:
        """Digest of all that the result depends on, 16 hex digits; names the run in the store."""
        own_code = [self.network_digest, self.loss_digest]
        rests_on = [self.cohort_digest, self.code, *own_code, self.parent]
        text = canonical_json([settings_text(self.run), *rests_on])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Publication(Section):
    """What a study says of a network that is no other one for it.

    Attributes:
        snapshot: Name of the file with the whole study's settings.
        unit: Unit of the target; "" if the study names none.
        predict: How the network predicts.
    """

    snapshot: str | None = None
    unit: str = ""
    predict: Predict = PREDICT


NOTHING_SAID = Publication()


class PredictSettings(Judged):
    """Which scans a network predicts: the fold that it has not seen, and the test if it is open.

    Attributes:
        channels: Names of the image channels.
        test: Whether the test is open.
        fold: The fold.
        seed: The network's seed.
    """

    channels: tuple[Column, ...]
    test: bool
    fold: int
    seed: int
