"""The catalogue: orders of papers, tutorials and forums, most general first."""

from __future__ import annotations

from ordersearch.advice.named_order import NamedOrder

CAFFENET = "Mishkin et al., caffenet-benchmark, batchnorm.md (2017)"
GARBIN = "Garbin et al. 2020"
FORUM = "fast.ai forum, Order of layers in model (2017)"
PAGE = "Page 2019, How to train your ResNet 8: bag of tricks"

LITERATURE_ORDERS = (
    NamedOrder(
        "convention",
        "conv > batch_norm > relu > max_pool > dropout",
        "weight > norm > activation > pool? > dropout?",
        "Ioffe & Szegedy 2015, arXiv:1502.03167 (norm before the activation); Keras and PyTorch tutorials",
        "Norm before the activation, dropout at the end of the block: best practice to tutorials, without a figure.",
    ),
    NamedOrder(
        "norm after activation",
        "conv > relu > batch_norm > max_pool > dropout",
        "weight > activation > norm > pool? > dropout?",
        CAFFENET,
        "Better on CaffeNet, ImageNet at 128 px: 0.499 against 0.474 top-1 before it; worse on GoogLeNet, 0.596 "
        "against 0.603 (n = 1).",
    ),
    NamedOrder(
        "norm only",
        "conv > batch_norm > relu > max_pool",
        "weight > norm > activation > pool?",
        f"Ioffe & Szegedy 2015, arXiv:1502.03167: drop the dropout where there is batch norm; {GARBIN}",
        "Batch norm makes dropout needless. CIFAR-10: 0.845 with norm alone, 0.809 with dropout, too (Garbin, n = 1).",
    ),
    NamedOrder(
        "dropout only",
        "conv > relu > max_pool > dropout",
        "weight > activation > pool? > dropout",
        f"Srivastava et al. 2014, JMLR 15; {GARBIN}",
        "Dropout prevents overfitting. A small CNN on CIFAR-10 got 0.758 with it alone, or failed (Garbin, n = 1).",
    ),
    NamedOrder(
        "neither",
        "conv > relu > max_pool",
        "weight > activation > pool?",
        f"LeCun et al. 1998, with another activation; {GARBIN}",
        "The plain network. CIFAR-10: 0.804 at its best learning rate, 1e-4, but 0.323 at 1e-3 (Garbin, n = 1).",
    ),
    NamedOrder(
        "forum order",
        "conv > relu > max_pool > dropout > batch_norm",
        "weight > activation > pool? > dropout > norm",
        f"{FORUM}, the question's first order",
        "Asked about, nothing claimed: norm last, behind the dropout.",
    ),
    NamedOrder(
        "forum's second order",
        "conv > batch_norm > relu > max_pool > dropout",
        "conv > norm > activation > pool > dropout",
        f"{FORUM}, the question's second order",
        "Read in some places: norm between convolution and activation, as in ResNet.",
    ),
    NamedOrder(
        "fast.ai lesson 7",
        "conv > relu > batch_norm > max_pool",
        "conv > activation > norm > pool",
        f"{FORUM}, on lesson 7 of the course",
        "Nothing claimed: the course puts the norm behind the activation and before the pool.",
    ),
    NamedOrder(
        "fast.ai lesson 3",
        "linear > relu > dropout > batch_norm",
        "linear > activation > dropout > norm",
        f"{FORUM}, on lesson 3 of the course",
        "Nothing claimed: the course puts the norm behind the dropout of a fully connected layer.",
    ),
    NamedOrder(
        "spatial dropout after conv",
        "conv > spatial_dropout > batch_norm > relu > max_pool",
        "conv > spatial_dropout > norm > activation > pool?",
        "Stack Overflow, SpatialDropout2D with batch normalization; Tompson et al. 2015, arXiv:1411.4280",
        "Where neighbouring pixels are correlated, dropping single ones only lowers the effective learning rate, so "
        "whole maps are dropped.",
    ),
    NamedOrder(
        "two weights before the norm",
        "conv > relu > conv > batch_norm > relu > max_pool > dropout",
        "weight > activation > weight > norm > activation > pool? > dropout",
        "Stack Overflow, SpatialDropout2D with batch normalization, an answer",
        "Two weight layers without dropout in front of each norm keep it from variances that evaluation does not have; "
        "no figure.",
    ),
    NamedOrder(
        "group norm",
        "conv > group_norm > relu > max_pool",
        "weight > group_norm > activation > pool? > dropout?",
        "Wu & He 2018, Group normalization, arXiv:1803.08494",
        "Does not depend on the batch: with 2 samples a device, ResNet-50's error on ImageNet is 10.6 points below "
        "that with batch norm.",
    ),
    NamedOrder(
        "layer norm",
        "conv > layer_norm > relu > max_pool",
        "weight > layer_norm > activation > pool? > dropout?",
        "Ba et al. 2016, Layer normalization, arXiv:1607.06450",
        "Normalises each sample on its own, alike in training and evaluation, whatever the batch size.",
    ),
    NamedOrder(
        "pool before norm",
        "conv > max_pool > batch_norm > relu",
        "conv > pool > norm > activation",
        PAGE,
        "Faster and nearly as good: 67 s to 62 s on CIFAR-10, 94.1 % to 94.0 % (n = 50); one more epoch repairs it.",
    ),
    NamedOrder(
        "record CIFAR-10 networks",
        "conv > max_pool > batch_norm > gelu",
        "conv > max_pool > batch_norm > gelu",
        "Jordan 2024, airbench (airbench94_muon.py)",
        "94.01 % on CIFAR-10 in 2.6 s on an A100 (n = 200).",
    ),
    NamedOrder(
        "IC layer",
        "relu > batch_norm > dropout(p=0.05) > conv",
        "activation > norm > dropout > weight",
        "Chen et al. 2019, arXiv:1905.05928",
        "More stable, faster and better in the limit than weight, norm, activation, on CIFAR-10/100 and ImageNet with "
        "ResNets (abstract).",
    ),
    NamedOrder(
        "pre-activation",
        "batch_norm > relu > conv",
        "norm > activation > weight",
        "He et al. 2016, arXiv:1603.05027, without its shortcut",
        "Measured with a shortcut alone: see full pre-activation.",
    ),
)
