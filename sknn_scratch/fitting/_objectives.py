"""Objectives of members: encoded rows, the loss to minimise, and the score of held-out rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sknn_scratch.components import ExpLink, Poisson, SquaredError
from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.data import Data
from sknn_scratch.fitting._coding import (
    Coding,
    check_weights,
    checked_validation,
    encoded,
    encoded_validation,
    learn,
)
from sknn_scratch.fitting._judge import scorer_score
from sknn_scratch.fitting._params import invalid
from sknn_scratch.fitting._scaling import check_range, losses, moments
from sknn_scratch.fitting._settings import Settings
from sknn_scratch.fitting._targets import NumericTargets
from sknn_scratch.fitting._types import Call, Fitted, Rows
from sknn_scratch.fitting._validation import naming
from sknn_scratch.training.selection import Score, class_score, label_score, loss_score
from sknn_scratch.training.state import Plan


class MemberObjective(NamedTuple):
    """Learning problem of members, on the rows of all."""

    coding: Coding
    criterion: Loss  #: of scores, on predictions
    data: Data
    given: Data | None  #: validation data; None if members hold rows out of ``data``

    @property
    def judged(self) -> Data:
        """Data that numbers of held-out rows refer to."""
        return self.data if self.given is None else self.given

    def score(self, settings: Settings, plan: Plan, rows: Array) -> Score:
        """Return the score of a member on held-out rows; ``settings`` are those of the member."""
        if settings.has_scorer:
            own = self.coding._replace(settings=settings)
            return scorer_score(own, plan, self.judged, rows, "lower n_folds")
        if settings.scoring is None and self.coding.loss.one_hot:
            return class_score(self.judged, rows)
        if settings.scoring is None and self.coding.targets.task == "multilabel":
            return label_score(self.judged, rows)
        return loss_score(self.criterion, self.coding.loss, self.judged, rows)


def objectives_of(
    settings: Settings, link: str, rows: Rows, call: Call
) -> tuple[Coding, list[MemberObjective]]:
    """Return the encoding of y itself, and the objectives that members alternate between.

    Members of an earlier fit have one each, which may be the same object more than once.
    The training ``rows`` are checked; of the validation data, X is.
    """
    coding = learn(settings, rows.X, rows.y, call)
    codings = [coding]
    if isinstance(coding.targets, NumericTargets):
        rows = rows._replace(y=np.asarray(rows.y, np.float64))
        if call.members is None:
            codings = _scaled(coding, coding.targets, link, rows)
        else:
            with naming("y", settings.owner):
                call.members.targets.check_form(rows.y)
            codings = [_kept(coding, one, link, rows) for one in call.members.members]
    given = checked_validation(coding, call.given)
    made: dict[Any, MemberObjective] = {}
    for each in codings:
        if _units(each) not in made:
            made[_units(each)] = _objective(each, coding.loss, rows, given)
    return coding, [made[_units(each)] for each in codings]


def _scaled(coding: Coding, targets: NumericTargets, link: str, rows: Rows) -> list[Coding]:
    """Return the encodings of y in units of its scale, one for each loss of members."""
    check_range(coding.settings, rows.y, coding.loss)
    spread = moments(rows.y, rows.sample_weight)
    lowest = np.min(target_range(rows)[0])
    each = losses(coding.owner, link, coding.loss, lowest, spread)
    return [coding._replace(loss=loss, targets=targets.in_units(loss, *spread)) for loss in each]


def _kept(coding: Coding, member: Fitted, link: str, rows: Rows) -> Coding:
    """Return the encoding of y that a member of an earlier fit has; its link stands."""
    owner, loss = coding.owner, coding.loss
    check_range(coding.settings, rows.y, loss)
    is_log = isinstance(loss, SquaredError) and isinstance(member.loss.link, ExpLink)
    own = "log" if is_log else "identity"
    if link not in ("auto", own):
        raise invalid(
            owner, "link", f"'auto' or {own!r}", link,
            " The members of the earlier fit keep their links: call fit with warm_start=False to "
            "change them.",
        )  # fmt: skip
    if is_log:
        loss = Poisson()
        _check_kept_range(owner, loss, rows)
    return coding._replace(loss=loss, targets=member.targets)


def _check_kept_range(owner: str, loss: Loss, rows: Rows) -> None:
    """Raise ValueError for targets of rows with weight that exponential outputs cannot reach."""
    low, high = target_range(rows)
    if not loss.target_range.contains(low):
        raise ValueError(
            f"The targets y of {owner} must be {loss.target_range}, because members of the earlier "
            f"fit have exponential outputs. Got values from {np.min(low):g} to {np.max(high):g}: "
            "call fit with link='identity' and warm_start=False to start again."
        )


def target_range(rows: Rows) -> tuple[Any, Any]:
    """Return the lowest and the highest target of rows that have weight, for each column."""
    y = np.asarray(rows.y, np.float64)
    counted = y if rows.sample_weight is None else y[rows.sample_weight > 0]
    return counted.min(axis=0), counted.max(axis=0)


def _units(coding: Coding) -> Any:
    """Return what encodings of one ``y`` differ in, to share objectives: loss, and units of y."""
    if not isinstance(coding.targets, NumericTargets):
        return None
    units = coding.targets.location, coding.targets.scale
    return type(coding.loss), *(None if one is None else tuple(one.tolist()) for one in units)


def _objective(coding: Coding, criterion: Loss, rows: Rows, given: Rows) -> MemberObjective:
    data = encoded(coding, rows)
    check_weights(coding.settings, data.weight, "all samples")
    return MemberObjective(coding, criterion, data, encoded_validation(coding, given, rows.y))
