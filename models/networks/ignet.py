"""IGNet: two encoders, three graphs that exchange features between the modalities, and a cascade that decodes them.

J. Li, J. Chen, J. Liu, H. Ma, "Learning a Graph Neural Network with Cross Modality Interaction for Image Fusion", ACM
MM 2023. Number for number the authors' released network with ``legacy_interleave``. Attributes are named as theirs, so
that their weight files load key for key ("rgb" is the infrared branch there, "dep" the visible one).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks import shortcuts
from models.networks.precision import keep_precision
from models.networks.strips import conv_halve, conv_whole, double_conv, in_strips
from models.networks.whole_picture import MeanOfPicture, OfPicture, normalise
from util.tiling import Place

NETWORKS = {
    "ignet": {
        "class": "IGNet",
        "role": "generator",
        "title": "two encoders, graphs of cross-modality interaction at three scales, cascade decoder",
    },
}

NODE_DILATIONS = (4, 8, 16)
SCALES = (512, 256, 128)  # channels of the encoders' outputs at 1/8, 1/4 and 1/2 of the size
STRIDE = 8  # of the coarsest scale
NODE_REDUCTION = 32  # a node has this many times fewer channels than the features it is made from
ROUNDS = 2  # of interaction, and of message passing
LEAKY_SLOPE = 0.2


class Norm(nn.BatchNorm2d):
    """Batch normalisation that can use, in evaluation mode, the statistics of each image instead of the learned ones.

    With ``of_image`` it gives what the authors' test script gives, which leaves the network in training mode and fuses
    one pair at a time; unlike there, the running statistics stay as they are and a batch may have any size.
    """

    of_image = False

    def __init__(self, channels: int):
        super().__init__(channels)
        self.of_picture = OfPicture()

    def forward(self, x: Tensor) -> Tensor:
        if self.training or not self.of_image:
            return super().forward(x)
        return normalise(x, self.of_picture, self.eps, self.weight, self.bias)


def _norm_relu(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, Norm(conv.out_channels), nn.ReLU(inplace=True))


class Encoder(nn.Module):
    """Features of one source at 1/2, 1/4 and 1/8 of its size, 2,984,320 parameters.

    Args:
        multiply: whether the salience of the last stage is the product of maximum and mean pooling (infrared in the
            authors' code, both modalities in the paper's figure) or their sum (visible in the code); None: no salience
            module, the maximum alone.
    """

    def __init__(self, multiply: bool | None):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 128, 3, padding=1)
        self.conv2 = nn.Conv2d(128, 256, 3, padding=1)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 512, 3, padding=1)
        self.multiply = multiply
        if multiply is not None:
            self.fc1 = nn.Linear(512, 32, bias=False)
            self.fc2 = nn.Linear(32, 512, bias=False)
            self.mean = MeanOfPicture()

    def halve(self, image: Tensor) -> Tensor:
        """Map (N, 1, H, W) to (N, 128, H/2, W/2)."""
        return conv_halve(self.conv1, image, _pool)

    def quarter(self, half: Tensor) -> Tensor:
        """Map (N, 128, H/2, W/2) to (N, 256, H/4, W/4)."""
        return conv_halve(self.conv2, half, _pool)

    def deepen(self, quarter: Tensor) -> Tensor:
        """Map (N, 256, H/4, W/4) to (N, 384, H/4, W/4)."""
        return functional.leaky_relu(conv_whole(self.conv3, quarter), LEAKY_SLOPE, inplace=True)

    def finish(self, x: Tensor) -> Tensor:
        """Map (N, 384, H/4, W/4) to (N, 512, H/8, W/8): the structure salience module."""
        if self.multiply is None:
            return conv_halve(self.conv4, x, _pool)
        x = conv_halve(self.conv4, x, self._pool_twice)
        weights = self.fc2(functional.relu(self.fc1(self.mean(x).flatten(1)))).sigmoid()
        return x * weights[:, :, None, None]

    def _pool_twice(self, x: Tensor) -> Tensor:
        x = functional.leaky_relu(x, LEAKY_SLOPE, inplace=True)
        largest, mean = functional.max_pool2d(x, 2), functional.avg_pool2d(x, 2)
        return largest * mean if self.multiply else largest + mean


class NodeMaker(nn.Module):
    """Three nodes from a scale's features, by convolutions of growing reach: (N, C, H, W) to (3, N, C/32, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        width = channels // NODE_REDUCTION
        self.convs = nn.ModuleList(
            _norm_relu(nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation, bias=False))
            for dilation in NODE_DILATIONS
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([conv(x) for conv in self.convs])


class ConvGRU(nn.Module):
    """A gated recurrent unit of 1x1 convolutions: ``message`` and ``hidden``, (N, width, H, W), to the next hidden."""

    def __init__(self, width: int):
        super().__init__()
        self.ConvGates = nn.Conv2d(2 * width, 2 * width, 1)
        self.Conv_ct = nn.Conv2d(2 * width, width, 1)
        for conv in (self.ConvGates, self.Conv_ct):
            nn.init.normal_(conv.weight, 0.0, 0.01)

    def forward(self, message: Tensor, hidden: Tensor) -> Tensor:
        reset, update = self.ConvGates(torch.cat([message, hidden], 1)).sigmoid().chunk(2, 1)
        proposal = self.Conv_ct(torch.cat([message, reset * hidden], 1)).tanh()
        return hidden + update * (proposal - hidden)


class MessagePassing(nn.Module):
    """A round of messages between the three nodes of one modality: (3, N, width, H, W) to the same shape.

    Node i hears m_i = sum_j sigmoid(w_j (h_i - h_j)) h_j from its two neighbours j and moves by gamma GRU(m_i, h_i).
    gamma begins at 0: messages are learned to be listened to.

    Args:
        width: channels of a node, an even number.
        legacy_interleave: weigh even channels of both neighbours by the first one's edge and odd channels by the
            second's, as the authors' code does by mistake and their weights have learned.
    """

    _NEIGHBOURS = ((1, 0, 0), (2, 2, 1))  # of nodes 0, 1 and 2: the first, then the second

    def __init__(self, width: int, legacy_interleave: bool = False):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.C_wgt = nn.Conv2d(2 * width, 2, 1, groups=2, bias=False)
        self.ConvGRU = ConvGRU(width)
        self.legacy_interleave = legacy_interleave

    def forward(self, nodes: Tensor) -> Tensor:
        message = self._gather(nodes).flatten(0, 1)
        hidden = nodes.flatten(0, 1)
        return (hidden + self.gamma * self.ConvGRU(message, hidden)).view_as(nodes)

    def _gather(self, nodes: Tensor) -> Tensor:
        # w (h_i - h_j) = w h_i - w h_j: one product for each node and place instead of one for each edge.
        places = functional.conv2d(nodes.flatten(0, 1), self.C_wgt.weight)
        places = places.view(*nodes.shape[:2], 2, *nodes.shape[3:])
        first, second = (_take(nodes, neighbours) for neighbours in self._NEIGHBOURS)
        edges = torch.stack(
            [places[:, :, slot] - _take(places[:, :, slot], self._NEIGHBOURS[slot]) for slot in (0, 1)], 2
        ).sigmoid()
        if self.legacy_interleave:
            return edges.repeat(1, 1, nodes.shape[2] // 2, 1, 1) * (first + second)
        return edges[:, :, :1] * first + edges[:, :, 1:] * second


def _take(x: Tensor, numbers: tuple[int, ...]) -> Tensor:
    """Return ``x[list(numbers)]``, for which a GPU would be waited for: the list is copied to it."""
    return torch.stack([x[number] for number in numbers])


class GraphInteraction(nn.Module):
    """The graph of one scale: leader guidance, cross-modality interaction, messages inside each modality.

    Args:
        channels: of the features the nodes are made from.
        use_leader: gate the nodes by the previous scale's leader, where one is given.
        use_interaction: exchange features between the modalities.
        legacy_interleave: see ``MessagePassing``.
    """

    def __init__(
        self, channels: int, use_leader: bool = True, use_interaction: bool = True, legacy_interleave: bool = False
    ):
        super().__init__()
        width = channels // NODE_REDUCTION
        self.ppm_rgb = NodeMaker(channels)
        self.ppm_dep = NodeMaker(channels)
        self.graph_rgb = MessagePassing(width, legacy_interleave)
        self.graph_dep = MessagePassing(width, legacy_interleave)
        if use_leader:
            self.C_ca = nn.ModuleList(_make_gate(width) for _ in range(2))
        if use_interaction:
            self.C_pa = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for _ in range(2))
        self.use_leader = use_leader
        self.use_interaction = use_interaction

    def forward(
        self, nodes_ir: Tensor, nodes_vis: Tensor, leader_ir: Tensor | None = None, leader_vis: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the new nodes of both modalities.

        Args:
            nodes_ir, nodes_vis: (3, N, width, H, W), from ``ppm_rgb`` and ``ppm_dep``.
            leader_ir, leader_vis: (N, 2 * width, any, any), the merged nodes of the next coarser scale.
        """
        gates = None
        if self.use_leader and leader_ir is not None:
            gates = 1 + self.C_ca[0](leader_ir).sigmoid(), 1 + self.C_ca[1](leader_vis).sigmoid()
        if not shortcuts.open_for(nodes_ir):
            return self._exchange(nodes_ir, nodes_vis, gates)

        def make(top: int, bottom: int) -> Tensor:  # no pixel hears of another one here
            return torch.stack(self._exchange(nodes_ir[..., top:bottom, :], nodes_vis[..., top:bottom, :], gates))

        height = nodes_ir.shape[-2]
        return in_strips(make, height, 2 * nodes_ir.numel() // height).unbind()

    def _exchange(
        self, nodes_ir: Tensor, nodes_vis: Tensor, gates: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        if gates is not None:
            nodes_ir, nodes_vis = nodes_ir * gates[0], nodes_vis * gates[1]
        if self.use_interaction:
            nodes_ir, nodes_vis = self._interact(nodes_ir, nodes_vis)
        for _ in range(ROUNDS):
            nodes_ir, nodes_vis = self.graph_rgb(nodes_ir), self.graph_dep(nodes_vis)
        return nodes_ir, nodes_vis

    def _interact(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        shape = a.shape
        a, b = a.flatten(0, 1), b.flatten(0, 1)
        for _ in range(ROUNDS):
            difference = a - b
            from_a, from_b = self.C_pa[0](difference).sigmoid(), self.C_pa[1](-difference).sigmoid()
            a, b = b * from_b + a, a * from_a + b
        return a.view(shape), b.view(shape)


def _make_gate(width: int) -> nn.Sequential:
    return nn.Sequential(
        MeanOfPicture(),
        nn.Conv2d(2 * width, width // 2, 1, bias=False),
        nn.ReLU(inplace=True),
        nn.Conv2d(width // 2, width, 1, bias=False),
    )


class GraphDecoder(nn.Module):
    """The graphs from the coarsest scale to the finest, and the cascade that decodes each modality.

    1,902,687 parameters by default.

    Args:
        n_scales: scales that have a graph, from the coarsest on; a finer one is decoded without.
        use_leader, use_interaction, legacy_interleave: see ``GraphInteraction``.
    """

    WIDTHS = (128, 32, 4)  # channels of a modality after each doubling

    def __init__(
        self,
        n_scales: int = 3,
        use_leader: bool = True,
        use_interaction: bool = True,
        legacy_interleave: bool = False,
    ):
        super().__init__()
        scales = SCALES[:n_scales]
        self.graph = nn.ModuleList(
            GraphInteraction(channels, use_leader, use_interaction, legacy_interleave) for channels in scales
        )
        merged = [channels // NODE_REDUCTION for channels in scales]
        self.C_cat = nn.ModuleList(
            _norm_relu(nn.Conv2d(3 * width, width, 3, padding=1, bias=False)) for width in 2 * merged
        )
        inputs = (SCALES[0], *self.WIDTHS)
        merged += [0] * (len(SCALES) - n_scales)
        self.C_up = nn.ModuleList(
            _norm_relu(nn.Conv2d(inputs[step] + merged[step], self.WIDTHS[step], 3, padding=1, bias=False))
            for step in (0, 1, 2, 0, 1, 2)
        )
        self.C_cls = nn.Conv2d(2 * self.WIDTHS[-1], 1, 1)

    def make_nodes(self, scale: int, is_ir: bool, features: Tensor) -> Tensor | None:
        """Return the nodes of one modality at ``scale`` (0 is the coarsest), None where that has no graph."""
        if scale >= len(self.graph):
            return None
        graph = self.graph[scale]
        return (graph.ppm_rgb if is_ir else graph.ppm_dep)(features)

    def forward(
        self, features: list[Tensor], nodes: list[list[Tensor | None]], place: Place | None = None
    ) -> Tensor:
        """Decode both modalities into one image (N, 1, H, W).

        Args:
            features: (N, 512, H/8, W/8) of infrared and visible; the list is emptied.
            nodes: for infrared and visible the nodes of each scale, the coarsest first; the lists are emptied.
            place: of the image to come in its picture, where it is a tile; on multiples of 8.
        """
        decoded, leaders = features, [None, None]
        for step in range(len(SCALES)):
            here = place and Place(*(length * 2**step // STRIDE for length in place))
            if step < len(self.graph):
                graph = self.graph[step]
                updated = graph(nodes[0].pop(0), nodes[1].pop(0), *leaders)
                leaders = [self._merge(side, step, updated[side]) for side in (0, 1)]
                del updated
            else:
                leaders = [None, None]
            for side in (0, 1):
                inputs = decoded[side] if leaders[side] is None else torch.cat([leaders[side], decoded[side]], 1)
                conv, norm, relu = self.C_up[3 * side + step]
                with keep_precision(inputs, wanted=step > 0) as inputs:
                    decoded[side] = relu(norm(double_conv(conv, inputs, here)))
        with keep_precision(torch.cat(decoded, 1)) as inputs:
            return self.C_cls(inputs)

    def _merge(self, side: int, step: int, nodes: Tensor) -> Tensor:
        return self.C_cat[len(self.graph) * side + step](torch.cat(list(nodes), 1))


class IGNet(nn.Module):
    """Fuse an infrared and a visible luminance image; sides are multiples of 8. 7,871,327 parameters.

    Args:
        legacy_interleave: the authors' edge weights, see ``MessagePassing``; their weight files need it.
        bn_train_mode: in evaluation mode, normalise by the statistics of each image, see ``Norm``.
        salience: the last stage of the encoders: "code" multiplies for infrared and adds for visible, as the authors'
            code does, "figure" multiplies for both, as the paper draws it, "off" has none.
        n_scales: scales that have a graph, 1 to 3 from the coarsest on.
        use_leader: let each scale's merged nodes guide the next.
        use_interaction: exchange features between the modalities.
    """

    def __init__(
        self,
        legacy_interleave: bool = False,
        bn_train_mode: bool = False,
        salience: str = "code",
        n_scales: int = 3,
        use_leader: bool = True,
        use_interaction: bool = True,
    ):
        super().__init__()
        multiply_ir, multiply_vis = {"code": (True, False), "figure": (True, True), "off": (None, None)}[salience]
        self.vis_conv = Encoder(multiply_vis)
        self.inf_conv = Encoder(multiply_ir)
        self.graph = GraphDecoder(n_scales, use_leader, use_interaction, legacy_interleave)
        for module in self.modules():
            if isinstance(module, Norm):
                module.of_image = bn_train_mode

    def forward(self, ir: Tensor, vis: Tensor, place: Place | None = None) -> Tensor:
        """Return the fused luminance (N, 1, H, W), unbounded; ``ir`` and ``vis`` are (N, 1, H, W) in [0, 1].

        With a ``place`` they are what a tile sees of a picture.
        """
        features, nodes = [], []
        for encoder, image in ((self.inf_conv, ir), (self.vis_conv, vis)):
            x, made = self._encode(encoder, image)
            features.append(x)
            nodes.append(made)
        del x, made  # the decoder frees what it has used
        return self.graph(features, nodes, place)

    def gammas(self) -> dict[str, Tensor]:
        """Return how much each graph listens to its messages: {"ir_512": scalar, "vis_512": scalar, "ir_256": ...}."""
        found = {}
        for channels, graph in zip(SCALES, self.graph.graph, strict=False):
            found |= {f"ir_{channels}": graph.graph_rgb.gamma[0], f"vis_{channels}": graph.graph_dep.gamma[0]}
        return found

    def _encode(self, encoder: Encoder, image: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        is_ir, nodes = encoder is self.inf_conv, []
        x = encoder.halve(image)  # one name for all maps: none is held longer than it is needed
        nodes.append(self.graph.make_nodes(2, is_ir, x))
        x = encoder.quarter(x)
        nodes.append(self.graph.make_nodes(1, is_ir, x))
        x = encoder.deepen(x)
        x = encoder.finish(x)
        nodes.append(self.graph.make_nodes(0, is_ir, x))
        return x, nodes[::-1]


def _pool(x: Tensor) -> Tensor:
    """2x2 maximum and leaky ReLU; in this order since the maximum and a rising function commute."""
    return functional.leaky_relu(functional.max_pool2d(x, 2), LEAKY_SLOPE, inplace=True)
