"""The catalogue: orders of residual blocks, where ``add`` is the joint of the shortcut."""

from __future__ import annotations

from ordersearch.advice.named_order import NamedOrder

HE = "He et al. 2016, Identity mappings in deep residual networks, arXiv:1603.05027"
LI = "Li et al. 2019, Understanding the disharmony between dropout and batch normalization, arXiv:1801.05134"

RESIDUAL_ORDERS = (
    NamedOrder(
        "original residual",
        "conv > batch_norm > relu > conv > batch_norm > add > relu",
        "weight > norm > activation > weight > norm > add > activation",
        "He et al. 2015, Deep residual learning, arXiv:1512.03385; (a) of He et al. 2016, arXiv:1603.05027, table 2",
        "CIFAR-10 error 6.61 % with ResNet-110, 5.93 % with ResNet-164 (median, n = 5).",
    ),
    NamedOrder(
        "BN after addition",
        "conv > batch_norm > relu > conv > add > batch_norm > relu",
        "weight > norm > activation > weight > add > norm > activation",
        f"{HE}, table 2 (b)",
        "Worse than the original: 8.17 % with ResNet-110, 6.50 % with ResNet-164 (median, n = 5).",
    ),
    NamedOrder(
        "ReLU before addition",
        "conv > batch_norm > relu > conv > batch_norm > relu > add",
        "weight > norm > activation > weight > norm > activation > add",
        f"{HE}, table 2 (c)",
        "Worse than the original: 7.84 % with ResNet-110, 6.14 % with ResNet-164 (median, n = 5).",
    ),
    NamedOrder(
        "ReLU-only pre-activation",
        "relu > conv > batch_norm > relu > conv > batch_norm > add",
        "activation > weight > norm > activation > weight > norm > add",
        f"{HE}, table 2 (d)",
        "As good as the original: 6.71 % with ResNet-110, 5.91 % with ResNet-164 (median, n = 5).",
    ),
    NamedOrder(
        "full pre-activation",
        "batch_norm > relu > conv > batch_norm > relu > conv > add",
        "norm > activation > weight > norm > activation > weight > add",
        f"{HE}, table 2 (e)",
        "Best of the five: 6.37 % with ResNet-110, 5.46 % with ResNet-164 (median, n = 5); more so with depth.",
    ),
    NamedOrder(
        "Wide ResNet",
        "batch_norm > relu > conv > batch_norm > relu > dropout(p=0.3) > conv > add",
        "norm > activation > weight > norm > activation > dropout > weight > add",
        "Zagoruyko & Komodakis 2016, arXiv:1605.07146",
        "Consistent gains, WRN-28-10: CIFAR-10 4.00 to 3.89 %, CIFAR-100 19.25 to 18.85 % (median, n = 5); yet 3 of 8 "
        "errors in its first version rose.",
    ),
    NamedOrder(
        "dropout after the last norm",
        "batch_norm > relu > conv > batch_norm > dropout > relu > conv > add",
        "norm > activation > weight > norm > dropout > activation > weight > add",
        "Kim et al. 2023, UAI, arXiv:2302.06112",
        "One dropout between the last norm and the last weight of a branch: PreResNet-110 got 94.44 % on CIFAR-10, "
        "73.98 % on CIFAR-100.",
    ),
    NamedOrder(
        "dropout before the last norm",
        "batch_norm > relu > conv > dropout > batch_norm > relu > conv > add",
        "norm > activation > weight > dropout > norm > activation > weight > add",
        f"{LI}, Dropout-(a)",
        "Harmful: on CIFAR-100 DenseNet fell from 77.42 to 68.55 % with 0.5 in each bottleneck; less so after the "
        "statistics were estimated again (n = 5).",
    ),
    NamedOrder(
        "rtdl ResNet",
        "batch_norm > linear > relu > dropout > linear > dropout > add",
        "norm > linear > activation > dropout > linear > dropout > add",
        "Gorishniy et al. 2021, Revisiting deep learning models for tabular data, arXiv:2106.11959",
        "Nothing claimed of the order: the residual network of the paper's comparison, one norm at a block's start.",
    ),
)
