"""Which orders are the same network, and why: no training, no torch."""

from ordersearch import BlockSpec, cheapest, equivalent, members, why


def main() -> None:
    one = BlockSpec.parse("conv > relu > spatial_dropout > max_pool")
    other = BlockSpec.parse("nn.Conv2d(3, 64, 3) -> nn.MaxPool2d(2) -> nn.Dropout2d(0.5) -> nn.ReLU()")
    print(equivalent(one, other))
    for step in why(one, other):
        print(f"{step.after}: {step.reason}")
    print(f"{len(members(one))} orders are this network; the cheapest is {cheapest(one)}.")
    print(equivalent(one, BlockSpec.parse("conv > gelu > spatial_dropout > max_pool")))


if __name__ == "__main__":
    main()
