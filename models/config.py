"""The recipe's `model` section: one class per family, told apart by `type`. No Keras here."""

from typing import Annotated, Any, Literal

from pydantic import Field

from models.knobs import Knobs, ModelSection, Normalization, ResidualKnobs

Sizes = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)]


class MlpConfig(Knobs):
    """Fully connected layers; takes any kind of example (images are flattened, tokens are averaged embeddings)."""

    type: Literal["mlp"]
    """Family of the model."""
    units: Sizes = (128, 64)
    """Width of each hidden layer."""

    def layer_kinds(self, kind: str | None) -> set[str]:
        """Only texts are embedded."""
        return {"dense", "output"} | ({"embedding"} if kind in ("text", None) else set())


class CnnConfig(Knobs):
    """Blocks of convolution, norm, activation, max-pooling and dropout, then one dense layer; takes images."""

    type: Literal["cnn"]
    """Family of the model."""
    filters: Sizes = (32, 64)
    """Filters of each block, one entry a block."""
    kernel_size: int = Field(3, ge=1)
    """Side of the convolution window, in pixels."""
    convolutions: int = Field(1, ge=1)
    """Convolutions in each block, before its pooling."""
    pool_size: int = Field(2, ge=1)
    """Side of the max-pooling window after each block, in pixels; 1: no pooling."""
    units: int = Field(128, ge=0)
    """Width of the dense layer before the output; 0: none."""

    def layer_kinds(self, kind: str | None) -> set[str]:  # noqa: ARG002
        """Convolutions, and perhaps a dense layer."""
        return {"conv", "output"} | ({"dense"} if self.units else set())


class ResnetConfig(ResidualKnobs):
    """Stages of pre-activation residual blocks (He et al. 2016, https://arxiv.org/abs/1603.05027); takes images."""

    type: Literal["resnet"]
    """Family of the model."""
    filters: Sizes = (16, 32, 64)
    """Filters of each stage, one entry a stage; each stage after the first halves height and width."""
    blocks: int = Field(2, ge=1)
    """Residual blocks in each stage: norm, activation, convolution, norm, activation, dropout, convolution (dropout as
    in Zagoruyko and Komodakis 2016)."""
    kernel_size: int = Field(3, ge=1)
    """Side of the convolution window, in pixels."""

    def default_normalization(self) -> Normalization:
        """As in the paper."""
        return "batch"

    def layer_kinds(self, kind: str | None) -> set[str]:  # noqa: ARG002
        """Convolutions alone."""
        return {"conv", "output"}


class ConvnextConfig(Knobs):
    """Stages of ConvNeXt blocks (Liu et al. 2022, https://arxiv.org/abs/2201.03545) at small scale; takes images."""

    type: Literal["convnext"]
    """Family of the model."""
    activation: str = "gelu"
    """Keras name of the activation inside each block."""
    filters: Sizes = (32, 64)
    """Filters of each stage, one entry a stage; each stage after the first halves height and width."""
    blocks: int = Field(2, ge=1)
    """Blocks in each stage: depthwise convolution, norm, wide dense layer, activation, dense layer."""
    kernel_size: int = Field(7, ge=1)
    """Side of the depthwise convolution's window, in pixels."""
    patch_size: int = Field(2, ge=1)
    """Side of the squares of pixels that the first layer sees, without overlap (the paper has 4, for larger images)."""
    expansion: int = Field(4, ge=1)
    """Width of the dense layer inside a block, as a multiple of the stage's filters."""
    layer_scale: float | None = Field(1e-6, ge=0)
    """What the learned scale of each block's branch starts at (Touvron et al. 2021); null: no such scale."""
    stochastic_depth: float = Field(0.0, ge=0, lt=1)
    """Rate at which the last block is left out of a training step, example by example; it grows linearly with depth
    (Huang et al. 2016, https://arxiv.org/abs/1603.09382)."""

    def default_normalization(self) -> Normalization:
        """As in the paper."""
        return "layer"

    def layer_kinds(self, kind: str | None) -> set[str]:  # noqa: ARG002
        """Convolutions, and dense layers in the blocks."""
        return {"conv", "dense", "output"}


class TextConfig(ResidualKnobs):
    """An embedding of the tokens, then an encoder over the sequence, then one dense layer; takes texts."""

    type: Literal["text"]
    """Family of the model."""
    embedding_dim: int = Field(64, ge=1)
    """Size of a token's embedding; with encoder transformer the width of the network."""
    encoder: Literal["pooling", "conv1d", "bilstm", "bigru", "transformer"] = "pooling"
    """pooling: mean over the tokens, without padding; conv1d: 1-D convolutions, then the maximum over the sequence;
    bilstm, bigru: recurrent layers that read in both directions, then their last states; transformer: learned positions
    and blocks of self-attention (Vaswani et al. 2017, norms first as in Xiong et al. 2020), then the mean over the
    tokens. All but conv1d leave padding out."""
    filters: Sizes = (128,)
    """Filters of each 1-D convolution (encoder conv1d)."""
    kernel_size: int = Field(5, ge=1)
    """Width of the convolution, in tokens (encoder conv1d)."""
    recurrent_units: Sizes = (64,)
    """Units of each recurrent layer, in each direction (encoders bilstm and bigru)."""
    blocks: int = Field(2, ge=1)
    """Blocks of attention and two dense layers (encoder transformer)."""
    num_heads: int = Field(4, ge=1)
    """Heads of the attention; they share embedding_dim evenly (encoder transformer)."""
    expansion: int = Field(4, ge=1)
    """Width of the first dense layer of a block, as a multiple of embedding_dim (encoder transformer)."""
    units: int = Field(64, ge=0)
    """Width of the dense layer before the output; 0: none."""

    def default_normalization(self) -> Normalization:
        """A transformer needs one."""
        return "layer" if self.encoder == "transformer" else "none"

    def layer_kinds(self, kind: str | None) -> set[str]:  # noqa: ARG002
        """Embeddings, and what the encoder has."""
        inside = {"conv1d": "conv", "bilstm": "recurrent", "bigru": "recurrent", "transformer": "dense"}
        kinds = {"embedding", "output"} | ({inside[self.encoder]} if self.encoder in inside else set())
        # The kernels of a recurrent layer that read its input are dense ones.
        return kinds | ({"dense"} if self.units or "recurrent" in kinds else set())

    def has_hidden_layers(self) -> bool:
        """The mean of embeddings and recurrent layers have activations of their own."""
        return bool(self.units) or self.encoder in ("conv1d", "transformer")


class TabularConfig(ResidualKnobs):
    """Embeddings of the categories beside the numbers, then dense layers or residual blocks; takes tables."""

    type: Literal["tabular"]
    """Family of the model."""
    backbone: Literal["mlp", "resnet"] = "mlp"
    """mlp: dense layers; resnet: residual blocks of two dense layers (Gorishniy et al. 2021,
    https://arxiv.org/abs/2106.11959)."""
    embedding_dim: int = Field(8, ge=1)
    """Size of a category's embedding."""
    units: Sizes = (128, 64)
    """Width of each hidden layer (backbone mlp)."""
    width: int = Field(128, ge=1)
    """Width of the network between blocks (backbone resnet)."""
    blocks: int = Field(2, ge=1)
    """Residual blocks (backbone resnet)."""
    expansion: int = Field(2, ge=1)
    """Width of the first dense layer of a block, as a multiple of `width` (backbone resnet)."""

    def default_normalization(self) -> Normalization:
        """As in the paper."""
        return "batch" if self.backbone == "resnet" else "none"

    def layer_kinds(self, kind: str | None) -> set[str]:  # noqa: ARG002
        """Dense layers, and embeddings where there are categories."""
        return {"dense", "embedding", "output"}


class LayersConfig(ModelSection):
    """An explicit list of Keras layers, in order; the output layer is added from the task."""

    type: Literal["layers"]
    """Family of the model."""
    layers: Annotated[tuple[dict[str, Any], ...], Field(strict=False, min_length=1)]
    """Keras layers: `{type: Dense, units: 64, activation: relu}`; every argument of the Keras class can be given."""
    add_output: bool = True
    """Whether the output layer of the task is added after the list; false: the last layer of the list is the output."""


class CustomConfig(ModelSection):
    """A network built by a Python function of yours; its code counts as an ingredient of the training."""

    type: Literal["custom"]
    """Family of the model."""
    entry: str
    """`package.module:function`. It is called with the features (a Keras tensor: normalised images, token indices, or
    the numbers of a table beside the one-hot codes of its categories) and with `arguments`. It returns a Keras model
    that takes them, or a tensor made from them, of Keras's own layers; random seeds that it leaves open come from the
    recipe's `seed`. Keras Tuner's `build(hp)` and `HyperModel` can be named as well: `arguments` are the values of
    their hyperparameters, and what they compile is left to `train`."""
    arguments: dict[str, Any] = {}
    """Keyword arguments of the function."""
    folder: str | None = None
    """Folder that the module lies in, relative to the recipe's file; null: that of the recipe's file, else the working
    directory, else the installed packages."""
    add_output: bool = True
    """Whether the output layer of the task is added; false: what the function gives is the output."""


class TransferConfig(Knobs):
    """A pretrained network without its last layer, and a new head on the mean of its features; takes images.

    `train.epochs` trains the head alone on the frozen network, `train.fine_tuning` what comes after. The pretrained
    part always runs in inference mode (batch norm, dropout), as Keras's guide to transfer learning asks.
    """

    type: Literal["transfer"]
    """Family of the model."""
    source: str = Field(min_length=1)
    """Where the pretrained network comes from: a `.keras` file; `models:/name@champion` or `models:/name/3`;
    `keras.applications:MobileNetV2`; or the id or the name of a run."""
    weights: str | None = None
    """Weights of `keras.applications`: a name such as imagenet, downloaded once, or a local `.weights.h5` or `.h5` file
    without top; null: imagenet."""
    until: str | None = None
    """Name of the source's last layer that is taken; null: the one before the last (all that `keras.applications` has
    without top)."""
    units: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)] = ()
    """Width of each hidden layer of the head, before the output; `dropout` comes before each and before the output."""

    @property
    def application(self) -> str | None:
        """Name of the network of `keras.applications`; None for other sources."""
        prefix = "keras.applications:"
        return self.source.removeprefix(prefix) if self.source.startswith(prefix) else None

    def layer_kinds(self, kind: str | None) -> set[str]:  # noqa: ARG002
        """Those of the head."""
        return {"output"} | ({"dense"} if self.units else set())

    def has_hidden_layers(self) -> bool:
        """Where the head has any."""
        return bool(self.units)


ModelConfig = Annotated[
    MlpConfig
    | CnnConfig
    | ResnetConfig
    | ConvnextConfig
    | TextConfig
    | TabularConfig
    | LayersConfig
    | CustomConfig
    | TransferConfig,
    Field(discriminator="type"),
]
