"""The network registry, initialisation, and the shapes and sizes of R2GAN's networks."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from models import networks
from models.networks.init import INIT_TYPES, initialise
from models.networks.r2gan import translate_official_key
from util.errors import UserError


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_names_are_listed_without_torch(repository):
    code = "import sys; from models import networks; print(*networks.network_names(), 'torch' in sys.modules)"
    listed = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    *names, torch_is_loaded = listed.stdout.split()
    assert {"r2gan_generator", "pixel", "basic", "n_layers"} <= set(names) and torch_is_loaded == "False"


def test_every_entry_can_be_built_and_described():
    for name in networks.network_names():
        assert isinstance(networks.build(name), nn.Module)
        assert networks.describe(name)


def test_roles_divide_the_names():
    generators, discriminators, classifiers = (
        networks.network_names(role) for role in ("generator", "discriminator", "classifier")
    )
    assert sorted(generators + discriminators + classifiers) == networks.network_names()
    assert "pixel" in discriminators and "r2gan_generator" in generators and "eresnet" in classifiers


def test_published_spelling_and_misspelling():
    assert networks.find_network("R2GAN_generator").name == "r2gan_generator"
    with pytest.raises(UserError, match="nearest is 'pixel'"):
        networks.find_network("pixle", "discriminator")
    with pytest.raises(UserError, match="no discriminator is called 'r2gan_generator'"):
        networks.find_network("r2gan_generator", "discriminator")


def test_preset_arguments_make_basic_an_n_layers():
    assert count_parameters(networks.build("basic")) == count_parameters(networks.build("n_layers", n_layers=3))
    assert round(count_parameters(networks.build("basic")) / 1e6, 3) == 2.766  # CycleGAN's, which has 3 channels too


def test_published_sizes():
    """The specification's table: encoder 7.463 M, a decoder 0.378 M, PixelGAN 8,832."""
    generator = networks.build("r2gan_generator")
    encoder, decoder = count_parameters(generator.encoder), count_parameters(generator.decoder)
    assert round(encoder / 1e6, 3) == 7.463 and round(decoder / 1e6, 3) == 0.378
    assert count_parameters(generator) == encoder + decoder
    assert count_parameters(networks.build("r2gan_generator", tie_decoders=False)) == encoder + 3 * decoder
    assert count_parameters(networks.build("pixel")) == 8832


def test_nine_blocks_are_the_papers_reading():
    block = 2 * (256 * 256 * 9 + 2 * 256)
    six, nine = (count_parameters(networks.build("r2gan_generator", n_blocks=count)) for count in (6, 9))
    assert nine - six == 3 * block


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_a_bias_stands_where_no_batch_norm_follows(norm):
    generator = networks.build("r2gan_generator", ngf=4, norm=norm)
    convolutions = [module for module in generator.modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))]
    with_bias = [module for module in convolutions if module.bias is not None]
    assert len(with_bias) == (1 if norm == "batch" else len(convolutions))


@pytest.mark.parametrize("tie_decoders", [True, False])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_outputs_have_the_sources_size_and_range(norm, tie_decoders):
    generator = networks.build("r2gan_generator", ngf=4, n_blocks=2, norm=norm, tie_decoders=tie_decoders)
    a, b = torch.rand(2, 2, 3, 12, 20) * 2 - 1
    for output in generator(a, b):
        assert output.shape == a.shape and output.abs().max() <= 1


def test_fuse_is_the_fused_path_alone():
    generator = networks.build("r2gan_generator", ngf=4, n_blocks=2, tie_decoders=False).eval()
    a, b = torch.rand(2, 2, 3, 12, 20) * 2 - 1
    runs = {"encoder": [], "decoder": [], "auxiliary": []}
    generator.encoder.block1.register_forward_hook(lambda *_: runs["encoder"].append(1))
    generator.decoder.up1.register_forward_hook(lambda *_: runs["decoder"].append(1))
    for decoder in generator.auxiliary_decoders:
        decoder.register_forward_hook(lambda *_: runs["auxiliary"].append(1))
    with torch.no_grad():
        fused = generator.fuse(a, b)
        assert {name: len(calls) for name, calls in runs.items()} == {"encoder": 2, "decoder": 1, "auxiliary": 0}
        torch.testing.assert_close(fused, generator(a, b).fused, rtol=0, atol=1e-6)
        assert len(runs["auxiliary"]) == 2
        # The mean of the features does not know which source came first.
        torch.testing.assert_close(fused, generator.fuse(b, a), rtol=0, atol=1e-6)


def test_training_sees_one_source_at_a_time():
    """Batch statistics of A and B stay apart, as in the authors' code: 2 passes of the encoder, 3 of the decoder."""
    generator = networks.build("r2gan_generator", ngf=4, n_blocks=1)
    generator(*torch.rand(2, 2, 3, 8, 8))
    assert generator.encoder.stem.norm.num_batches_tracked == 2
    assert generator.decoder.up1.norm.num_batches_tracked == 3


def test_dropout_does_not_change_the_names_of_the_weights():
    with_dropout, without = (networks.build("r2gan_generator", ngf=4, use_dropout=used) for used in (True, False))
    without.load_state_dict(with_dropout.state_dict())
    a, b = torch.rand(2, 1, 3, 8, 8)
    generator = with_dropout.train()
    assert not torch.equal(generator.fuse(a, b), generator.fuse(a, b))
    generator = without.train()
    assert torch.equal(generator.fuse(a, b), generator.fuse(a, b))


def test_official_names_are_translated_or_refused():
    for use_dropout, position in ((True, 6), (False, 5)):
        official = f"model_encoder.11.conv_block.{position}.weight"
        assert translate_official_key(official, use_dropout) == "encoder.block2.conv2.weight"
    assert translate_official_key("model1.7.bias", tie_decoders=False) == "auxiliary_decoders.0.head.bias"
    for foreign in ("model.1.weight", "model_encoder.9.weight", "model_encoder.10.conv_block.9.weight"):
        with pytest.raises(KeyError):
            translate_official_key(foreign)


PATCHES = [("pixel", {}, 1), ("basic", {}, 70), ("n_layers", {"n_layers": 2}, 34)]


@pytest.mark.parametrize("name, arguments, patch", PATCHES)
def test_a_verdict_sees_its_patch_and_no_more(name, arguments, patch):
    """PatchGAN's receptive field (Isola et al. 2017, appendix 6.1.2: 70x70 for 3 layers), by its gradient."""
    discriminator = networks.build(name, ndf=4, norm="none", **arguments).eval()
    image = torch.rand(1, 3, 96, 96, requires_grad=True)
    verdicts = discriminator(image)
    centre = verdicts.shape[-1] // 2
    verdicts[0, 0, centre, centre].backward()
    rows = image.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == patch


def test_published_initialisation():
    """N(0, 0.02) for convolutions, N(1, 0.02) for batch norm, biases 0; standard errors allow 1 % on these counts."""
    torch.manual_seed(0)
    generator = initialise(networks.build("r2gan_generator"))
    weights = torch.cat([module.weight.flatten() for module in generator.modules()
                         if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))])  # fmt: skip
    scales = torch.cat([module.weight for module in generator.modules() if isinstance(module, nn.BatchNorm2d)])
    assert abs(weights.mean()) < 1e-4 and abs(weights.std() - 0.02) < 1e-4
    assert abs(scales.mean() - 1) < 2e-3 and abs(scales.std() - 0.02) < 2e-3
    for name, parameter in generator.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name


@pytest.mark.parametrize("init_type", INIT_TYPES)
def test_every_initialisation_draws_anew_and_repeats_with_the_seed(init_type):
    layer = nn.Conv2d(64, 64, 3)
    before = layer.weight.clone()
    torch.manual_seed(1)
    first = initialise(layer, init_type, 0.5).weight.clone()
    torch.manual_seed(1)
    assert torch.equal(initialise(layer, init_type, 0.5).weight, first) and not torch.equal(first, before)
    rows = first.flatten(1)
    expected = {"normal": 0.5, "xavier": 0.5 * (2 / (2 * 576)) ** 0.5, "kaiming": (2 / 576) ** 0.5,
                "orthogonal": 0.5 / 576**0.5}[init_type]  # fmt: skip
    assert rows.std().item() == pytest.approx(expected, rel=0.03)
    if init_type == "orthogonal":
        torch.testing.assert_close(rows @ rows.T, 0.25 * torch.eye(64), rtol=0, atol=1e-5)


def test_unknown_initialisation_is_refused():
    with pytest.raises(ValueError, match="expected one of normal"):
        initialise(nn.Conv2d(1, 1, 1), "nromal")
