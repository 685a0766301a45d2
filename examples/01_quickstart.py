"""Search the best order for a data set from Python, and build the winner."""

from optuna.storages import InMemoryStorage

from ordersearch import BlockFactory, BlockSpec, Search, SearchSpace, load_dataset
from ordersearch.networks import find_network
from ordersearch.study.outputs import verdict
from ordersearch.training.settings import TrainingSettings


def main(n_trials: int = 20, max_epochs: int = 10) -> None:
    search = Search(
        name="quickstart",
        space=SearchSpace.load("conv"),
        dataset=load_dataset("digits"),
        network=find_network("cnn"),
        training=TrainingSettings(max_epochs=max_epochs),
    )
    result = search.run(search.open_study(InMemoryStorage()), n_trials=n_trials)
    for place in result.places[:3]:
        print(f"{place.mean:.4f}  {result.runs_of(place)[0].blocks['conv']}")
    print(verdict(search, result))

    winner = result.runs_of(result.places[0])[0]
    conv = BlockFactory(BlockSpec.parse(winner.blocks["conv"]))
    print(conv(3, 64))


if __name__ == "__main__":
    main()
