"""Values that a fit passes from room to room."""

from __future__ import annotations

from typing import Any, NamedTuple

from sknn_scratch.contracts import Array, Loss, Optimizer, State
from sknn_scratch.core.network import Network
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.steps import Source


class Rows(NamedTuple):
    """Data as passed by the user; all None without validation data."""

    X: Any = None
    y: Any = None
    sample_weight: Any = None


class Inherited(NamedTuple):
    """Encoding of data by an earlier fit, which a call keeps."""

    targets: Any  #: encoder of y
    dtype: Any  #: of weights
    n_features: int
    feature_names: Array | None


class Fitted(NamedTuple):
    """A fitted network, from which training can continue."""

    theta: Array
    state: TrainingState
    optimizer: Optimizer | None  #: None for L-BFGS
    network: Network
    loss: Loss
    targets: Any
    n_features: int
    feature_names: Array | None
    rows_per_step: int | None  #: of the last training; None for L-BFGS, or if it is unknown

    @property
    def inherited(self) -> Inherited:
        """Encoding that a fit keeps if it continues from this network."""
        return Inherited(self.targets, self.theta.dtype, self.n_features, self.feature_names)


class FittedMembers(NamedTuple):
    """Fitted members of an ensemble, from which training can continue."""

    members: list[Fitted]  #: plain networks, whose weights include feature scales and temperature
    streams: list[Fitted] | None  #: the same as partial_fit left them; None after fit
    preprocessor: Any
    targets: Any  #: encoder of y in its own units
    target_range: tuple[Any, Any] | None  #: lowest and highest target; None for classes
    held_out: list[Array]
    temperature: float

    @property
    def inherited(self) -> Inherited:
        """Encoding that a fit keeps if it continues from these members."""
        return self.members[0].inherited._replace(targets=self.targets)


class Stored(NamedTuple):
    """A checkpoint to resume from."""

    path: str
    tree: State
    inherited: Inherited | None  #: encoding that its fit kept of an earlier one


class Call(NamedTuple):
    """Arguments of a call of ``fit``, ``partial_fit`` or ``resume``, apart from the rows."""

    given: Rows = Rows()  #: validation data, whose X is checked
    before: Fitted | Stored | None = None  #: start of training; None: new weights
    one_pass: bool = False  #: partial_fit
    classes: Any = None
    path: str | None = None  #: path of the checkpoint to resume from
    feature_names: Array | None = None  #: names of the columns of X, once X is checked
    members: FittedMembers | None = None  #: start of training of an ensemble

    @property
    def inherited(self) -> Inherited | None:
        """Encoding that the call keeps of an earlier fit; None to determine it again."""
        start = self.members if self.before is None else self.before
        return None if start is None else start.inherited


class Job(NamedTuple):
    """Inputs of a fit that is ready to run."""

    settings: Any  #: resolved parameters
    plan: Plan
    source: Source
    state: TrainingState
    targets: Any
    header: State  #: identification of this fit in checkpoints

    @property
    def rows_per_step(self) -> int | None:
        """Number of rows in a mini-batch, the last of which may have fewer; None for L-BFGS."""
        order = self.state.order
        return self.plan.batch_size(self.source.n_samples if order is None else len(order))
