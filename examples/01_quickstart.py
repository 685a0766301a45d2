"""Search the best order for a data set from Python, and make a layer of the winner."""

from optuna.storages import InMemoryStorage

from ordersearch import BlockSpec, Search, SearchSpace, build_block, load_dataset
from ordersearch.networks import find_network
from ordersearch.study.outputs import verdict
from ordersearch.training.settings import TrainingSettings


def main() -> None:
    training = TrainingSettings(max_epochs=3)
    search = Search("quickstart", SearchSpace.load("conv"), load_dataset("digits"), find_network("cnn"), training)
    result = search.run(search.open_study(InMemoryStorage()), n_trials=12)
    for place in result.places[:3]:
        print(f"{place.mean:.4f}  {result.runs_of(place)[0].blocks['conv']}")
    print(verdict(search, result))

    winner = result.runs_of(result.places[0])[0].blocks["conv"]
    print(build_block(BlockSpec.parse(winner), 3, 64))


if __name__ == "__main__":
    main()
