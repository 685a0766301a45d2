"""Try samplers of Optuna on real learning curves of every order, without training anything."""

import optuna

from ordersearch.benchmarks import OrderBench

optuna.logging.set_verbosity(optuna.logging.WARNING)


def main(n_trials: int = 40) -> None:
    for sampler in (optuna.samplers.RandomSampler(seed=0), optuna.samplers.TPESampler(seed=0)):
        problem = OrderBench("cifar10", seed=7)
        study = optuna.create_study(directions=problem.directions, sampler=sampler)
        study.optimize(problem, n_trials=n_trials)
        best, spent = problem.order(study.best_params), problem.n_epochs
        print(f"{type(sampler).__name__}: {study.best_value:.3f} after {spent} epochs, {best}")


if __name__ == "__main__":
    main()
