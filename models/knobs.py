"""The recipe's keys that every built-in family of models shares; `models/blocks.py` applies them. No Keras here."""

from typing import Any, Literal

from pydantic import Field

from models.section import Section

Initializer = str | dict[str, Any]
"""A Keras name (`he_normal`), or `{type: variance_scaling, scale: 2.0}`; `auto` leaves the choice to the model."""

Normalization = Literal["none", "batch", "layer", "group"]


class Initializers(Section):
    """Initialisers by kind of layer, each a Keras name or {type: name, argument: value}; auto: as said for each."""

    dense: Initializer = "auto"
    """Kernels of hidden dense layers; auto: `kernel_initializer`."""
    conv: Initializer = "auto"
    """Kernels of convolutions; auto: `kernel_initializer`."""
    recurrent: Initializer = "auto"
    """Kernels of LSTM and GRU from one step to the next; auto: orthogonal (Saxe et al. 2014,
    https://arxiv.org/abs/1312.6120)."""
    embedding: Initializer = "auto"
    """Embeddings; auto: uniform in [-0.05, 0.05], as in Keras."""
    output: Initializer = "auto"
    """Kernel of the output layer; auto: `kernel_initializer`."""


class ModelSection(Section):
    """What every family of models has."""

    output_activation: Literal["auto", "softmax", "sigmoid", "linear"] = "auto"
    """Activation of the last layer; auto: softmax for classes, sigmoid for binary and multi-label, linear for
    regression."""


class Knobs(ModelSection):
    """The techniques that every built-in family takes, or refuses where it has no place for them."""

    activation: str = "relu"
    """Keras name of the activation after each hidden layer."""
    kernel_initializer: Initializer = "auto"
    """Keras name (he_normal, orthogonal, ...), or {type: name, argument: value}; auto: He for ReLU-like activations (He
    et al. 2015), Glorot for tanh, sigmoid and softmax (Glorot and Bengio 2010), LeCun for SELU (Klambauer et al.
    2017)."""
    initializers: Initializers = Initializers()
    """Initialisers that differ by kind of layer."""
    output_bias: Literal["zeros", "priors"] = "zeros"
    """What the bias of the output layer starts at; priors: what makes the network say the frequency of each class in
    the training split (the mean, for regression), so that the first epochs are not spent on learning it (Lin et al.
    2017, https://arxiv.org/abs/1708.02002)."""
    normalization: Literal["auto", Normalization] = "auto"
    """Normalisation of hidden layers: batch (Ioffe and Szegedy 2015; it replaces the layer's bias), layer (Ba et al.
    2016), group (Wu and He 2018) or none; auto: batch with `batch_norm: true`, else what the family is known with:
    batch in resnet and in the residual tabular network, layer in convnext and transformer, none in others."""
    batch_norm: bool | None = None
    """Short for `normalization`: true for batch; false for none where auto would be batch."""
    norm_groups: int = Field(32, ge=1)
    """Groups of a convolution's channels with `normalization: group` (Wu and He 2018: 32); for channels that it does
    not divide, the greatest common divisor. Dense layers have one group."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of units dropped after each hidden block, in [0, 1)."""
    dropout_type: Literal["plain", "spatial", "gaussian", "alpha"] = "plain"
    """plain: single values (Srivastava et al. 2014); spatial: whole feature maps in convolutional blocks (Tompson et
    al. 2015; plain in dense layers); gaussian: multiplied by noise of mean 1 (Srivastava et al. 2014); alpha: keeps
    mean and variance, for SELU alone (Klambauer et al. 2017)."""
    input_noise: float = Field(0.0, ge=0)
    """Standard deviation of the Gaussian noise added to normalised images and numbers in training (Bishop 1995)."""
    l1: float = Field(0.0, ge=0)
    """Weight of the L1 penalty on kernels (biases and norm parameters are exempt, see `penalize`)."""
    l2: float = Field(0.0, ge=0)
    """Weight of the L2 penalty on kernels (biases and norm parameters are exempt, see `penalize`)."""
    penalize: tuple[Literal["bias", "norm"], ...] = Field((), strict=False)
    """What is penalised beside kernels: biases, scales and shifts of normalisation."""
    max_norm: float | None = Field(None, gt=0)
    """Largest Euclidean norm of the weights that enter a unit, kept after every step (Srivastava et al. 2014); null: no
    limit."""

    def default_normalization(self) -> Normalization:
        """The family's own."""
        return "none"

    def layer_kinds(self, kind: str | None) -> set[str]:  # noqa: ARG002
        """Fields of `Initializers` that the network has layers for.

        Args:
            kind: Kind of the data; None: as if of any kind.
        """
        return {"output"}

    def has_hidden_layers(self) -> bool:
        """Whether any layer is followed by the activation and may be normalised."""
        return True

    def normalized_by(self) -> Normalization:
        """The normalisation that `normalization` and `batch_norm` come to."""
        if self.normalization != "auto":
            return self.normalization
        if self.batch_norm:
            return "batch"
        default = self.default_normalization()
        return "none" if default == "batch" and self.batch_norm is False else default


class ResidualKnobs(Knobs):
    """What families of residual blocks take beside."""

    stochastic_depth: float = Field(0.0, ge=0, lt=1)
    """Rate at which the last residual block is left out of a training step, example by example; it grows linearly with
    depth (Huang et al. 2016, https://arxiv.org/abs/1603.09382)."""
    zero_gamma: bool = False
    """Whether the last layer of each residual branch starts at zero, so that blocks start as identities. Goyal et al.
    2017 (https://arxiv.org/abs/1706.02677) do so to the scale (gamma) of the branch's last norm; here norms come before
    kernels, so it is the last kernel."""
